"""The word SANDBOX in the corner, on every picture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .ops import Canvas, as_canvas
from .scene import Picture

TEXT = "SANDBOX"
PLATE = (24, 26, 30)
LETTERS = (236, 236, 232)
OPACITY = 0.9
SUPERSAMPLING = 4


def marked(picture: Picture) -> Picture:
    """Return the picture with a small plate in its lower right corner.

    Place and size depend on the picture's size only,
    so that marking an enlarged picture again covers the first mark.
    """
    height, width = picture.shape[:2]
    plate = _plate(max(round(min(width, height) * 0.034), 9))
    rows, columns = plate.shape[:2]
    margin = max(round(min(width, height) * 0.022), 1)
    top, left = max(height - rows - margin, 0), max(width - columns - margin, 0)
    result = picture.copy()
    area = result[top : top + rows, left : left + columns]
    cut = plate[: area.shape[0], : area.shape[1]]
    alpha = cut[:, :, 3:]
    area[...] = np.clip((as_canvas(area) * (1 - alpha) + cut[:, :, :3] * alpha) * 255 + 0.5, 0, 255).astype(
        np.uint8
    )
    return result


@lru_cache(maxsize=16)
def _plate(height: int) -> Canvas:
    """Draw the plate: RGB and opacity, `height` px tall."""
    tall = height * SUPERSAMPLING
    font = ImageFont.load_default(size=tall * 0.56)
    spacing = tall * 0.09
    widths = [font.getlength(letter) for letter in TEXT]
    wide = round(sum(widths) + spacing * (len(TEXT) - 1) + tall * 0.95)
    image = Image.new("RGBA", (wide, tall), (*PLATE, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, wide - 1, tall - 1), radius=tall * 0.32, fill=(*PLATE, 255))
    at = tall * 0.475
    for letter, width in zip(TEXT, widths, strict=True):
        draw.text((at, tall / 2), letter, font=font, fill=(*LETTERS, 255), anchor="lm")
        at += width + spacing
    small = image.resize((max(round(wide / SUPERSAMPLING), 1), height), Image.Resampling.BOX)
    plate = as_canvas(np.asarray(small)).copy()
    plate[:, :, 3] *= OPACITY
    return plate
