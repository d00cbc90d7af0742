"""Studio backdrops: a lit paper or canvas behind the person, or a room far out of focus."""

from __future__ import annotations

import cv2
import numpy as np

from .ops import Canvas, Colour, as_canvas, blur, clouds, flat, mixed, noise, over, scaled, smoothstep
from .palette import Look


def draw_backdrop(
    look: Look, shape: tuple[int, int], centre: tuple[float, float], rng: np.random.Generator
) -> Canvas:
    """Draw what stands behind the person.

    Args:
        look: kind and colours.
        shape: (height, width) of the picture.
        centre: where the head is, px; the backdrop light glows behind it.
        rng: the picture's generator.
    """
    if look.backdrop == "bokeh":
        return _bokeh(look.backdrop_colour, look.lights_colour, shape, rng)
    glow = _glow(shape, centre, rng)
    colour = look.backdrop_colour
    light = mixed(scaled(colour, 1.14), (1.0, 1.0, 1.0), 0.07)
    dark = scaled(colour, 0.78 if look.backdrop == "plain" else 0.5)
    canvas = over(flat(shape, dark), flat(shape, light), glow)
    if look.backdrop == "plain":
        return canvas
    # The blotches of a hand-painted canvas, faint.
    mottle = clouds(rng, shape, max(shape) / 5, 3)
    return np.asarray(canvas * (1 + np.float32(0.035) * mottle)[:, :, None], dtype=np.float32)


def _glow(shape: tuple[int, int], centre: tuple[float, float], rng: np.random.Generator) -> Canvas:
    height, width = shape
    reach = 0.5 * (width + height)
    middle_x = centre[0] + rng.uniform(-0.06, 0.06) * width
    middle_y = centre[1] + rng.uniform(0.06, 0.14) * height
    across = (np.arange(width, dtype=np.float32)[None, :] - np.float32(middle_x)) / np.float32(reach * 0.62)
    down = (np.arange(height, dtype=np.float32)[:, None] - np.float32(middle_y)) / np.float32(reach * 0.74)
    return np.asarray(np.exp(-1.25 * (across**2 + down**2)), dtype=np.float32)


def _bokeh(dark: Colour, lights: Colour, shape: tuple[int, int], rng: np.random.Generator) -> Canvas:
    height, width = shape
    small = (max(height // 3, 24), max(width // 3, 24))
    rise = np.linspace(1, 0, small[0], dtype=np.float32)[:, None]
    base = over(
        flat(small, scaled(dark, 0.5)),
        flat(small, mixed(dark, lights, 0.35)),
        rise * np.ones(small, np.float32),
    )
    blotch = smoothstep(-0.6, 0.9, noise(rng, small, small[1] / 4))
    base = over(base, flat(small, mixed(dark, lights, 0.45)), blotch * np.float32(0.4))
    glow = np.zeros(small, dtype=np.float32)
    for _ in range(26):
        disc = np.zeros(small, dtype=np.uint8)
        where = (int(rng.uniform(0, small[1])), int(rng.uniform(0, small[0] * 0.75)))
        radius = int(small[1] * rng.uniform(0.025, 0.085))
        cv2.circle(disc, where, radius, 255, -1, cv2.LINE_AA)
        cv2.circle(disc, where, max(radius - 2, 1), 205, -1, cv2.LINE_AA)
        glow = np.maximum(glow, as_canvas(disc) * np.float32(rng.uniform(0.12, 0.42)))
    base = over(
        blur(base, small[1] * 0.03), flat(small, mixed(lights, (1, 1, 1), 0.3)), blur(glow, small[1] * 0.006)
    )
    return np.asarray(cv2.resize(base, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
