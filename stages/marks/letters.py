"""The few words of the visible mark, drawn from strokes: no machine need have a font with Hangul."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

Point = tuple[float, float]
Stroke = tuple[Point, ...]
"""A line through points; the letter is 1 high, y down."""
Ring = tuple[float, float, float, float]
"""An ellipse: middle x, y and half axes."""

_HANGUL: dict[str, tuple[float, tuple[Stroke, ...], tuple[Ring, ...]]] = {
    # letter: width, strokes, rings
    "생": (
        0.92,
        (
            ((0.27, 0.06), (0.24, 0.24), (0.04, 0.46)),
            ((0.25, 0.22), (0.44, 0.45)),
            ((0.58, 0.04), (0.58, 0.52)),
            ((0.58, 0.26), (0.80, 0.26)),
            ((0.80, 0.0), (0.80, 0.55)),
        ),
        ((0.52, 0.79, 0.29, 0.19),),
    ),
    "성": (
        0.92,
        (
            ((0.27, 0.06), (0.24, 0.24), (0.04, 0.46)),
            ((0.25, 0.22), (0.44, 0.45)),
            ((0.54, 0.24), (0.80, 0.24)),
            ((0.80, 0.0), (0.80, 0.55)),
        ),
        ((0.52, 0.79, 0.29, 0.19),),
    ),
}
_STROKE = 0.095
_SPACE = 0.26


def draw_words(text: str, height: int, ink: tuple[int, int, int, int]) -> Image.Image:
    """Words as high as asked, RGBA on nothing.

    Args:
        text: Latin letters, and the Hangul of the mark.
        height: Of a letter, pixels.
        ink: RGBA.
    """
    from PIL import Image

    parts = [_hangul(letter, height, ink) for letter in text if letter in _HANGUL]
    latin = "".join(letter for letter in text if letter not in _HANGUL)
    pieces = [_latin(latin.strip(), height, ink), *parts]
    gap = round(_SPACE * height) if parts else 0
    width = sum(piece.width for piece in pieces) + gap
    out = Image.new("RGBA", (width, max(piece.height for piece in pieces)), (*ink[:3], 0))
    at = 0
    for index, piece in enumerate(pieces):
        out.alpha_composite(piece, (at, (out.height - piece.height) // 2))
        at += piece.width + (gap if index == 0 else 0)
    return out


def _latin(text: str, height: int, ink: tuple[int, int, int, int]) -> Image.Image:
    """Pillow's own font, as high as the ascent of its capitals asks."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=height * 1.18)
    left, top, right, bottom = font.getbbox(text)
    out = Image.new("RGBA", (round(right - left), round(bottom - top)), (*ink[:3], 0))
    ImageDraw.Draw(out).text((-left, -top), text, font=font, fill=ink)
    return out


def _hangul(letter: str, height: int, ink: tuple[int, int, int, int]) -> Image.Image:
    from PIL import Image, ImageDraw

    width, strokes, rings = _HANGUL[letter]
    thick = max(1, round(_STROKE * height))
    out = Image.new("RGBA", (round(width * height), height + thick), (*ink[:3], 0))
    draw = ImageDraw.Draw(out)
    for stroke in strokes:
        points = [(x * height, y * height + thick / 2) for x, y in stroke]
        draw.line(points, fill=ink, width=thick, joint="curve")
        for x, y in points:
            draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=ink)
    for x, y, across, down in rings:
        box = ((x - across) * height, (y - down) * height + thick / 2)
        end = ((x + across) * height, (y + down) * height + thick / 2)
        draw.ellipse((*box, *end), outline=ink, width=thick)
    return out
