"""Faces of nobody: drawn with a brush, for prompts without a person's LoRA.
No photo, no resemblance intended."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .features import EYES, SIZE, UNIT, Face, blob, features, px
from .lora import SandboxLora
from .ops import (
    Canvas,
    as_picture,
    blur,
    clouds,
    flat,
    hex_colour,
    mixed,
    noise,
    over,
    scaled,
    shade,
    smoothstep,
)

VARIANTS = 12

SKINS = ("#d8b8a2", "#b8937a", "#80604e", "#dcc3b3", "#9f7c66", "#c8a68e")
HAIRS = ("#2b231f", "#19171a", "#453429", "#665139", "#1f1d20", "#4a352c")
IRISES = ("#4a3526", "#3b2a20", "#4c6373", "#5b6642", "#33241c", "#6a5136")


def nobody(seed: int, female: bool | None) -> SandboxLora:
    """Return a drawn face; a seed picks one of a dozen.

    Args:
        seed: of the picture.
        female: what the prompt says; None lets the seed choose.
    """
    variant = seed % VARIANTS
    return _draw(variant, bool(variant % 2) if female is None else female)


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


@lru_cache(maxsize=16)
def _draw(variant: int, female: bool) -> SandboxLora:
    face = _measure(variant, female)
    rng = np.random.default_rng([variant, int(female), 43])
    head = _head_outline(face)
    hair_back, hair_front = _hair_planes(face)
    neck = blob([(-0.72, 1.0), (-0.74, 1.9), (-0.8, 3.0), (0.8, 3.0), (0.74, 1.9), (0.72, 1.0)])
    canvas = flat((SIZE, SIZE), hex_colour("#8a8d92"))
    canvas = over(canvas, _hair_texture(face, rng, 0.72), hair_back)
    canvas = over(canvas, _skin(face, neck, rng) * np.float32(0.8), neck)
    ears = np.maximum(blob(_ear(-1.0)), blob(_ear(1.0)))
    canvas = over(canvas, _skin(face, ears, rng) * np.float32(0.86), ears)
    canvas = over(canvas, features(_skin(face, head, rng), face), head)
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
    return tuple((float(x), float(y)) for x, y in px(points))


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
    return blob([*half, (0.0, -1.68), *[(-x, y) for x, y in reversed(half)], (0.0, chin + 0.03)], 0.012)


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
    return blob([*back, *[(-x, y) for x, y in reversed(back[1:])]], 0.03), blob(front, 0.022)


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
