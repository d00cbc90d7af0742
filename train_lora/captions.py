"""What is written under each training picture."""

from __future__ import annotations

import string

from .errors import RecipeError

DEFAULT_TEMPLATE = "a photo of {trigger}"
_FIELDS = frozenset({"trigger", "index", "framing"})


def caption(template: str, *, trigger: str, index: int, framing: str) -> str:
    """Fill a caption template.

    Args:
        template: Text with `{trigger}` (required), and if wanted `{framing}` ("close-up", "head and
            shoulders") and `{index}` (from 1).
        trigger: The words that will call the person up in a prompt.
        index: Number of the picture, from 1.
        framing: How much of the person it shows.

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
    return " ".join(template.format(trigger=trigger, index=index, framing=framing).split())


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
