"""Print sheets: as many copies as fit a paper, with gaps and cut marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING

from .formats import MM_PER_INCH

if TYPE_CHECKING:
    from PIL import ImageDraw

    from .photo import IdPhoto

PAPERS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"4x6in": (152.4, 101.6), "5x7in": (177.8, 127.0), "a6": (148.0, 105.0)}
)
"""Paper -> width and height in mm, lying."""

GAP_MM = 2.0
"""Room between two photos, so that one cut does not spoil the other."""
MARGIN_MM = 3.0
"""What minilabs cut off at most when they print to the edge, and room for the cut marks."""
_MARK_MM, _OFF_MM = 1.8, 0.4
"""Length of a cut mark, and its distance from the photo."""
_WIDE_MM = 0.15
_INK = (100, 100, 100)


@dataclass(frozen=True, slots=True)
class Grid:
    """Where photos lie on a sheet, pixels."""

    sheet: tuple[int, int]
    photo: tuple[int, int]
    places: tuple[tuple[int, int], ...]
    """Left upper corners, row by row."""


def plan_sheet(photo: tuple[int, int], paper: str, dpi: int) -> Grid:
    """Put as many photos of one size on a sheet as fit, upright or on a turned sheet.

    Args:
        photo: Width and height, pixels.
        paper: Name from `PAPERS`.
        dpi: Pixels an inch of both.

    Raises:
        ValueError: There is no such paper, or not one photo fits.
    """
    if paper not in PAPERS:
        raise ValueError(f"there is no paper {paper!r}; known are {', '.join(PAPERS)}")
    wide, high = (round(side / MM_PER_INCH * dpi) for side in PAPERS[paper])
    # The lying sheet first: of two equal ones it stays.
    grids = [_grid(sheet, photo, dpi) for sheet in ((wide, high), (high, wide))]
    best = max(grids, key=lambda grid: len(grid.places))
    if not best.places:
        raise ValueError(f"a photo of {photo[0]} x {photo[1]} px does not fit {paper} at {dpi} dpi")
    return best


def _grid(sheet: tuple[int, int], photo: tuple[int, int], dpi: int) -> Grid:
    gap, margin = (round(length / MM_PER_INCH * dpi) for length in (GAP_MM, MARGIN_MM))
    counts = [(whole - 2 * margin + gap) // (part + gap) for whole, part in zip(sheet, photo, strict=True)]
    columns, rows = (max(0, count) for count in counts)
    left = (sheet[0] - columns * photo[0] - (columns - 1) * gap) // 2
    top = (sheet[1] - rows * photo[1] - (rows - 1) * gap) // 2
    places = tuple(
        (left + column * (photo[0] + gap), top + row * (photo[1] + gap))
        for row in range(rows)
        for column in range(columns)
    )
    return Grid(sheet, photo, places)


def print_sheet(photo: IdPhoto, *, paper: str = "4x6in") -> bytes:
    """A sheet to be printed at its own size ("100 %", without borders), and cut along the marks.

    Args:
        photo: From `make_id_photo`.
        paper: Name from `PAPERS`.

    Returns:
        JPEG of the photo's dpi, marked as generated where the photo is: 4x6in at 300 dpi is 1800 x 1200 px.

    Raises:
        ValueError: There is no such paper, or not one photo fits.
    """
    from PIL import Image, ImageDraw

    with Image.open(BytesIO(photo.jpeg)) as opened:
        picture = opened.convert("RGB")
    grid = plan_sheet(picture.size, paper, photo.dpi)
    sheet = Image.new("RGB", grid.sheet, "white")
    for place in grid.places:
        sheet.paste(picture, place)
    _cut_marks(ImageDraw.Draw(sheet), grid, photo.dpi)
    return photo.encode_like(sheet)


def _cut_marks(draw: ImageDraw.ImageDraw, grid: Grid, dpi: int) -> None:
    """Short lines at the corners of each photo, in the gaps and margins only."""
    length, off, wide = (max(1, round(mm / MM_PER_INCH * dpi)) for mm in (_MARK_MM, _OFF_MM, _WIDE_MM))
    gap = round(GAP_MM / MM_PER_INCH * dpi)
    length = min(length, gap - 2 * off)
    width, height = grid.photo
    for left, top in grid.places:
        for x in (left, left + width - 1):
            draw.line((x, top - off - length, x, top - off - 1), _INK, wide)
            draw.line((x, top + height + off, x, top + height + off + length - 1), _INK, wide)
        for y in (top, top + height - 1):
            draw.line((left - off - length, y, left - off - 1, y), _INK, wide)
            draw.line((left + width + off, y, left + width + off + length - 1, y), _INK, wide)
