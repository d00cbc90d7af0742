"""The "generation parameters" text the WebUI writes into pictures and into `info.infotexts`."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

_ENTRY = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"^(\d+)x(\d+)$")


def quote(value: Any) -> str:
    """Quote a value as JSON when it holds a comma, a colon or a line break."""
    text = str(value)
    if any(mark in text for mark in ",\n:"):
        return json.dumps(text, ensure_ascii=False)
    return text


def compose(prompt: str, negative: str, entries: Mapping[str, Any]) -> str:
    """Write an infotext.

    Args:
        prompt: the positive prompt.
        negative: the negative prompt; empty leaves its line out.
        entries: name -> value in order; None is left out, and a name equal to its value is written once.
    """
    line = ", ".join(
        name if name == value else f"{name}: {quote(value)}"
        for name, value in entries.items()
        if value is not None
    )
    negative_line = f"\nNegative prompt: {negative}" if negative else ""
    return f"{prompt}{negative_line}\n{line}".strip()


def parse(text: str) -> dict[str, Any]:
    """Read an infotext the way /sdapi/v1/png-info does: sizes are split into `NAME-1` and `NAME-2`."""
    *lines, last = text.strip().split("\n")
    if len(_ENTRY.findall(last)) < 3:
        lines, last = [*lines, last], ""
    prompt: list[str] = []
    negative: list[str] = []
    target = prompt
    for line in (item.strip() for item in lines):
        if line.startswith("Negative prompt:"):
            target = negative
            line = line[16:].strip()
        target.append(line)
    result: dict[str, Any] = {"Prompt": "\n".join(prompt), "Negative prompt": "\n".join(negative)}
    for name, value in _ENTRY.findall(last):
        result |= _entry(name, value)
    return result


def _entry(name: str, value: str) -> dict[str, str]:
    if value.startswith('"') and value.endswith('"'):
        # A stray quotation mark: the server, too, then keeps the text as it stands.
        with contextlib.suppress(ValueError):
            value = str(json.loads(value))
    size = _SIZE.match(value)
    if size:
        return {f"{name}-1": size.group(1), f"{name}-2": size.group(2)}
    return {name: value}


DEFAULTS: dict[str, Any] = {
    "Clip skip": "1",
    "Hires resize-1": 0,
    "Hires resize-2": 0,
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "Inpaint area": "Whole picture",
    "Masked area padding": 32,
    "RNG": "GPU",
    "Schedule type": "Automatic",
    "Schedule max sigma": 0,
    "Schedule min sigma": 0,
    "Schedule rho": 0,
    "VAE Encoder": "Full",
    "VAE Decoder": "Full",
    "FP8 weight": "Disable",
    "Refiner switch by sampling steps": False,
}
"""What png-info adds when the text does not say (recorded)."""
