"""Receipts as people read them: what was deleted and how much, in their language."""

from __future__ import annotations

from ..data import Receipt
from ..erasing.words import left_over, shown
from ..refusals import Language

_NAMES: dict[str, tuple[str, str]] = {
    "photos": ("사진", "Photos"),
    "portraits": ("완성된 사진", "Portraits"),
    "models": ("WebUI의 LoRA 파일", "LoRA files in WebUIs"),
    "jobs": ("작업", "Jobs"),
    "files": ("파일", "Files"),
}
_SIZE = ("용량", "Size")
_LEFT = ("남은 것", "Left")
_UNITS = ("B", "kB", "MB", "GB", "TB")


def receipt_lines(receipt: Receipt, language: Language) -> list[tuple[str, str]]:
    """Name and amount of everything that was deleted, and what is left and why.

    Args:
        receipt: The row.
        language: Of the names.
    """
    column, counts = 0 if language == "ko" else 1, shown(receipt)
    lines = [(names[column], str(counts[key])) for key, names in _NAMES.items() if counts.get(key)]
    if counts.get("bytes"):
        lines.append((_SIZE[column], _size(counts["bytes"])))
    return [*lines, *((_LEFT[column], text) for text in left_over(receipt, language))]


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
