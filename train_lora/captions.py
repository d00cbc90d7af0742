"""What is written under each training picture."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable
from typing import TypeAlias

from .errors import RecipeError, TrainError

DEFAULT_TEMPLATE = "a photo of {trigger}"
_FIELDS = frozenset({"trigger", "index", "framing"})

Captioner: TypeAlias = Callable[[bytes], str]
"""Given a picture as PNG bytes, says in words what it shows; a WebUI's interrogator, for one."""

MAX_WORDS = 35
"""Words of a description that are kept: CLIP reads 75 tokens, and the trigger must be among them."""
_SYNTAX = re.compile(r"<[^<>]*>|:\s*[-+]?\d[\d.]*(?=\s*[)\]])|[()\[\]{}<>|\\\"*#^~=@`]")
_KIND = (
    r"(?:young|old|older|elderly|middle[- ]aged|beautiful|pretty|handsome|asian|caucasian|african|american|"
    r"korean|japanese|chinese|indian|european|black|white|blonde?|bearded)"
)
_PERSON = (
    r"(?:woman|women|man|men|girl|boy|lady|guy|person|people|male|female|child|kid|teenager|gentleman|model|"
    r"actor|actress|celebrity|singer)"
)
_SHOWS = re.compile(
    r"^(?:there is |this is )?(?:an? |the )?(?:close[- ]?up |closeup )?"
    r"(?:photo|photograph|picture|portrait|image|selfie|close[- ]?up|closeup|headshot) of ",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    rf"^(?:there is )?(?:(?:a|an|the|one|arafed|little|smiling|{_KIND})\s+)*{_PERSON}(?:'s|\b)\s*"
    r"(?:(?:who|that) is\s+)?",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(?i:named|called|known as)\s+\w+(?:\s+[A-Z]\w*)*")
_TRAIT = re.compile(
    rf"^(?:\d*(?:girls?|boys?)|solo|(?:fe)?male focus|realistic|{_KIND}|"
    r"(?:[\w-]+ ){0,3}(?:hair|eyes|skin|beard|freckles))$",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b[A-Z][a-z]")
_FIRST_WORD = re.compile(r"^[A-Z][a-z]*(?= [a-z])")
"""A sentence's own capital; a name's next word has one too, or is missing."""


def caption(template: str, *, trigger: str, index: int, framing: str, description: str = "") -> str:
    """Fill a caption template.

    Args:
        template: Text with `{trigger}` (required), and if wanted `{framing}` ("close-up", "head and
            shoulders", "upper body") and `{index}` (from 1).
        trigger: The words that will call the person up in a prompt.
        index: Number of the picture, from 1.
        framing: How much of the person it shows.
        description: What else is in the picture, from `clean_description`; follows after a comma.

    Returns:
        One line.

    Raises:
        RecipeError: The template names something else, lacks the trigger, or the trigger is empty or
            breaks captions.

    Example:
        >>> caption("a photo of {trigger}", trigger="ohwx person", index=1, framing="close-up")
        'a photo of ohwx person'
    """
    check_trigger(trigger)
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise RecipeError(f"The caption template {template!r} is not readable: {error}.") from error
    unknown = sorted(fields - _FIELDS)
    if unknown:
        raise RecipeError(
            f"The caption template names {', '.join(unknown) or 'an empty field'}.",
            f"It may use {', '.join(sorted(_FIELDS))}.",
        )
    if "trigger" not in fields:
        raise RecipeError(
            f"The caption template {template!r} lacks {{trigger}}.", "Without it nothing is learnt by name."
        )
    filled = template.format(trigger=trigger, index=index, framing=framing)
    return " ".join(f"{filled}, {description}".split()) if description else " ".join(filled.split())


def clean_description(text: str) -> str:
    """Make an interrogator's words fit to stand behind the trigger.

    What goes: who it takes the person for (the words "a woman", names, artists, hair and eyes: the trigger
    is to learn those), weights and other prompt syntax, numbers, repetitions. What stays: clothes, place,
    light, bearing. Names are known by their capitals, so a name in small letters stays.

    Args:
        text: A sentence, or phrases or tags with commas, as A1111's "clip" and "deepdanbooru" give them.

    Returns:
        Phrases with commas, at most `MAX_WORDS` words; "" when nothing is left.

    Raises:
        TrainError: It is what servers answer instead of an error, `<error>`, or nothing at all.

    Example:
        >>> clean_description("a woman in an orange suit, (smiling:1.1), Annie Leibovitz, smiling")
        'in an orange suit, smiling'
    """
    if not text.strip() or text.strip().casefold() == "<error>":
        raise TrainError(
            f"The interrogator gave no description ({text.strip() or 'empty text'}).",
            "Its model is missing or cannot be loaded: see the WebUI's console, or set captions: template.",
        )
    kept: list[str] = []
    room = MAX_WORDS
    plain = unicodedata.normalize("NFC", _SYNTAX.sub(" ", text)).strip()
    for raw in re.split(r"[,;\n]|\.\s", _FIRST_WORD.sub(lambda found: found[0].lower(), plain)):
        phrase = _clean_phrase(raw)
        words = phrase.split()
        if words and phrase not in kept and len(words) <= room:
            kept.append(phrase)
            room -= len(words)
    return ", ".join(kept)


def _clean_phrase(raw: str) -> str:
    phrase = " ".join(_NAMED.sub(" ", raw.replace("_", " ")).split())
    phrase = _SUBJECT.sub("", _SHOWS.sub("", phrase))
    if _TRAIT.match(phrase) or _NAME.search(phrase) or phrase.casefold().startswith("by "):
        return ""
    letters = "".join(char if char.isprintable() else " " for char in phrase)
    words = [word for word in letters.split() if not any(char.isdigit() for char in word)]
    return " ".join(words).strip(" .:!?-'/").casefold()


def check_trigger(trigger: str) -> None:
    """Refuse a trigger that a prompt or a caption would read as something else.

    Raises:
        RecipeError: Empty, or with characters that mean something in prompts.
    """
    if not trigger.strip():
        raise RecipeError(
            "The trigger is empty.", 'Use words a prompt does not know yet, such as "ohwx person".'
        )
    bad = sorted({char for char in trigger if char in '<>()[]{}:|\\,\n\r\t"' or not char.isprintable()})
    if bad:
        shown = " ".join(repr(char) for char in bad)
        raise RecipeError(
            f"The trigger {trigger!r} contains {shown}.",
            "Prompts read these as weights, lists or other networks.",
        )
