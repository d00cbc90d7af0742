"""Text from outside made harmless, and LoRA tags.

A WebUI prompt is a small language: `(a:1.2)` weighs, `[a|b]` alternates, `[a:b:0.5]` schedules, `<lora:x:1>`
loads a file, `BREAK` and `AND` cut the prompt, `#` drops the rest of the line (A1111's prompt comments), and
extensions read `{a|b}` and `__name__`. A person's name or words typed by a user must mean only themselves.
"""

from __future__ import annotations

import math
import re
import unicodedata

from .errors import RenderError

MAX_USER_TEXT = 300
"""Most characters taken from one piece of user text; the rest is refused, not cut."""

# Brackets have an escape in A1111's grammar; these do not, so they become spaces.
_NO_ESCAPE = re.compile(r"[\\<>{}|:#\x00-\x1f\x7f]")
_SPLITTERS = re.compile(r"\b(BREAK|AND)\b")
_LORA_NAME = re.compile(r"[^<>:\s,][^<>:\r\n]*(?<!\s)|[^<>:\s,]")


def escape_text(text: str) -> str:
    """User text as prompt text that means only its words.

    Brackets are escaped; characters that cannot be escaped become spaces; BREAK and AND become lower case.
    Escaping twice changes nothing.

    Args:
        text: A name or words from a user.

    Returns:
        Text on one line; possibly empty.

    Raises:
        RenderError: It is longer than 300 characters.

    Example:
        >>> escape_text("Kim (JJ) <lora:evil:2> BREAK")
        'Kim \\\\(JJ\\\\) lora evil 2 break'
    """
    if len(text) > MAX_USER_TEXT:
        raise RenderError(f"the text has {len(text)} characters; at most {MAX_USER_TEXT} go into a prompt")
    # Compatibility forms first: a full-width bracket must not turn into syntax further down the line.
    plain = "".join(
        " " if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char
        for char in unicodedata.normalize("NFKC", text)
    )
    # Brackets that are escaped already shall not gain a space.
    plain = _NO_ESCAPE.sub(" ", re.sub(r"\\(?=[()\[\]])", "", plain))
    plain = re.sub(r"__+", "_", plain)
    plain = _SPLITTERS.sub(lambda match: match.group().lower(), plain)
    plain = re.sub(r"([()\[\]])", r"\\\1", plain)
    return " ".join(plain.split())


def lora_tag(name: str, weight: float) -> str:
    """The tag that applies a LoRA: `<lora:alice:0.8>`.

    Args:
        name: Name as the server lists it, without `.safetensors`.
        weight: -5 to 5; 0 = off, 1 = as trained.

    Raises:
        RenderError: The name or the weight cannot stand in a tag.
    """
    if not _LORA_NAME.fullmatch(name):
        raise RenderError(
            f"{name!r} cannot be a LoRA's name in a prompt: no <, >, :, line break or outer space"
        )
    if name.lower().endswith((".safetensors", ".pt", ".ckpt")):
        # The server ignores such a tag without a word.
        raise RenderError(
            f"a LoRA is named without its suffix: {name.rsplit('.', 1)[0]!r} instead of {name!r}"
        )
    if not math.isfinite(weight) or abs(weight) > 5:
        raise RenderError(f"LoRA {name!r}: weight {weight} is not between -5 and 5")
    return f"<lora:{name}:{format_weight(weight)}>"


def format_weight(weight: float) -> str:
    """A weight with at most three decimals and no trailing zeros."""
    text = f"{weight:.3f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
