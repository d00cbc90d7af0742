"""Puts a portrait together: backdrop, neck, clothes, head, light."""

from __future__ import annotations

import numpy as np

from .backdrop import draw_backdrop
from .clothes import draw_neck, dress, make_body
from .cutout import Cutout
from .head import HeadLayer, place_head
from .identity import Likeness
from .ops import Canvas, blur, over, smoothstep
from .palette import Look
from .pose import Pose


def compose(
    cutout: Cutout, pose: Pose, look: Look, likeness: Likeness, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[Canvas, HeadLayer]:
    """Compose a portrait.

    Returns:
        The picture before finishing, and the head layer: its face coordinates tell where the face is.
    """
    head = place_head(cutout, pose, likeness, shape)
    body = make_body(cutout, pose, shape)
    canvas = draw_backdrop(look, shape, pose.eyes, rng)
    canvas = draw_neck(canvas, body, cutout)
    lit = _lit(head)
    canvas = over(canvas, lit, head.alpha)
    canvas = _jaw_shadow(canvas, head, pose, 0.26)
    canvas = dress(canvas, body, look, rng)
    canvas = _jaw_shadow(canvas, head, pose, 0.10)
    canvas = over(canvas, lit, head.face)
    return canvas, head


def _lit(head: HeadLayer) -> Canvas:
    """Let the key light from the left model the head, gently: the photo has its own light already."""
    side = np.clip(head.x / np.float32(1.3), -1.2, 1.2)
    factor = 1.0 - 0.055 * side - 0.05 * smoothstep(0.4, 1.3, side)
    return np.asarray(head.rgb * factor.astype(np.float32)[:, :, None], dtype=np.float32)


def _jaw_shadow(canvas: Canvas, head: HeadLayer, pose: Pose, amount: float) -> Canvas:
    unit = pose.eye_distance
    down, across = round(unit * 0.22), round(unit * 0.06)
    thrown = np.roll(np.roll(head.face, down, axis=0), across, axis=1)
    below = smoothstep(0.6, 1.2, head.y)
    shadow = np.asarray(blur(thrown, unit * 0.14) * below, dtype=np.float32)
    # Light that reaches shaded skin has passed through skin: the shadow is redder than grey.
    factor = 1 - shadow[:, :, None] * np.array([0.75, 1.0, 1.08], np.float32) * np.float32(amount)
    return np.asarray(canvas * factor, dtype=np.float32)
