"""Finds the face in an init image, without a model:
a likeness search for a known person, else by skin and place."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .cutout import Cutout
from .ops import Canvas
from .scene import Picture

SEARCH_WIDTH = 160
"""The init image is searched at this width, px."""
SIZES = np.geomspace(0.055, 0.30, 15)
"""Eye distances tried, as shares of the picture's width."""
KNOWN_ENOUGH = 0.67
"""Correlation from which a face counts as found. Measured with one reference (NASA portrait): 0.88-0.90 on 8
good likenesses, 0.69-0.77 on 10 poor ones, whose features are somebody else's; less on the pictures
without a face in the tests."""
LOWEST = 0.62
"""Share of the picture's height below which no face is looked for: a shirt scored 0.74 there."""


@dataclass(frozen=True, slots=True)
class FaceSpot:
    """Where a face is, px of the picture."""

    x: float
    """Midpoint between the eyes."""
    y: float
    eye_distance: float
    score: float
    """Correlation, 0..1."""

    def grid(self, shape: tuple[int, int]) -> tuple[Canvas, Canvas]:
        """Return the face coordinates of every pixel of a picture of `shape` (height, width)."""
        x = (np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(self.x)) / np.float32(
            self.eye_distance
        )
        y = (np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(self.y)) / np.float32(
            self.eye_distance
        )
        return x, y


def find_face(picture: Picture, cutout: Cutout) -> FaceSpot | None:
    """Search a picture for a face like the given one, upright and in any size a portrait has.

    Returns:
        The best place, or None when nothing is alike enough.
    """
    ratio = SEARCH_WIDTH / picture.shape[1]
    size = (SEARCH_WIDTH, max(round(picture.shape[0] * ratio), 16))
    small = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    face = _face_patch(cutout)
    best: FaceSpot | None = None
    for share in SIZES:
        unit = share * SEARCH_WIDTH
        patch = cv2.resize(face, (round(2.0 * unit), round(2.1 * unit)), interpolation=cv2.INTER_AREA)
        upper = small[: max(round(LOWEST * size[1] + patch.shape[0] * 0.5), 1)]
        if patch.shape[0] >= upper.shape[0] or patch.shape[1] >= small.shape[1] or min(patch.shape) < 12:
            continue
        scores = cv2.matchTemplate(upper, patch, cv2.TM_CCOEFF_NORMED)
        _, score, _, place = cv2.minMaxLoc(scores)
        if best is None or score > best.score:
            best = FaceSpot(
                x=(place[0] + patch.shape[1] / 2) / ratio,
                y=(place[1] + patch.shape[0] * 0.6 / 2.1) / ratio,
                eye_distance=unit / ratio,
                score=float(score),
            )
    return best if best is not None and best.score >= KNOWN_ENOUGH else None


def _face_patch(cutout: Cutout) -> Picture:
    """Cut eyes to mouth out of the reference: 2 eye distances wide, from 0.6 above the eyes to 1.5 below."""
    unit, (x, y) = cutout.eye_distance, cutout.eyes
    turn = cv2.getRotationMatrix2D((x, y), cutout.roll_deg, 64 / unit)
    turn[:, 2] += np.array([64 - x, 38.4 - y])
    patch = cv2.warpAffine(cutout.rgb, turn, (128, 134), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor((np.clip(patch, 0, 1) * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY))
