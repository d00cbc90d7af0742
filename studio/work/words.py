"""Texts for operators, with what is private taken out."""

from __future__ import annotations

import re
from pathlib import Path

LONGEST = 600
_PICTURE = re.compile(r"[^\s'\"(),;:|]+\.(?:jpe?g|png|heic|heif|webp|tiff?|bmp)\b", re.IGNORECASE)
_SECRET = re.compile(r"(\w+://)[^/\s@]+@")


def plain(text: str, root: Path) -> str:
    """A sentence without names of pictures, without the data directory, without passwords in addresses.

    Args:
        text: As a room of the project wrote it.
        root: The data directory.
    """
    text = _SECRET.sub(r"\1", text)
    text = re.sub(rf"{re.escape(str(root))}\S*", "DATA", text)
    text = _PICTURE.sub("(a picture)", text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
