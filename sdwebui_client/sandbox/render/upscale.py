"""Enlarges a picture as Ultimate SD Upscale does: an upscaler first, then each tile worked over."""

from __future__ import annotations

import cv2
import numpy as np

from .scene import Picture, RenderError, Scene

TILE = 512
GRAIN_TILE = 512
GRAIN = 1.1
"""Standard deviation of the grain, of 255."""


def enlarged(scene: Scene) -> Picture:
    """Resize the init image to the scene's size and bring out its detail.

    A tile ControlNet gives more detail. Without one, tiles drift apart in brightness as denoising rises:
    the seams of a tiled upscale that nothing holds together.
    """
    if scene.init_image is None:
        raise RenderError("An upscale needs an init image.")
    source = scene.init_image
    size = (scene.width, scene.height)
    grows = scene.width * scene.height > source.shape[0] * source.shape[1]
    picture = np.asarray(
        cv2.resize(source, size, interpolation=cv2.INTER_LANCZOS4 if grows else cv2.INTER_AREA)
    )
    scale = max(scene.width / source.shape[1], 1.0)
    held = scene.control("tile")
    picture = _unsharp(picture, 0.7 * scale, 0.42 if held else 0.28)
    if held:
        picture = _unsharp(picture, 3.0 * scale, 0.06 * held.weight)
    rng = np.random.default_rng([scene.seed, 3])
    if held is None and scene.denoising_strength > 0.2:
        picture = _drifting(picture, scene.denoising_strength, rng)
    return _grained(picture, rng)


def _unsharp(picture: Picture, sigma: float, amount: float) -> Picture:
    if sigma > 2.5:
        half = (max(picture.shape[1] // 2, 1), max(picture.shape[0] // 2, 1))
        small = cv2.GaussianBlur(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), (0, 0), sigma / 2)
        soft = cv2.resize(small, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_LINEAR)
    else:
        soft = cv2.GaussianBlur(picture, (0, 0), sigma)
    return np.asarray(cv2.addWeighted(picture, 1 + amount, soft, -amount, 0), dtype=np.uint8)


def _drifting(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    rows, columns = -(-picture.shape[0] // TILE), -(-picture.shape[1] // TILE)
    tiles = rng.normal(1.0, 0.05 * (strength - 0.2), (rows, columns)).astype(np.float32)
    whole = np.kron(tiles, np.ones((TILE, TILE), dtype=np.float32))[: picture.shape[0], : picture.shape[1]]
    gain = cv2.GaussianBlur(whole, (0, 0), 8)
    return np.asarray(np.clip(picture * gain[:, :, None] + 0.5, 0, 255), dtype=np.uint8)


def _grained(picture: Picture, rng: np.random.Generator) -> Picture:
    tile = (
        (rng.standard_normal((GRAIN_TILE, GRAIN_TILE), dtype=np.float32) * np.float32(GRAIN))
        .round()
        .astype(np.int16)
    )
    repeat = (-(-picture.shape[0] // GRAIN_TILE), -(-picture.shape[1] // GRAIN_TILE))
    grain = np.tile(tile, repeat)[: picture.shape[0], : picture.shape[1]]
    merged = cv2.merge([grain, grain, grain])
    return np.asarray(cv2.add(picture, merged, dtype=cv2.CV_8U), dtype=np.uint8)
