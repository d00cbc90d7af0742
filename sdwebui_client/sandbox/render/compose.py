"""Puts a portrait together: backdrop, neck, clothes, head, light."""

from __future__ import annotations

import numpy as np

from .backdrop import draw_backdrop
from .clothes import draw_forearms, draw_neck, dress, make_body
from .cutout import Cutout
from .head import HeadLayer, place_head
from .identity import Likeness
from .ops import Canvas, blur, noise, over, smoothstep
from .palette import Look
from .pose import Pose

CHIN_SHADOWS = ((0.03, 0.01, 0.05, 0.16), (0.18, 0.06, 0.12, 0.14), (0.36, 0.12, 0.24, 0.11))
"""Shadows of the chin on the neck: down and right, softness (eye distances), strength."""
SKIN_SHADE = np.array([0.95, 1.0, 1.0], dtype=np.float32)
"""How much red, green and blue a shadow on skin takes."""


def compose(
    cutout: Cutout,
    pose: Pose,
    look: Look,
    likeness: Likeness,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Canvas, HeadLayer]:
    """Compose a portrait.

    Returns:
        The picture before finishing, and the head layer: its face coordinates tell where the face is.
    """
    head = place_head(cutout, pose, likeness, shape)
    body = make_body(cutout, pose, head)
    backdrop = draw_backdrop(look, shape, pose.eyes, rng)
    canvas, neck = draw_neck(backdrop, body, cutout)
    lit = _wrapped(_lit(head), head, backdrop, pose.eye_distance)
    alpha = _wispy(head.alpha, head, pose.eye_distance, rng)
    canvas = over(canvas, lit, alpha)
    canvas = _chin_shadow(canvas, head, neck, pose.eye_distance)
    canvas = dress(canvas, body, look, rng)
    canvas = over(canvas, lit, np.minimum(head.face, alpha))
    return draw_forearms(canvas, body, look, cutout, rng), head


def _lit(head: HeadLayer) -> Canvas:
    """Let the key light from the left model the head, gently: the photo has its own light already."""
    side = np.clip(head.x / np.float32(1.3), -1.2, 1.2)
    factor = 1.0 - 0.055 * side - 0.05 * smoothstep(0.4, 1.3, side)
    return np.asarray(head.rgb * factor.astype(np.float32)[:, :, None], dtype=np.float32)


def _wrapped(rgb: Canvas, head: HeadLayer, backdrop: Canvas, unit: float) -> Canvas:
    """Let light of the backdrop reach round the head's edge: without it a head looks pasted on."""
    rim = 1 - blur(head.alpha, unit * 0.10)
    hair = smoothstep(1.0, 0.3, head.y)
    return over(
        rgb, blur(backdrop, unit * 0.4), np.asarray(np.clip(rim, 0, 1) * hair * np.float32(0.5), np.float32)
    )


def _wispy(alpha: Canvas, head: HeadLayer, unit: float, rng: np.random.Generator) -> Canvas:
    """Loosen the outline of the hair: a matte cut from a small photo is harder than hair is."""
    soft = blur(alpha, unit * 0.034)
    shape = (alpha.shape[0], alpha.shape[1])
    strands = noise(rng, shape, max(unit * 0.035, 1.5)) * np.float32(0.6)
    loose = np.clip(soft + strands * soft * (1 - soft), 0, 1)
    hair = smoothstep(0.9, 0.1, head.y) * smoothstep(0.55, 0.9, np.hypot(head.x, head.y * np.float32(0.8)))
    return np.asarray(alpha + (loose - alpha) * hair, dtype=np.float32)


def _chin_shadow(canvas: Canvas, head: HeadLayer, neck: Canvas, unit: float) -> Canvas:
    """Throw the head's shadow on the neck: a narrow dark line of contact and a wide soft one below it."""
    below = smoothstep(0.6, 1.2, head.y) * neck
    for down, right, soft, amount in CHIN_SHADOWS:
        thrown = np.roll(np.roll(head.face, round(unit * down), axis=0), round(unit * right), axis=1)
        shadow = np.asarray(blur(thrown, unit * soft) * below, dtype=np.float32)
        # Light that reaches shaded skin has passed through skin: the shadow is redder than grey.
        canvas = canvas * (1 - shadow[:, :, None] * SKIN_SHADE * np.float32(amount))
    return np.asarray(canvas, dtype=np.float32)
