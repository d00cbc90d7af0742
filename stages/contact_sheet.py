"""contact-sheet.jpg: all portraits of a run on one sheet, with pose, tone and likeness under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from sdwebui_client import EncodedImage

from .lib._optional import require
from .report import flatten_to_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

_CELL_W, _CELL_H, _GAP, _CAPTION, _HEAD = 440, 660, 28, 72, 104
_MAX_COLUMNS = 5
_NO_NAME = "Studio portraits"
_PAPER, _INK, _SOFT = (246, 245, 242), (29, 31, 35), (106, 110, 118)
_WARN, _WARN_INK = (255, 207, 51), (34, 26, 0)


@dataclass(frozen=True)
class SheetEntry:
    """One portrait of the sheet."""

    picture: EncodedImage
    title: str
    """First line: number, pose, tone."""
    detail: str
    """Second line: likeness, seed."""


def contact_sheet(entries: Sequence[SheetEntry], *, title: str, sandbox: bool) -> bytes:
    """Draw the sheet.

    Args:
        entries: At least one, in the order of delivery.
        title: Heading. One with letters that Pillow's own font lacks (all but ASCII) becomes "Studio
            portraits": a row of empty boxes names nobody.
        sandbox: Whether to say SANDBOX across the top.

    Returns:
        A JPEG; the same entries give the same bytes.
    """
    pil, drawing = require("PIL.Image", "pillow"), require("PIL.ImageDraw", "pillow")
    columns = _columns(len(entries))
    rows = -(-len(entries) // columns)
    width = max(columns * (_CELL_W + _GAP) + _GAP, 560)
    height = _HEAD + rows * (_CELL_H + _CAPTION + _GAP)
    sheet = pil.new("RGB", (width, height), _PAPER)
    draw = drawing.Draw(sheet)
    _heading(draw, title, sandbox, width)
    for index, entry in enumerate(entries):
        x = _GAP + index % columns * (_CELL_W + _GAP)
        y = _HEAD + index // columns * (_CELL_H + _CAPTION + _GAP)
        _cell(sheet, draw, entry, x, y)
    out = BytesIO()
    sheet.save(out, "JPEG", quality=90, optimize=True)
    return out.getvalue()


def _columns(number: int) -> int:
    """As many columns as make the sheet least ragged, and not wider than `_MAX_COLUMNS`."""
    if number <= _MAX_COLUMNS:
        return max(1, number)
    return min(range(3, _MAX_COLUMNS + 1), key=lambda columns: (-number % columns, -columns))


def _heading(draw: Any, title: str, sandbox: bool, width: int) -> None:
    if sandbox:
        draw.rectangle((0, 0, width, 30), fill=_WARN)
        text = "SANDBOX   put together from the photos by the built-in stand-in, not drawn by a model"
        draw.text((_GAP, 15), text, fill=_WARN_INK, font=_fitting(text, 15, width), anchor="lm")
    shown = title if _can_draw(title) else _NO_NAME
    draw.text((_GAP, 68), shown, fill=_INK, font=_fitting(shown, 32, width), anchor="lm")


def _cell(sheet: Image, draw: Any, entry: SheetEntry, x: int, y: int) -> None:
    picture = flatten_to_rgb(entry.picture.open(), max(_CELL_W, _CELL_H))
    picture.thumbnail((_CELL_W, _CELL_H))
    sheet.paste(picture, (x + (_CELL_W - picture.width) // 2, y + (_CELL_H - picture.height)))
    draw.text((x, y + _CELL_H + 26), entry.title, fill=_INK, font=_font(23), anchor="lm")
    draw.text((x, y + _CELL_H + 53), entry.detail, fill=_SOFT, font=_font(18), anchor="lm")


def _fitting(text: str, size: int, width: int) -> Any:
    """The font, as much smaller as the text needs to stay on the sheet."""
    length = _font(size).getlength(text)
    return _font(min(size, max(8, int(size * (width - 2 * _GAP) / max(1.0, length)))))


def _can_draw(text: str) -> bool:
    """Whether the font has every letter: one it lacks looks like one that no font has."""
    font = _font(16)
    lacking = bytes(font.getmask("\uffff"))
    return all(bytes(font.getmask(letter)) != lacking for letter in set(text) if not letter.isspace())


def _font(size: int) -> Any:
    # Pillow's own font: there on every machine, so the sheet is the same everywhere.
    return require("PIL.ImageFont", "pillow").load_default(size)
