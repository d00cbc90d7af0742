"""The small visible mark: white words on a dark, half transparent plate in a corner where there is no
face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .xmp import Language

if TYPE_CHECKING:
    from PIL import Image

TEXTS: dict[Language, str] = {"ko": "AI 생성", "en": "AI-generated"}

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""

SHARE = 0.036
"""Height of the plate against the picture's shorter side: 28 px of 768."""
LEAST_PX = 16
"""Lower the words cannot be read."""
_ROOM = 0.35
"""How much larger than the detector's a face's box is taken, for hair and chin."""
_PLATE, _INK = (0, 0, 0, 165), (255, 255, 255, 240)
_FINE = 4
"""Drawn so many times larger, then made smaller: smooth edges."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the plate goes."""

    left: int
    top: int
    width: int
    height: int

    @property
    def box(self) -> Box:
        """Its corners."""
        return self.left, self.top, self.left + self.width, self.top + self.height


def draw_mark(image: Image.Image, language: Language, faces: Sequence[Box]) -> Place:
    """Draw the mark into a picture, in place.

    Args:
        image: RGB, RGBA or L.
        language: Of the words.
        faces: Boxes of the faces, kept free.

    Returns:
        Where it is.
    """
    plate, place = _choose(image.size, language, faces)
    region = image.crop(place.box).convert("RGBA")
    region.alpha_composite(plate)
    image.paste(region.convert(image.mode), (place.left, place.top))
    return place


def _choose(size: tuple[int, int], language: Language, faces: Sequence[Box]) -> tuple[Image.Image, Place]:
    """The first free corner, smaller where none is; the least covered one where faces are everywhere."""
    wide = [_widened(box) for box in faces]
    tried: list[tuple[float, Image.Image, Place]] = []
    for share in (1.0, 0.75, 0.5):
        plate = render(max(LEAST_PX, round(SHARE * share * min(size))), language, size[0])
        for place in _corners(size, plate.size):
            covered = sum(_shared(place.box, box) for box in wide)
            if covered == 0:
                return plate, place
            tried.append((covered, plate, place))
    _, plate, place = min(tried, key=lambda entry: entry[0])
    return plate, place


def _corners(size: tuple[int, int], plate: tuple[int, int]) -> list[Place]:
    off = min(round(0.5 * plate[1]), max(0, (size[0] - plate[0]) // 2), max(0, (size[1] - plate[1]) // 2))
    right, bottom = size[0] - plate[0] - off, size[1] - plate[1] - off
    return [Place(x, y, *plate) for x, y in ((right, bottom), (off, bottom), (right, off), (off, off))]


def _widened(box: Box) -> Box:
    x0, y0, x1, y1 = box
    across, down = _ROOM * (x1 - x0), _ROOM * (y1 - y0)
    return x0 - across, y0 - down, x1 + across, y1 + down


def _shared(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def render(height: int, language: Language, widest: int = 1 << 20) -> Image.Image:
    """The plate with its words, RGBA.

    Args:
        height: Of the plate, pixels.
        language: Of the words.
        widest: It becomes lower where it would be wider than this, pixels.
    """
    from PIL import Image, ImageDraw

    from .letters import draw_words

    words = draw_words(TEXTS[language], round(0.6 * height * _FINE), _INK)
    pad = round(0.36 * height * _FINE)
    full = (words.width + 2 * pad, height * _FINE)
    plate = Image.new("RGBA", full, (0, 0, 0, 0))
    ImageDraw.Draw(plate).rounded_rectangle((0, 0, full[0] - 1, full[1] - 1), full[1] // 4, fill=_PLATE)
    plate.alpha_composite(words, (pad, (full[1] - words.height) // 2))
    width, height = round(full[0] / _FINE), height
    if width > widest:
        height, width = max(1, height * widest // width), widest
    return plate.resize((width, height), Image.Resampling.BOX)
