"""What a finished picture's infotext says it was made with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import unescape
from typing import Any

# "Key: value" pairs after commas; a value with a comma, colon or quote in it is JSON-quoted
# (modules/infotext_utils.py quote@A1111 v1.10.1).
_PAIR = re.compile(r'\s*(\w[\w \-/+.]*?):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')


def parameters(infotext: str) -> dict[str, str]:
    """Return the settings line of an infotext as a mapping; empty when there is none.

    Only the last line is read: the prompt above it may hold anything, lines that look like settings included.

    Example:
        >>> parameters('a, b: c\\nSteps: 2, Sampler: Euler a, Lora hashes: "x: 12, y: 34"')["Lora hashes"]
        'x: 12, y: 34'
    """
    line = infotext.rstrip("\n").rpartition("\n")[2]
    return {key.strip(): _unquote(value.strip()) for key, value in _PAIR.findall(line)}


def _unquote(value: str) -> str:
    if len(value) < 2 or not (value.startswith('"') and value.endswith('"')):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value[1:-1]


def told(info: Mapping[str, Any], index: int = 0) -> dict[str, str]:
    """Return all that the answer's `info` tells about picture `index`: its infotext, completed by the extra
    parameters.

    Args:
        info: The answer's decoded `info`.
        index: Position in `infotexts`; a missing one falls back to the first.
    """
    texts = info.get("infotexts") or []
    found: dict[str, str] = {}
    if texts:
        found = parameters(str(texts[index] if index < len(texts) else texts[0]))
    extra = info.get("extra_generation_params") or {}
    for key, value in extra.items():
        if value is not None:
            found.setdefault(str(key), str(value))
    return found


def named_hashes(value: str) -> dict[str, str]:
    """Return "name: hash, name: hash" (infotext "Lora hashes") as a mapping of name to hash."""
    pairs = (part.rpartition(":") for part in value.split(","))
    return {name.strip(): digest.strip() for name, _, digest in pairs if name.strip()}


def html_fields(html: str) -> dict[str, str]:
    """Return the settings of SD.Next's HTML summary (POST /sdapi/v1/control), "Key: value| Key: value".

    Only the paragraph of parameters is read: the prompt in the one before may hold anything.
    """
    text = html.rpartition("<b>Parameters:</b>")[2].partition("</p>")[0]
    pairs = (part.partition(":") for part in unescape(text).split("|"))
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}
