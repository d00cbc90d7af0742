"""Cutting a face out of a picture upright and at a known size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from ._models import require
from .face import Face
from .pixels import to_rgb

if TYPE_CHECKING:
    from .pixels import RGB, ImageLike


def crop_upright(
    image: ImageLike,
    face: Face,
    *,
    size: tuple[int, int],
    eyes_at: tuple[float, float],
    span_px: float,
    level: bool = True,
) -> RGB:
    """Cut a picture so that the eyes lie on a level line at a chosen place and the face has a chosen size.

    What lies outside the picture repeats the picture's edge: no black corners.

    Args:
        image: The picture the face was found in.
        face: The face.
        size: Width and height of the result, pixels.
        eyes_at: Where the middle between the eyes goes in the result, pixels.
        span_px: What `Face.span` is to be in the result, pixels.
        level: Turn the face upright; False keeps the head's tilt.

    Returns:
        An RGB array of the asked size.
    """
    cv2, np = require("cv2", "opencv-python-headless"), require("numpy", "numpy")
    matrix = upright_matrix(face, eyes_at=eyes_at, span_px=span_px, level=level)
    pixels = to_rgb(image)
    scale = math.hypot(matrix[0][0], matrix[1][0])
    transform = np.array(matrix, np.float64)
    if scale < 0.5:
        # warpAffine looks at four neighbours only;
        # beyond a halving it would skip pixels and make sharp edges ragged.
        height, width = pixels.shape[:2]
        small = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
        transform[:, 0] *= width / small[0]
        transform[:, 1] *= height / small[1]
    warped = cv2.warpAffine(
        pixels,
        transform,
        size,
        flags=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cast("RGB", warped)


def upright_matrix(
    face: Face, *, eyes_at: tuple[float, float], span_px: float, level: bool = True
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The 2 x 3 matrix that takes a point of the picture to its place in `crop_upright`'s result."""
    scale = span_px / max(face.span, 1e-6)
    turn = math.radians(-face.roll_deg) if level else 0.0
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    x, y = face.eye_center
    return (cos, -sin, eyes_at[0] - cos * x + sin * y), (sin, cos, eyes_at[1] - sin * x - cos * y)


def map_points(
    points: tuple[tuple[float, float], ...],
    matrix: tuple[tuple[float, float, float], tuple[float, float, float]],
) -> tuple[tuple[float, float], ...]:
    """Where points of the picture lie after `upright_matrix`."""
    (a, b, c), (d, e, f) = matrix
    return tuple((a * x + b * y + c, d * x + e * y + f) for x, y in points)
