"""Shades a flat cut-out piece of cloth as if it were round, soft and lit from the upper left."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..ops import Canvas, Colour, blur, noise, window

LIGHT = (-0.48, -0.56, 0.68)
"""Direction to the key light: from the left, from above, from the front."""
KNEE = np.float32(0.80)
"""Brightness from which cloth rolls off towards white."""


@dataclass(frozen=True, slots=True)
class Fabric:
    """How a cloth looks."""

    colour: Colour
    folds: float = 0.5
    """0 stiff .. 1 soft and creased."""
    weave: float = 0.5
    """Strength of the fine texture."""
    ribs: float = 0.0
    """Strength of vertical ribs of a knit."""
    sheen: float = 0.0
    """Highlights of silk."""


def lay(
    canvas: Canvas,
    mask: Canvas,
    fabric: Fabric,
    *,
    unit: float,
    roundness: float,
    rng: np.random.Generator,
    shadow: float = 0.0,
    form: Canvas | None = None,
) -> Canvas:
    """Lay a piece of cloth on the picture, in place; the picture is returned.

    Args:
        canvas: the picture so far.
        mask: the piece, 0..1.
        fabric: how it looks.
        unit: pixels of one eye distance.
        roundness: how far from its edge the piece bulges, eye distances.
        rng: for folds and weave.
        shadow: 0..1, how dark the shadow is that it casts around itself on what lies below.
        form: the outline the piece bulges from, where `mask` fades only part of it in.
    """
    box = window(mask, unit * 0.45)
    if box is None:
        return canvas
    area, piece = canvas[box], mask[box]
    if shadow > 0:
        thrown = blur(_moved(piece, unit * 0.05, unit * 0.09), unit * 0.10)
        area *= (1 - np.float32(shadow) * thrown * (1 - piece))[:, :, None]
    light = _light(piece if form is None else form[box], fabric, unit, roundness, rng)
    cloth = np.asarray(fabric.colour, dtype=np.float32) * light[:, :, None]
    if fabric.sheen > 0:
        cloth += (np.float32(fabric.sheen) * np.maximum(light - np.float32(1.02), 0) ** 1.5)[:, :, None]
    else:
        # Dark cloth would sink into one dark shape: fibres catch some light whatever its colour.
        cloth += np.maximum(light - np.float32(0.95), 0)[:, :, None] * np.float32(0.10)
    if max(fabric.colour) > 0.55:
        # Highlights roll off instead of clipping, so that white cloth keeps its shape.
        bright = np.maximum(cloth - KNEE, 0)
        cloth = np.minimum(cloth, KNEE) + bright * (1.04 - KNEE) / (bright + (1.04 - KNEE))
    area += (cloth - area) * piece[:, :, None]
    return canvas


def _moved(mask: Canvas, right: float, down: float) -> Canvas:
    shift = np.array([[1, 0, right], [0, 1, down]], dtype=np.float32)
    return np.asarray(cv2.warpAffine(mask, shift, (mask.shape[1], mask.shape[0])), dtype=np.float32)


def _light(mask: Canvas, fabric: Fabric, unit: float, roundness: float, rng: np.random.Generator) -> Canvas:
    """Return a brightness factor about 1 for each pixel, from the slopes of an imagined height field."""
    height, width = mask.shape
    step = max(int(unit / 24), 1)
    size = (max(width // step, 8), max(height // step, 8))
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    grain = unit / step
    bulge = _bulge(np.asarray(small, dtype=np.float32), roundness * grain)
    if fabric.folds > 0:
        bulge = bulge + fabric.folds * _folds(rng, (size[1], size[0]), grain)
    bulge = blur(np.asarray(bulge, dtype=np.float32), grain * 0.05)
    slope_x = cv2.Sobel(bulge, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    slope_y = cv2.Sobel(bulge, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    steep = np.sqrt(1 + slope_x**2 + slope_y**2)
    lit = (-slope_x * LIGHT[0] - slope_y * LIGHT[1] + LIGHT[2]) / steep
    factor = 0.44 + 0.86 * np.clip(lit, 0, 1)
    shade = np.asarray(cv2.resize(factor, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    if fabric.weave > 0:
        thread = rng.standard_normal((height, width), dtype=np.float32)
        thread = cv2.GaussianBlur(thread, (0, 0), max(unit / 130, 0.55))
        shade = shade + np.float32(0.045 * fabric.weave) * np.asarray(thread, dtype=np.float32)
    if fabric.ribs > 0:
        columns = np.arange(width, dtype=np.float32)[None, :]
        shade = shade + np.float32(0.04 * fabric.ribs) * np.sin(
            columns * np.float32(2 * np.pi / max(unit * 0.075, 3))
        )
    return np.asarray(np.clip(shade, 0.2, 1.6), dtype=np.float32)


def _bulge(mask: Canvas, reach: float) -> Canvas:
    solid = (mask > 0.5).astype(np.uint8)
    # A border of cloth continues past the picture's edge: without it the piece would round off there.
    framed = cv2.copyMakeBorder(solid, 1, int(reach) + 2, 1, 1, cv2.BORDER_REPLICATE)
    away = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1 : 1 + mask.shape[0], 1 : 1 + mask.shape[1]]
    share = np.clip(away / max(reach, 1.0), 0, 1)
    dome = np.sqrt(np.maximum(1 - (1 - share) ** 2, 0)) * reach * 0.62
    return np.asarray(blur(np.asarray(dome, dtype=np.float32), reach * 0.16), dtype=np.float32)


def _folds(rng: np.random.Generator, shape: tuple[int, int], grain: float) -> Canvas:
    """Long soft creases, slanting from the shoulders to the middle, mirrored as gravity would have them."""
    height, width = shape
    tall = noise(rng, (height, width), grain * 1.5)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    lean = np.where(columns < width / 2, np.float32(0.45), np.float32(-0.45))
    slanted = cv2.remap(
        noise(rng, (height, width), grain * 0.8),
        columns * np.float32(0.9) - rows * lean * np.float32(0.35) + np.float32(width * 0.05),
        rows * np.float32(0.22),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    mixed = blur(np.asarray(tall * 0.6 + slanted * 0.75, dtype=np.float32), grain * 0.14)
    return np.asarray(mixed * np.float32(grain * 0.34), dtype=np.float32)
