"""What a finished picture's infotext says it was made with."""

from __future__ import annotations

from collections.abc import Mapping
from html import unescape
from typing import Any

from .infotext import parse_infotext


def told(info: Mapping[str, Any], index: int = 0) -> dict[str, str]:
    """Return all that the answer's `info` tells about picture `index`:
    its infotext, completed by the extra parameters.

    Args:
        info: The answer's decoded `info`.
        index: Position in `infotexts`; a missing one falls back to the first.
    """
    texts = info.get("infotexts") or []
    found: dict[str, str] = {}
    if texts:
        found = dict(parse_infotext(str(texts[index] if index < len(texts) else texts[0])).settings)
    extra = info.get("extra_generation_params") or {}
    for key, value in extra.items():
        if value is not None:
            found.setdefault(str(key), str(value))
    return found


def html_fields(html: str) -> dict[str, str]:
    """Return the settings of SD.Next's HTML summary (POST /sdapi/v1/control), "Key: value| Key: value".

    Only the paragraph of parameters is read: the prompt in the one before may hold anything.
    """
    text = html.rpartition("<b>Parameters:</b>")[2].partition("</p>")[0]
    pairs = (part.partition(":") for part in unescape(text).split("|"))
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}
