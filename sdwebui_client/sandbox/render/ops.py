"""Small pixel operations the drawing is built of.
Canvases are float32, RGB, 0..1, in display (sRGB) values."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from .scene import Picture

Canvas: TypeAlias = npt.NDArray[np.float32]
"""Shape (height, width, 3) or, for one channel, (height, width)."""
Colour: TypeAlias = tuple[float, float, float]
"""RGB, 0..1."""
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Rec. 601 luma, what PNG viewers and OpenCV's RGB2GRAY use."""


def as_canvas(picture: Any) -> Canvas:
    """Turn 0..255 integers into a 0..1 canvas."""
    return np.asarray(picture, dtype=np.float32) * np.float32(1 / 255)


def as_picture(canvas: Canvas) -> Picture:
    """Turn a 0..1 canvas into 0..255 integers, clipped and rounded."""
    return np.asarray(np.clip(canvas * 255.0 + 0.5, 0, 255), dtype=np.uint8)


def hex_colour(text: str) -> Colour:
    """Read ``#rrggbb``."""
    return int(text[1:3], 16) / 255, int(text[3:5], 16) / 255, int(text[5:7], 16) / 255


def scaled(colour: Colour, factor: float) -> Colour:
    """Return a colour made darker (factor < 1) or lighter, clipped to 0..1."""
    red, green, blue = (min(max(channel * factor, 0.0), 1.0) for channel in colour)
    return red, green, blue


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """Return `first` with a share (0..1) of `second`."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def flat(shape: tuple[int, int], colour: Colour) -> Canvas:
    """Return a canvas of one colour."""
    return np.broadcast_to(np.asarray(colour, dtype=np.float32), (*shape, 3)).copy()


def smoothstep(low: float, high: float, value: Canvas) -> Canvas:
    """Return 0 below `low`, 1 above `high`, a smooth S between (`low` > `high` turns it round)."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), dtype=np.float32)


def blur(canvas: Canvas, sigma: float) -> Canvas:
    """Blur with a Gaussian of `sigma` px; large ones are done at a reduced size, which looks the same."""
    if sigma < 0.2:
        return canvas
    height, width = canvas.shape[:2]
    factor = min(int(sigma / 3), min(height, width) // 8)
    if factor < 2:
        return np.asarray(cv2.GaussianBlur(canvas, (0, 0), sigma), dtype=np.float32)
    size = (max(width // factor, 2), max(height // factor, 2))
    small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / factor)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def over(below: Canvas, above: Canvas, alpha: Canvas) -> Canvas:
    """Lay one canvas over another through a 0..1 alpha plane."""
    return np.asarray(below + (above - below) * alpha[:, :, None], dtype=np.float32)


def window(plane: Canvas, margin: float) -> tuple[slice, slice] | None:
    """Return the rows and columns a mask touches, widened by `margin` px, or None when it touches nothing."""
    rows = np.flatnonzero(plane.max(axis=1) > 0)
    if rows.size == 0:
        return None
    columns = np.flatnonzero(plane[rows[0] : rows[-1] + 1].max(axis=0) > 0)
    wide = int(margin) + 1
    return (
        slice(max(int(rows[0]) - wide, 0), int(rows[-1]) + 1 + wide),
        slice(max(int(columns[0]) - wide, 0), int(columns[-1]) + 1 + wide),
    )


def paint(canvas: Canvas, colour: Colour, plane: Canvas, alpha: float = 1.0) -> Canvas:
    """Lay a colour over a canvas through a mask, in place; the canvas is returned."""
    box = window(plane, 0)
    if box is not None:
        share = plane[box][:, :, None] * np.float32(alpha)
        canvas[box] += (np.asarray(colour, dtype=np.float32) - canvas[box]) * share
    return canvas


def shade(canvas: Canvas, plane: Canvas, amount: float) -> Canvas:
    """Darken a canvas by `amount` (0..1) where the plane is 1, in place; the canvas is returned."""
    box = window(plane, 0)
    if box is not None:
        canvas[box] *= (1 - np.float32(amount) * plane[box])[:, :, None]
    return canvas


def luma(canvas: Canvas) -> Canvas:
    """Return the brightness plane of a canvas."""
    return np.asarray(canvas @ LUMA, dtype=np.float32)


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> Canvas:
    """Return smooth noise, about -1..1, whose blobs are `cell` px across."""
    height, width = shape
    small = rng.standard_normal((max(round(height / cell), 2), max(round(width / cell), 2)), dtype=np.float32)
    field = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC) if cell > 1 else small
    return np.asarray(field * np.float32(0.6), dtype=np.float32)


def clouds(rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int = 3) -> Canvas:
    """Return noise of several sizes, each half as large and half as strong as the one before."""
    field = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        field += noise(rng, shape, max(cell / 2**octave, 1.0)) * np.float32(0.5**octave)
    return field


def sharpen(canvas: Canvas, sigma: float, amount: float) -> Canvas:
    """Unsharp mask: adds `amount` times what a blur of `sigma` px takes away."""
    return np.asarray(canvas + (canvas - blur(canvas, sigma)) * np.float32(amount), dtype=np.float32)


def fill(shape: tuple[int, int], points: npt.NDArray[np.float64], soft: float = 0.0) -> Canvas:
    """Fill a closed polygon with anti-aliased edges, then soften it by `soft` px."""
    plane = np.zeros(shape, dtype=np.uint8)
    fixed = np.round(np.clip(points, -30_000, 30_000) * 16).astype(np.int32)
    cv2.fillPoly(plane, [fixed], 255, lineType=cv2.LINE_AA, shift=4)
    return blur(as_canvas(plane), soft)


def rounded(plane: Canvas, radius: float) -> Canvas:
    """Round the corners of a mask, outer and inner ones, and give it a clean edge; `radius` in px."""
    melted = blur(plane, radius)
    edge = 0.5 / max(radius, 1.0)
    return smoothstep(0.5 - edge, 0.5 + edge, melted)


def stroke(
    shape: tuple[int, int],
    points: npt.NDArray[np.float64],
    width: float,
    soft: float = 0.0,
    *,
    closed: bool = False,
) -> Canvas:
    """Draw a line of `width` px through points."""
    plane = np.zeros(shape, dtype=np.uint8)
    fixed = np.round(np.clip(points, -30_000, 30_000) * 16).astype(np.int32)
    cv2.polylines(plane, [fixed], closed, 255, max(round(width), 1), lineType=cv2.LINE_AA, shift=4)
    return blur(as_canvas(plane), soft)


def curve(
    points: list[tuple[float, float]], *, closed: bool = False, samples: int = 14
) -> npt.NDArray[np.float64]:
    """Return a smooth line (Catmull-Rom) through the points."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        ring = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        ring = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    share = np.linspace(0, 1, samples, endpoint=False)[:, None]
    pieces = []
    for before, start, end, after in zip(ring, ring[1:], ring[2:], ring[3:], strict=False):
        pieces.append(
            0.5
            * (
                2 * start
                + (end - before) * share
                + (2 * before - 5 * start + 4 * end - after) * share**2
                + (3 * start - before - 3 * end + after) * share**3
            )
        )
    if not closed:
        pieces.append(knots[-1:])
    return np.concatenate(pieces)
