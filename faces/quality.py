"""How good a picture of a face is: sharp, well lit, large, frontal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._models import require
from .align import crop_upright
from .face import Face

if TYPE_CHECKING:
    from .pixels import ImageLike

_CROP_PX = 192
_EYES_AT = (96.0, 76.0)
_SPAN_PX = 72.0
_SMOOTH_PX = 1.5
_USUAL_CONTRAST = 0.2
_SCALE = 6.0
_FLAT = 0.004
"""Contrast below which there is nothing to measure: a grey level."""
_NOSE_DEPTH = 0.6
"""How far the tip of the nose stands out before the line through the eyes,
in eye distances: a rough human average."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Measures of one face. All are taken on a crop of fixed size, so pictures of any size compare."""

    sharpness: float
    """Variance of the Laplacian of the grey crop (192 px, 72 px between the eyes), smoothed by 1.5 px
    against noise and with its contrast set to a fixed one, times 6. About 40 sharp, 25 soft, below 15
    blurred; 0 for a flat crop."""

    brightness: float
    """Mean grey of the crop, 0 black..1 white."""

    contrast: float
    """Standard deviation of the grey crop, 0..0.5."""

    clipped: float
    """Share of the crop that is pure black or pure white, 0..1."""

    face_px: float
    """Height of the face's box in the picture, pixels."""

    yaw: float
    """Estimate of how far the head is turned, degrees, -90..90;
    positive towards the picture's right. Good to about 10."""

    roll: float
    """Tilt of the head, degrees; positive when the right eye is lower."""

    @property
    def overall(self) -> float:
        """One number to choose the best photo by, 0..1: sharp, large, frontal, evenly exposed."""
        sharp = min(1.0, self.sharpness / 48.0)
        large = min(1.0, self.face_px / 400.0)
        frontal = max(0.0, math.cos(math.radians(min(90.0, 2 * abs(self.yaw)))))
        upright = max(0.0, math.cos(math.radians(min(90.0, 2 * abs(self.roll)))))
        lit = max(0.0, 1.0 - 2.0 * abs(self.brightness - 0.55)) * (1.0 - self.clipped)
        return 0.25 * sharp + 0.2 * large + 0.25 * frontal + 0.1 * upright + 0.2 * lit


def measure_quality(image: ImageLike, face: Face) -> Quality:
    """Measure one face of a picture.

    Args:
        image: The picture the face was found in.
        face: The face, from `detect`.
    """
    cv2 = require("cv2", "opencv-python-headless")
    crop = crop_upright(image, face, size=(_CROP_PX, _CROP_PX), eyes_at=_EYES_AT, span_px=_SPAN_PX)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    contrast = float(grey.std()) / 255.0
    return Quality(
        sharpness=_sharpness(grey, contrast),
        brightness=float(grey.mean()) / 255.0,
        contrast=contrast,
        clipped=float(((grey <= 3) | (grey >= 252)).mean()),
        face_px=face.height,
        yaw=estimate_yaw(face),
        roll=face.roll_deg,
    )


def _sharpness(grey: Any, contrast: float) -> float:
    """Without the smoothing a blurred photo with grain measures sharper than a clean sharp one."""
    cv2 = require("cv2", "opencv-python-headless")
    if contrast < _FLAT:
        return 0.0
    smooth = cv2.GaussianBlur(grey.astype("float32"), (0, 0), _SMOOTH_PX)
    return _SCALE * float(cv2.Laplacian(smooth, cv2.CV_32F).var()) * (_USUAL_CONTRAST / contrast) ** 2


def estimate_yaw(face: Face) -> float:
    """How far the head is turned, degrees, from where the nose lies between the eyes.

    With the eyes on a line of half-length e and the nose a depth d before it, a turn by the angle a moves
    the nose by d sin(a) while the eyes draw together to e cos(a): tan(a) = shift / (eye distance) / (d /
    eye distance).
    """
    (ax, ay), (bx, by) = face.landmarks[0], face.landmarks[1]
    length = math.dist((ax, ay), (bx, by))
    if length <= 0:
        return 90.0
    middle_x, middle_y = face.eye_center
    nose_x, nose_y = face.landmarks[2]
    along = ((nose_x - middle_x) * (bx - ax) + (nose_y - middle_y) * (by - ay)) / length
    # The middle of the face itself leans when the camera stands to the side:
    # measure from between eyes and mouth.
    mouth_x, mouth_y = face.mouth_center
    lean = ((mouth_x - middle_x) * (bx - ax) + (mouth_y - middle_y) * (by - ay)) / length
    return math.degrees(math.atan((along - lean / 2) / length / _NOSE_DEPTH))
