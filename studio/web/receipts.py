"""Receipts as people read them: what was deleted and how much, in their language."""

from __future__ import annotations

from ..data import Receipt
from ..erasing.words import left_over, shown
from ..refusals import Language

_NAMES: dict[str, tuple[str, str]] = {
    "photos": ("사진", "Photos"),
    "thumbs": ("작은 그림", "Small pictures"),
    "models": ("학습된 모델", "Models"),
    "model_files": ("모델 파일", "Model files"),
    "portraits": ("완성된 사진", "Portraits"),
    "pictures": ("그림", "Pictures"),
    "jobs": ("작업", "Jobs"),
    "albums": ("앨범", "Albums"),
    "sessions": ("로그인", "Sessions"),
    "tokens": ("API 토큰", "API tokens"),
    "mails": ("메일", "Mails"),
    "files": ("파일", "Files"),
    "rows": ("데이터베이스 기록", "Database rows"),
    "bytes": ("용량", "Size"),
    "workflows": ("대기열 기록", "Queue entries"),
    "loras": ("WebUI의 LoRA 파일", "LoRA files in WebUIs"),
}
_LEFT = ("남은 것", "Left")
_UNITS = ("B", "kB", "MB", "GB", "TB")


def receipt_lines(receipt: Receipt, language: Language) -> list[tuple[str, str]]:
    """Name and amount of everything the receipt counts; nested counts one below the other.

    Args:
        receipt: The row.
        language: Of the names; a count of an unknown name is shown by that name.
    """
    column = 0 if language == "ko" else 1
    numbers = {name: value for name, value in shown(receipt).items() if name != "left"}
    return [*_lines(numbers, column), *((_LEFT[column], text) for text in left_over(receipt, language))]


def _lines(content: dict[str, object], column: int) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for key, value in content.items():
        name = _NAMES[key][column] if key in _NAMES else key.replace("_", " ")
        if isinstance(value, bool):
            lines.append((name, "✓" if value else "–"))
        elif isinstance(value, int | float):
            lines.append((name, _size(value) if "bytes" in key else f"{value:g}"))
        elif isinstance(value, str):
            lines.append((name, value))
        elif isinstance(value, list):
            lines.append((name, str(len(value))))
        elif isinstance(value, dict):
            lines += _lines(value, column)
    return lines


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
