"""The last touches every picture gets: tone, contrast, vignette, grain."""

from __future__ import annotations

import numpy as np

from .ops import Canvas, blur, clouds, luma, smoothstep
from .palette import Look

TONE_GAIN = np.array([0.048, 0.004, -0.066], dtype=np.float32)
"""Change of red, green and blue at full warmth; the reverse is cold."""


def toned(canvas: Canvas, look: Look, strength: float = 1.0) -> Canvas:
    """Shift a picture towards warm or cold light, keeping its brightness.

    Args:
        canvas: the picture.
        look: what the prompt asks for.
        strength: share of the full effect.
    """
    if look.monochrome:
        return np.asarray(
            canvas + (luma(canvas)[:, :, None] - canvas) * np.float32(min(strength, 1.0)), np.float32
        )
    warmth = np.float32(look.warmth * strength)
    if abs(float(warmth)) < 1e-3:
        return canvas
    before = luma(canvas)
    shifted = canvas * (1 + TONE_GAIN * warmth)
    # Shadows of a cold picture are bluer still, highlights of a warm one more golden.
    shade = smoothstep(0.5, 0.0, before) if warmth < 0 else smoothstep(0.45, 1.0, before)
    shifted = shifted + shade[:, :, None] * (TONE_GAIN * (warmth * np.float32(0.22)))
    ratio = (before + 0.02) / (luma(np.asarray(shifted, dtype=np.float32)) + 0.02)
    return np.asarray(shifted * np.clip(ratio, 0.8, 1.25)[:, :, None], dtype=np.float32)


def vignetted(canvas: Canvas, centre: tuple[float, float], amount: float) -> Canvas:
    """Darken the corners around a centre (px)."""
    height, width = canvas.shape[:2]
    across = (np.arange(width, dtype=np.float32)[None, :] - np.float32(centre[0])) / np.float32(width * 0.75)
    down = (np.arange(height, dtype=np.float32)[:, None] - np.float32(centre[1])) / np.float32(height * 0.78)
    away = smoothstep(0.35, 1.35, np.asarray(across**2 + down**2, dtype=np.float32))
    return np.asarray(canvas * (1 - np.float32(amount) * away)[:, :, None], dtype=np.float32)


def contrasted(canvas: Canvas, amount: float) -> Canvas:
    """Bend the tone curve into a gentle S."""
    share = np.clip(canvas, 0, 1)
    return np.asarray(
        share + np.float32(amount) * (share * share * (3 - 2 * share) - share), dtype=np.float32
    )


def bloomed(canvas: Canvas, sigma: float, amount: float) -> Canvas:
    """Let highlights glow a little, as a portrait lens does."""
    bright = np.maximum(canvas - np.float32(0.55), 0)
    return np.asarray(
        canvas + blur(np.asarray(bright, dtype=np.float32), sigma) * np.float32(amount), np.float32
    )


def grained(canvas: Canvas, rng: np.random.Generator, amount: float) -> Canvas:
    """Add film grain: fine brightness noise, strongest in the middle tones."""
    shape = (canvas.shape[0], canvas.shape[1])
    grain = rng.standard_normal(shape, dtype=np.float32) * np.float32(0.75) + clouds(
        rng, shape, 3, 1
    ) * np.float32(0.4)
    middle = 1 - np.abs(2 * luma(canvas) - 1) * np.float32(0.6)
    return np.asarray(canvas + (grain * middle * np.float32(amount))[:, :, None], dtype=np.float32)
