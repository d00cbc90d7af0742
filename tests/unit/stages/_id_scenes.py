"""Portraits whose truth is known: the example portrait at any size and tilt, its points set by hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image

from stages.id_photos import IdPhoto
from stages.id_photos.formats import MM_PER_INCH
from studio.consent import EXAMPLE_PHOTOS

# Set by eye in 01-portrait.jpg at three times its size; good to about 3 px of a head of 435.
LEFT_EYE, RIGHT_EYE, CHIN, HAIR = (331.0, 376.0), (451.0, 383.0), (388.0, 584.0), (408.0, 149.0)
_HEAD = (190, 120, 610, 640)
"""Box of the head in it, for recognising it again."""


@cache
def source() -> Any:
    """01-portrait.jpg as RGB."""
    return np.asarray(Image.open(EXAMPLE_PHOTOS / "01-portrait.jpg").convert("RGB"))


def scene(
    *,
    scale: float = 1.0,
    tilt_deg: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    size: tuple[int, int] = (1000, 1300),
) -> bytes:
    """The portrait in a canvas, as PNG; its edges go on over what is empty.

    Args:
        scale: Of the head: 1 = 435 px high.
        tilt_deg: Positive = clockwise, on top of the 3.3 degrees that it has.
        shift: Of the eyes from their usual place (middle, two fifths from the top), pixels.
        size: Of the canvas.
    """
    middle = (LEFT_EYE[0] + RIGHT_EYE[0]) / 2, (LEFT_EYE[1] + RIGHT_EYE[1]) / 2
    matrix = cv2.getRotationMatrix2D(middle, -tilt_deg, scale)
    matrix[:, 2] += (size[0] / 2 + shift[0] - middle[0], 0.4 * size[1] + shift[1] - middle[1])
    drawn = cv2.warpAffine(source(), matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return as_png(drawn)


def as_png(pixels: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


@dataclass(frozen=True)
class Truth:
    """Where the points set by hand are in a finished photo, mm."""

    head_mm: float
    eyes_mm: float
    tilt_deg: float
    aside_mm: float
    """Eyes right of the photo's middle."""
    top_mm: float
    """Room above the hair."""


def measure_again(photo: IdPhoto) -> Truth:
    """Find the portrait's head in the photo by its texture (SIFT), knowing nothing of how it was placed."""
    with Image.open(BytesIO(photo.jpeg)) as opened:
        image = np.asarray(opened.convert("L"))
    points = _register(image) @ np.array([[*p, 1.0] for p in (LEFT_EYE, RIGHT_EYE, CHIN, HAIR)]).T
    (left, right, chin, hair) = points.T
    mm = MM_PER_INCH / photo.dpi
    return Truth(
        head_mm=float(chin[1] - hair[1]) * mm,
        eyes_mm=float(image.shape[0] - (left[1] + right[1]) / 2) * mm,
        tilt_deg=float(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0]))),
        aside_mm=float((left[0] + right[0]) / 2 - image.shape[1] / 2) * mm,
        top_mm=float(hair[1]) * mm,
    )


def _register(image: Any) -> Any:
    """The 2 x 3 matrix from the portrait to the photo."""
    sift = cv2.SIFT_create()
    x0, y0, x1, y1 = _HEAD
    grey = cv2.cvtColor(source()[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    (ours, mine), (theirs, yours) = (sift.detectAndCompute(part, None) for part in (grey, image))
    pairs = [
        best
        for best, second in cv2.BFMatcher().knnMatch(mine, yours, k=2)
        if best.distance < 0.75 * second.distance
    ]
    assert len(pairs) > 25
    from_ = np.array([ours[pair.queryIdx].pt for pair in pairs]) + np.array([x0, y0])
    to = np.array([theirs[pair.trainIdx].pt for pair in pairs])
    matrix, inliers = cv2.estimateAffinePartial2D(from_, to, ransacReprojThreshold=3.0)
    assert inliers.sum() > 20
    return matrix
