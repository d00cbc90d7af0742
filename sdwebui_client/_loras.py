"""LoRA tags in prompts: `<lora:NAME:0.8>`, read as the server reads them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

# modules/extra_networks.py re_extra_net@A1111 v1.10.1: anything between "<word:" and the next ">".
_TAG = re.compile(r"<(lora|lyco):([^>]*)>", re.IGNORECASE)
_ANY_CASE = re.compile(r"<\s*(lora|lyco)\b[^>]*>?", re.IGNORECASE)
_NAMED = ("te", "unet", "dyn")


@dataclass(frozen=True, slots=True)
class LoraTag:
    """One tag as written."""

    name: str
    """File name without its ending, or its alias."""
    weight: float
    """Strength of the U-Net part (and of the text encoder
    unless the tag sets it apart); 1.0 when left out."""
    text: str
    """The tag itself."""
    flaw: str = ""
    """Why the server would ignore it; empty when it is well formed."""


def lora_tags(prompt: str) -> tuple[LoraTag, ...]:
    """Return every LoRA tag of a prompt in order, malformed ones included (with their flaw).

    Example:
        >>> [(tag.name, tag.weight) for tag in lora_tags("portrait <lora:alice:0.8> <lora:film>")]
        [('alice', 0.8), ('film', 1.0)]
    """
    return tuple(_read(match.group(0)) for match in _ANY_CASE.finditer(prompt))


def _read(text: str) -> LoraTag:
    match = _TAG.fullmatch(text)
    if match is None:
        reason = "is not closed by >" if not text.endswith(">") else "is not of the form <lora:NAME:WEIGHT>"
        return LoraTag("", 1.0, text, flaw=f"the tag {reason}")
    kind, body = match.groups()
    if kind not in ("lora", "lyco"):
        return LoraTag("", 1.0, text, flaw=f'write "<{kind.lower()}:", the server looks for lower case')
    name, *rest = body.split(":")
    if not name or name != name.strip():
        return LoraTag(name.strip(), 1.0, text, flaw="the name is empty or has spaces around it")
    weights: dict[str, float] = {}
    for position, part in enumerate(rest):
        key, equals, value = part.partition("=")
        if equals and key not in _NAMED:
            return LoraTag(name, 1.0, text, flaw=f'"{key}" is none of {", ".join(_NAMED)}')
        if position >= 3:
            return LoraTag(name, 1.0, text, flaw="more than a weight, a U-Net weight and a rank")
        number = _number(value if equals else part)
        if number is None:
            return LoraTag(name, 1.0, text, flaw=f'the weight "{part}" is not a number')
        weights[key if equals else _NAMED[position]] = number
    return LoraTag(name, weights.get("unet", weights.get("te", 1.0)), text)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
