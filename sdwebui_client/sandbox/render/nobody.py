"""Faces of nobody: drawn with a brush, for prompts without a person's LoRA. No photo, no resemblance
intended."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .lora import SandboxLora
from .ops import (
    Canvas,
    Colour,
    as_picture,
    blur,
    clouds,
    curve,
    fill,
    flat,
    hex_colour,
    mixed,
    noise,
    over,
    paint,
    scaled,
    shade,
    smoothstep,
    stroke,
)

SIZE = 768
UNIT = 124.0
"""Pixels of one eye distance."""
EYES = (384.0, 300.0)
VARIANTS = 12

SKINS = ("#d8b8a2", "#b8937a", "#80604e", "#dcc3b3", "#9f7c66", "#c8a68e")
HAIRS = ("#2b231f", "#19171a", "#453429", "#665139", "#1f1d20", "#4a352c")
IRISES = ("#4a3526", "#3b2a20", "#4c6373", "#5b6642", "#33241c", "#6a5136")


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


def nobody(seed: int, female: bool | None) -> SandboxLora:
    """Return a drawn face; a seed picks one of a dozen.

    Args:
        seed: of the picture.
        female: what the prompt says; None lets the seed choose.
    """
    variant = seed % VARIANTS
    return _draw(variant, bool(variant % 2) if female is None else female)


def _px(points: list[tuple[float, float]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(np.asarray(points) * UNIT + np.asarray(EYES), dtype=np.float64)


def _blob(points: list[tuple[float, float]], soft: float = 0.01) -> Canvas:
    return fill((SIZE, SIZE), curve([tuple(p) for p in _px(points)], closed=True), soft * UNIT)


def _line(points: list[tuple[float, float]], width: float, soft: float = 0.008) -> Canvas:
    return stroke((SIZE, SIZE), curve([tuple(p) for p in _px(points)]), max(width * UNIT, 1), soft * UNIT)


def _measure(variant: int, female: bool) -> Face:
    rng = np.random.default_rng([variant, int(female), 41])
    return Face(
        skin=hex_colour(SKINS[variant % len(SKINS)]),
        hair=hex_colour(HAIRS[int(rng.integers(len(HAIRS)))]),
        iris=hex_colour(IRISES[int(rng.integers(len(IRISES)))]),
        jaw=float(rng.uniform(0.92, 1.0) if female else rng.uniform(1.0, 1.1)),
        chin=float(rng.uniform(1.72, 1.8) if female else rng.uniform(1.8, 1.9)),
        nose=float(rng.uniform(0.50, 0.56)),
        mouth=float(rng.uniform(0.92, 0.98)),
        mouth_half=float(rng.uniform(0.36, 0.44)),
        lips=float(rng.uniform(0.11, 0.14) if female else rng.uniform(0.075, 0.1)),
        brow=float(rng.uniform(0.31, 0.38) if female else rng.uniform(0.25, 0.31)),
        eye=float(rng.uniform(0.235, 0.265)),
        female=female,
    )


@lru_cache(maxsize=8)
def _draw(variant: int, female: bool) -> SandboxLora:
    face = _measure(variant, female)
    rng = np.random.default_rng([variant, int(female), 43])
    head = _head_outline(face)
    hair_back, hair_front = _hair_planes(face)
    neck = _blob([(-0.72, 1.0), (-0.74, 1.9), (-0.8, 3.0), (0.8, 3.0), (0.74, 1.9), (0.72, 1.0)])
    canvas = flat((SIZE, SIZE), hex_colour("#8a8d92"))
    canvas = over(canvas, _hair_texture(face, rng, 0.72), hair_back)
    canvas = over(canvas, _skin(face, neck, rng) * np.float32(0.8), neck)
    ears = np.maximum(_blob(_ear(-1.0)), _blob(_ear(1.0)))
    canvas = over(canvas, _skin(face, ears, rng) * np.float32(0.86), ears)
    canvas = over(canvas, _features(_skin(face, head, rng), face), head)
    canvas = shade(
        canvas, np.asarray(blur(hair_front, UNIT * 0.1) * head * (1 - hair_front), np.float32), 0.4
    )
    canvas = over(canvas, _hair_texture(face, rng, 1.0), hair_front)
    mask = np.maximum.reduce([head, hair_back, hair_front, ears, neck])
    return SandboxLora(
        name=f"nobody-{variant}",
        reference=as_picture(canvas),
        mask=as_picture(mask),
        landmarks=_landmarks(face),
        quality=1.0,
    )


def _landmarks(face: Face) -> tuple[tuple[float, float], ...]:
    points = [
        (-0.5, 0.0),
        (0.5, 0.0),
        (0.0, face.nose),
        (-face.mouth_half, face.mouth),
        (face.mouth_half, face.mouth),
    ]
    return tuple((float(x), float(y)) for x, y in _px(points))


def _head_outline(face: Face) -> Canvas:
    jaw, chin = face.jaw, face.chin
    half = [
        (0.32, chin),
        (0.62, chin - 0.2),
        (jaw - 0.12, 1.1),
        (jaw + 0.06, 0.5),
        (1.1, -0.2),
        (1.02, -0.95),
        (0.6, -1.5),
    ]
    return _blob([*half, (0.0, -1.68), *[(-x, y) for x, y in reversed(half)], (0.0, chin + 0.03)], 0.012)


def _ear(side: float) -> list[tuple[float, float]]:
    return [
        (side * x, y)
        for x, y in ((1.02, -0.12), (1.2, -0.2), (1.26, 0.1), (1.16, 0.52), (1.02, 0.6), (0.98, 0.2))
    ]


def _hair_planes(face: Face) -> tuple[Canvas, Canvas]:
    """Return the hair behind the head and the hair before the forehead."""
    top = -2.02 if face.female else -1.95
    if face.female:
        back = [(0.0, top), (0.9, -1.75), (1.38, -0.95), (1.46, 0.1), (1.5, 1.1), (1.32, 1.72), (0.8, 1.8)]
        front = [
            (0.0, top),
            (0.9, -1.75),
            (1.36, -0.95),
            (1.4, 0.1),
            (1.3, 1.3),
            (1.12, 0.9),
            (1.04, -0.1),
            (0.86, -0.72),
            (0.3, -1.18),
        ]
        front += [
            (-0.25, -1.2),
            (-0.86, -0.7),
            (-1.04, -0.1),
            (-1.12, 0.9),
            (-1.3, 1.3),
            (-1.4, 0.1),
            (-1.36, -0.95),
            (-0.9, -1.75),
        ]
    else:
        back = [(0.0, top), (0.85, -1.72), (1.24, -0.95), (1.2, 0.0), (1.0, 0.3)]
        front = [
            (0.0, top),
            (0.85, -1.72),
            (1.24, -0.95),
            (1.18, 0.05),
            (1.05, 0.0),
            (0.98, -0.6),
            (0.7, -1.02),
            (0.1, -1.12),
        ]
        front += [(-0.62, -1.0), (-0.98, -0.6), (-1.05, 0.0), (-1.18, 0.05), (-1.24, -0.95), (-0.85, -1.72)]
    return _blob([*back, *[(-x, y) for x, y in reversed(back[1:])]], 0.03), _blob(front, 0.022)


def _hair_texture(face: Face, rng: np.random.Generator, light: float) -> Canvas:
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    x, y = (columns - EYES[0]) / UNIT, (rows - EYES[1]) / UNIT
    strands = noise(rng, (1, 720), 1.0)[0]
    # Strands fan out from the crown.
    angle = np.arctan2(x, y + 2.2) + 0.05 * clouds(rng, (SIZE, SIZE), 160, 2)
    fine = strands[np.clip((angle + np.pi) / (2 * np.pi) * 719, 0, 719).astype(np.int32)]
    shine = np.exp(-((np.hypot(x + 0.35, y + 0.35) - 1.3) ** 2) / 0.03) * 0.5
    value = np.float32(light) * (
        1.05 + 0.2 * blur(np.asarray(fine, np.float32), 1.2) + shine - 0.18 * smoothstep(0.6, 1.5, x)
    )
    strong = flat((SIZE, SIZE), face.hair) * np.asarray(value, np.float32)[:, :, None]
    return np.asarray(np.clip(strong, 0, 1), dtype=np.float32)


def _skin(face: Face, plane: Canvas, rng: np.random.Generator) -> Canvas:
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    x, y = (columns - EYES[0]) / UNIT, (rows - EYES[1]) / UNIT
    value = (
        1.04
        - 0.10 * smoothstep(0.1, 1.1, x)
        - 0.07 * smoothstep(0.5, 1.15, np.abs(x))
        - 0.08 * smoothstep(1.2, 1.9, y)
    )
    value = (
        value
        + 0.05 * np.exp(-((x + 0.1) ** 2) / 0.2 - (y + 0.75) ** 2 / 0.14)
        + 0.010 * clouds(rng, plane.shape, 60, 3)
    )
    value = value + 0.012 * blur(rng.standard_normal(plane.shape, dtype=np.float32), 0.8)
    skin = flat((SIZE, SIZE), face.skin) * np.asarray(value, np.float32)[:, :, None]
    blush = np.exp(-((np.abs(x) - 0.62) ** 2) / 0.06 - (y - 0.62) ** 2 / 0.05)
    pink = scaled(mixed(face.skin, (0.85, 0.4, 0.38), 0.4), 1.0)
    return over(skin.astype(np.float32), flat((SIZE, SIZE), pink), np.asarray(blush * 0.32, np.float32))


def _features(canvas: Canvas, face: Face) -> Canvas:
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
    opening = _blob([*rim, *lower], 0.006)
    socket = _blob([(at - half * 1.3, -0.02), (at, -0.26), (at + half * 1.3, -0.02), (at, 0.2)], 0.07)
    canvas = shade(canvas, socket, 0.16)
    eye = flat((SIZE, SIZE), hex_colour("#ece8e4"))
    eye = shade(eye, _line(rim, 0.09, 0.03), 0.45)
    disc = [
        (at + 0.115 * float(np.cos(a)), 0.115 * float(np.sin(a)))
        for a in np.linspace(0, 6.28, 16, endpoint=False)
    ]
    eye = paint(eye, scaled(face.iris, 0.5), _blob(disc, 0.008), 1.0)
    eye = paint(
        eye,
        scaled(face.iris, 1.25),
        _blob([(at + (x - at) * 0.78, y * 0.78 + 0.012) for x, y in disc], 0.02),
        0.9,
    )
    eye = paint(
        eye, (0.03, 0.03, 0.03), _blob([(at + (x - at) * 0.45, y * 0.45) for x, y in disc], 0.006), 1.0
    )
    eye = paint(
        eye, (1, 1, 1), _blob([(at - 0.045 + (x - at) * 0.2, -0.045 + y * 0.2) for x, y in disc], 0.004), 0.95
    )
    canvas = over(canvas, eye, opening)
    canvas = paint(canvas, (0.09, 0.06, 0.05), _line(rim, 0.045 if face.female else 0.03), 0.9)
    crease = [(x, y - 0.075) for x, y in rim]
    canvas = paint(canvas, scaled(face.skin, 0.55), _line(crease, 0.016, 0.012), 0.6)
    return paint(canvas, scaled(face.skin, 0.6), _line([rim[-1], *lower, rim[0]], 0.014, 0.012), 0.5)


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
    return paint(canvas, scaled(face.hair, 0.9), _blob([(x * side, y) for x, y in shape], 0.018), 0.82)


def _nose(canvas: Canvas, face: Face) -> Canvas:
    low = face.nose
    shade = scaled(face.skin, 0.62)
    canvas = paint(
        canvas,
        shade,
        _blob([(0.13, -0.1), (0.2, low - 0.1), (0.26, low + 0.08), (0.1, low - 0.05)], 0.06),
        0.5,
    )
    canvas = paint(
        canvas,
        shade,
        _blob([(-0.13, -0.1), (-0.15, low - 0.2), (-0.24, low + 0.06), (-0.2, low - 0.1)], 0.06),
        0.22,
    )
    canvas = paint(
        canvas,
        scaled(face.skin, 1.2),
        _blob([(-0.04, 0.0), (0.03, 0.0), (0.05, low - 0.1), (-0.06, low - 0.1)], 0.04),
        0.4,
    )
    canvas = paint(
        canvas, shade, _line([(-0.2, low + 0.1), (0.0, low + 0.17), (0.2, low + 0.1)], 0.05, 0.035), 0.65
    )
    for side in (-1.0, 1.0):
        hole = _blob(
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
        _blob(
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
    canvas = paint(canvas, scaled(red, 0.84), _blob(upper, 0.014), 0.92)
    canvas = paint(canvas, scaled(red, 1.04), _blob(lower, 0.014), 0.92)
    canvas = paint(
        canvas,
        (1, 0.92, 0.9),
        _blob(
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
    return paint(canvas, scaled(red, 0.32), _line(middle, 0.026, 0.008), 0.9)
