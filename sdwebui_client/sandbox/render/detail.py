"""What a face looks like at the picture's own resolution, and what ADetailer makes of it."""

from __future__ import annotations

import numpy as np

from .ops import Canvas, blur, over, sharpen, smoothstep

UNFINISHED_STEPS = 12
"""Below this many sampling steps a picture stays soft."""


def face_plane(x: Canvas, y: Canvas) -> Canvas:
    """Return 1 on the face, falling to 0 around it, from face coordinates."""
    away = np.asarray(
        (x / np.float32(1.12)) ** 2 + ((y - np.float32(0.5)) / np.float32(1.5)) ** 2, dtype=np.float32
    )
    return smoothstep(1.2, 0.75, away)


def eyes_plane(x: Canvas, y: Canvas) -> Canvas:
    """Return 1 around the eyes and at the mouth."""
    spots = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
    for centre_x, centre_y, reach_x, reach_y in (
        (-0.5, 0.0, 0.4, 0.28),
        (0.5, 0.0, 0.4, 0.28),
        (0.0, 0.9, 0.5, 0.28),
    ):
        away = ((x - np.float32(centre_x)) / np.float32(reach_x)) ** 2
        spots = np.maximum(
            spots, smoothstep(1.3, 0.5, away + ((y - np.float32(centre_y)) / np.float32(reach_y)) ** 2)
        )
    return spots


def softened_face(canvas: Canvas, x: Canvas, y: Canvas, unit: float) -> Canvas:
    """Blur the face a little: a small face comes out of the autoencoder without its detail."""
    return over(canvas, blur(canvas, max(unit * 0.017, 0.7)), face_plane(x, y))


def redrawn_face(
    canvas: Canvas, x: Canvas, y: Canvas, unit: float, strength: float, rng: np.random.Generator
) -> Canvas:
    """Sharpen the face as a pass at full resolution does.

    Args:
        canvas: the picture.
        x: face coordinates across.
        y: face coordinates down.
        unit: pixels of one eye distance.
        strength: ADetailer's denoising strength, 0..1.
        rng: for the texture of skin.
    """
    share = min(0.35 + strength, 1.0)
    crisp = sharpen(canvas, max(unit * 0.016, 0.7), 0.62 * share)
    crisp = sharpen(crisp, max(unit * 0.06, 1.5), 0.10 * share)
    pores = blur(rng.standard_normal(canvas.shape[:2], dtype=np.float32), max(unit * 0.008, 0.5))
    crisp = crisp + (pores * np.float32(0.007 * share))[:, :, None]
    detailed = over(canvas, np.clip(crisp, 0, 1).astype(np.float32), face_plane(x, y))
    brighter = np.clip(sharpen(detailed, max(unit * 0.03, 1.0), 0.24 * share), 0, 1).astype(np.float32)
    return over(detailed, brighter, eyes_plane(x, y))


def unfinished(canvas: Canvas, steps: int) -> Canvas:
    """Blur a picture that got too few steps."""
    if steps >= UNFINISHED_STEPS:
        return canvas
    return blur(canvas, (UNFINISHED_STEPS - steps) * canvas.shape[0] / 2600)
