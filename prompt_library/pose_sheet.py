"""A sheet of all poses with their names, for the documentation."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from .library import Library
from .skeleton import draw_skeleton

_COLUMNS = 5
_TILE = (200, 300)
_LABEL_PX = 18
_GAP_PX = 4


def render_pose_sheet(library: Library) -> bytes:
    """PNG bytes of a sheet with every pose of the library, five in a row, 200x300 px each."""
    rows = -(-len(library.poses) // _COLUMNS)
    width, height = _TILE
    cell_width, cell_height = width + _GAP_PX, height + _LABEL_PX + _GAP_PX
    sheet = Image.new("RGB", (_COLUMNS * cell_width - _GAP_PX, rows * cell_height - _GAP_PX), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (name, pose) in enumerate(library.poses.items()):
        left, top = index % _COLUMNS * cell_width, index // _COLUMNS * cell_height
        sheet.paste(draw_skeleton(pose, width, height), (left, top))
        draw.text((left + 2, top + height + 3), name, fill="black")
    buffer = io.BytesIO()
    sheet.quantize(64, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
