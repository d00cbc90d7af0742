"""Make examples/photos: ten pictures of one person, derived from one public-domain portrait.

    python scripts/make_example_photos.py [--out examples/photos]

The portrait is `skimage.data.astronaut()`, in the scikit-image wheel. Each picture is another crop, size,
angle, light and colour of it, as a person's own photos are. The same code and package versions give the
same bytes.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps
from skimage import data

HEADROOM_PX = 80
"""Backdrop added above the portrait, so that a crop can stand free of its upper edge."""


@dataclass(frozen=True)
class Shot:
    """One picture to make. Lengths are pixels of the portrait (512 x 512)."""

    name: str
    center: tuple[float, float]
    """Middle of the crop."""
    width: float
    """Width of the crop."""
    size: tuple[int, int]
    """Width and height of the picture, pixels."""
    roll: float = 0.0
    """Tilt of the camera, degrees."""
    turn: float = 0.0
    """Camera to the side: share by which one vertical edge is shorter than the other."""
    tip: float = 0.0
    """Camera above or below: the same for the horizontal edges."""
    exposure: float = 1.0
    gamma: float = 1.0
    white: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Gains of red, green and blue."""
    shade: tuple[float, float] = (0.0, 0.0)
    """Light falling off to the right and downwards; negative the other way; share lost at the edge."""
    saturation: float = 1.0
    grain: float = 2.0
    """Standard deviation of the noise, grey levels."""
    orientation: int = 1
    """EXIF orientation the file is stored under."""


SHOTS = (
    Shot("01-portrait.jpg", (228, 147), 300, (800, 1000)),
    Shot(
        "02-window-light.jpg",
        (205, 132),
        210,
        (900, 900),
        shade=(0.45, 0.1),
        white=(0.97, 1.0, 1.05),
        turn=0.05,
    ),
    Shot("03-evening.jpg", (262, 165), 300, (1000, 1000), roll=-7, white=(1.13, 1.0, 0.82), exposure=0.86),
    Shot(
        "04-phone-upright.jpg",
        (225, 170),
        240,
        (768, 1024),
        roll=5,
        turn=-0.06,
        gamma=0.9,
        orientation=6,
        grain=3,
    ),
    Shot("05-close.jpg", (227, 113), 165, (700, 760), roll=-3, tip=0.05, saturation=0.85),
    Shot(
        "06-overcast.png",
        (190, 125),
        250,
        (620, 620),
        roll=9,
        white=(0.93, 1.0, 1.09),
        saturation=0.75,
        gamma=1.12,
    ),
    Shot("07-wide.jpg", (250, 205), 400, (1200, 1100), exposure=1.08, tip=-0.06, grain=3),
    Shot(
        "08-lamp-from-left.jpg",
        (240, 140),
        220,
        (840, 1050),
        shade=(-0.5, 0.0),
        white=(1.08, 1.0, 0.9),
        turn=-0.09,
    ),
    Shot("09-dim.webp", (215, 118), 190, (800, 800), roll=-11, exposure=0.62, gamma=1.1, grain=4),
    Shot(
        "10-phone-sideways.jpg", (245, 120), 300, (1120, 840), roll=3, turn=0.1, exposure=1.1, orientation=8
    ),
)


def backdrop_above(portrait: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The portrait with `HEADROOM_PX` more of its backdrop above."""
    top = cv2.copyMakeBorder(portrait, HEADROOM_PX, 0, 0, 0, cv2.BORDER_REPLICATE)
    smooth = cv2.GaussianBlur(top[: HEADROOM_PX + 1], (0, 0), 14)
    top[:HEADROOM_PX] = smooth[:HEADROOM_PX]
    return np.asarray(top)


def crop(portrait: np.ndarray[Any, Any], shot: Shot) -> np.ndarray[Any, Any]:
    """Geometry: crop, camera angle and size, in one resampling."""
    width, height = shot.size
    half = np.array([shot.width / 2, shot.width / 2 * height / width])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    bent = corners.copy()
    bent[:, 1] *= 1 + shot.turn * corners[:, 0]
    bent[:, 0] *= 1 + shot.tip * corners[:, 1]
    angle = np.radians(shot.roll)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = (bent * half) @ turned.T + np.array([shot.center[0], shot.center[1] + HEADROOM_PX])
    target = (corners + 1) / 2 * np.array([width - 1, height - 1])
    matrix = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
    return np.asarray(
        cv2.warpPerspective(
            portrait, matrix, shot.size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE
        )
    )


def light(pixels: np.ndarray[Any, Any], shot: Shot, seed: int) -> np.ndarray[Any, Any]:
    """Exposure, colour, shading and grain."""
    value = (pixels / 255.0) ** shot.gamma * shot.exposure * np.array(shot.white)
    grey = value.mean(axis=2, keepdims=True)
    value = grey + (value - grey) * shot.saturation
    rows, columns = np.mgrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    across, down = shot.shade
    value *= (1 - abs(across) * (1 + np.sign(across) * columns) / 2 * (1 - abs(down) * (1 + rows) / 2))[
        ..., None
    ]
    noise = np.random.default_rng(seed).normal(0, shot.grain / 255, pixels.shape[:2])
    value += cv2.GaussianBlur(noise, (0, 0), 0.8)[..., None] * 1.6
    return np.asarray((np.clip(value, 0, 1) * 255).round().astype(np.uint8))


def encode(image: Image.Image, shot: Shot) -> bytes:
    """The file's bytes, stored lying or standing as the camera held it."""
    undo = {1: None, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[shot.orientation]
    stored = image if undo is None else image.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = shot.orientation
    out = io.BytesIO()
    if shot.name.endswith(".png"):
        stored.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG).save(
            out, "PNG", optimize=True
        )
    elif shot.name.endswith(".webp"):
        stored.save(out, "WEBP", quality=86, method=6)
    else:
        stored.save(out, "JPEG", quality=86, optimize=True, exif=exif)
    return out.getvalue()


def make(shot: Shot, portrait: np.ndarray[Any, Any], seed: int) -> bytes:
    """One picture's bytes."""
    return encode(Image.fromarray(light(crop(portrait, shot), shot, seed)), shot)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("examples/photos"))
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    portrait = backdrop_above(data.astronaut())
    for seed, shot in enumerate(SHOTS):
        blob = make(shot, portrait, seed)
        (folder / shot.name).write_bytes(blob)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(blob)))
        print(f"{shot.name}: {upright.width} x {upright.height}, {len(blob) // 1000} kB")


if __name__ == "__main__":
    main()
