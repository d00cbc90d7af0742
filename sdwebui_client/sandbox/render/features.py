"""Brush strokes for a drawn face: eyes, brows, nose, mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ops import Canvas, Colour, curve, fill, flat, hex_colour, mixed, over, paint, scaled, shade, stroke

SIZE = 768
"""Side of a drawn face's picture, px."""
UNIT = 124.0
"""Pixels of one eye distance."""
EYES = (384.0, 300.0)
"""Where the middle of the eyes lies, px."""


@dataclass(frozen=True, slots=True)
class Face:
    """Measures of a drawn face, in eye distances."""

    skin: Colour
    hair: Colour
    iris: Colour
    jaw: float
    """Half the breadth of the jaw."""
    chin: float
    """From the eyes down."""
    nose: float
    mouth: float
    mouth_half: float
    lips: float
    brow: float
    """From the eyes up."""
    eye: float
    """Half the breadth of an eye."""
    female: bool


def px(points: list[tuple[float, float]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Carry face coordinates to pixels."""
    return np.asarray(np.asarray(points) * UNIT + np.asarray(EYES), dtype=np.float64)


def blob(points: list[tuple[float, float]], soft: float = 0.01) -> Canvas:
    """Fill a smooth outline given in face coordinates; `soft` in eye distances."""
    return fill((SIZE, SIZE), curve([tuple(p) for p in px(points)], closed=True), soft * UNIT)


def line(points: list[tuple[float, float]], width: float, soft: float = 0.008) -> Canvas:
    """Draw a smooth line given in face coordinates; `width` and `soft` in eye distances."""
    return stroke((SIZE, SIZE), curve([tuple(p) for p in px(points)]), max(width * UNIT, 1), soft * UNIT)


def features(canvas: Canvas, face: Face) -> Canvas:
    """Paint nose, mouth, eyes and brows on bare skin."""
    canvas = _nose(canvas, face)
    canvas = _mouth(canvas, face)
    for side in (-1.0, 1.0):
        canvas = _eye(canvas, face, side)
        canvas = _brow(canvas, face, side)
    return canvas


def _eye(canvas: Canvas, face: Face, side: float) -> Canvas:
    at, half = 0.5 * side, face.eye
    tall = half * (0.46 if face.female else 0.40)
    rim = [
        (at - half, 0.02),
        (at - half * 0.5, -tall * 0.8),
        (at, -tall),
        (at + half * 0.5, -tall * 0.8),
        (at + half, 0.02),
    ]
    lower = [(at + half * 0.5, tall * 0.62), (at, tall * 0.75), (at - half * 0.5, tall * 0.62)]
    opening = blob([*rim, *lower], 0.006)
    socket = blob([(at - half * 1.3, -0.02), (at, -0.26), (at + half * 1.3, -0.02), (at, 0.2)], 0.07)
    canvas = shade(canvas, socket, 0.16)
    eye = flat((SIZE, SIZE), hex_colour("#ece8e4"))
    eye = shade(eye, line(rim, 0.09, 0.03), 0.45)
    disc = [
        (at + 0.115 * float(np.cos(a)), 0.115 * float(np.sin(a)))
        for a in np.linspace(0, 6.28, 16, endpoint=False)
    ]
    eye = paint(eye, scaled(face.iris, 0.5), blob(disc, 0.008), 1.0)
    eye = paint(
        eye,
        scaled(face.iris, 1.25),
        blob([(at + (x - at) * 0.78, y * 0.78 + 0.012) for x, y in disc], 0.02),
        0.9,
    )
    eye = paint(
        eye, (0.03, 0.03, 0.03), blob([(at + (x - at) * 0.45, y * 0.45) for x, y in disc], 0.006), 1.0
    )
    eye = paint(
        eye, (1, 1, 1), blob([(at - 0.045 + (x - at) * 0.2, -0.045 + y * 0.2) for x, y in disc], 0.004), 0.95
    )
    canvas = over(canvas, eye, opening)
    canvas = paint(canvas, (0.09, 0.06, 0.05), line(rim, 0.045 if face.female else 0.03), 0.9)
    crease = [(x, y - 0.075) for x, y in rim]
    canvas = paint(canvas, scaled(face.skin, 0.55), line(crease, 0.016, 0.012), 0.6)
    return paint(canvas, scaled(face.skin, 0.6), line([rim[-1], *lower, rim[0]], 0.014, 0.012), 0.5)


def _brow(canvas: Canvas, face: Face, side: float) -> Canvas:
    up, thick = -face.brow, 0.06 if face.female else 0.095
    shape = [
        (0.18, up + 0.05),
        (0.4, up - 0.04),
        (0.68, up - 0.06),
        (0.86, up + 0.06),
        (0.66, up - 0.06 + thick),
        (0.2, up + 0.05 + thick),
    ]
    return paint(canvas, scaled(face.hair, 0.9), blob([(x * side, y) for x, y in shape], 0.018), 0.82)


def _nose(canvas: Canvas, face: Face) -> Canvas:
    low = face.nose
    shade = scaled(face.skin, 0.62)
    canvas = paint(
        canvas,
        shade,
        blob([(0.13, -0.1), (0.2, low - 0.1), (0.26, low + 0.08), (0.1, low - 0.05)], 0.06),
        0.5,
    )
    canvas = paint(
        canvas,
        shade,
        blob([(-0.13, -0.1), (-0.15, low - 0.2), (-0.24, low + 0.06), (-0.2, low - 0.1)], 0.06),
        0.22,
    )
    canvas = paint(
        canvas,
        scaled(face.skin, 1.2),
        blob([(-0.04, 0.0), (0.03, 0.0), (0.05, low - 0.1), (-0.06, low - 0.1)], 0.04),
        0.4,
    )
    canvas = paint(
        canvas, shade, line([(-0.2, low + 0.1), (0.0, low + 0.17), (0.2, low + 0.1)], 0.05, 0.035), 0.65
    )
    for side in (-1.0, 1.0):
        hole = blob(
            [
                (side * 0.06, low + 0.12),
                (side * 0.11, low + 0.08),
                (side * 0.15, low + 0.12),
                (side * 0.1, low + 0.14),
            ],
            0.012,
        )
        canvas = paint(canvas, scaled(face.skin, 0.25), hole, 0.85)
    return canvas


def _mouth(canvas: Canvas, face: Face) -> Canvas:
    y, half, lips = face.mouth, face.mouth_half, face.lips
    red = mixed(
        face.skin, (0.66, 0.22, 0.24) if face.female else (0.62, 0.3, 0.27), 0.55 if face.female else 0.34
    )
    middle = [
        (-half, y - 0.015),
        (-half * 0.5, y + 0.02),
        (0, y + 0.012),
        (half * 0.5, y + 0.02),
        (half, y - 0.015),
    ]
    upper = [
        *middle,
        (half * 0.45, y - lips * 0.72),
        (half * 0.14, y - lips),
        (0, y - lips * 0.82),
        (-half * 0.14, y - lips),
        (-half * 0.45, y - lips * 0.72),
    ]
    lower = [*middle, (half * 0.55, y + lips * 0.95), (0, y + lips * 1.3), (-half * 0.55, y + lips * 0.95)]
    canvas = shade(
        canvas,
        blob(
            [
                (-half * 0.6, y + lips * 1.6),
                (0, y + lips * 1.5),
                (half * 0.6, y + lips * 1.6),
                (0, y + lips * 2.3),
            ],
            0.05,
        ),
        0.2,
    )
    canvas = paint(canvas, scaled(red, 0.84), blob(upper, 0.014), 0.92)
    canvas = paint(canvas, scaled(red, 1.04), blob(lower, 0.014), 0.92)
    canvas = paint(
        canvas,
        (1, 0.92, 0.9),
        blob(
            [
                (-0.14, y + lips * 0.5),
                (0.05, y + lips * 0.45),
                (0.1, y + lips * 0.7),
                (-0.12, y + lips * 0.75),
            ],
            0.03,
        ),
        0.22,
    )
    return paint(canvas, scaled(red, 0.32), line(middle, 0.026, 0.008), 0.9)
