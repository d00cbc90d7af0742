"""How good a picture of a face is: sharp, well lit, large, frontal, not covered.

Covered means two things only, dark glasses and a mask, found by what they do to the skin's colour. Measured
on the ten example photos (one fair-skinned person in many lights) plain and with drawn covers:

- dark glasses: the eyes' surroundings against the skin below and between them, lightness: 0.73 to 1.2 plain,
  masked or bearded; 0.05 to 0.39 behind dark or brown lenses.
- a mask: tip of the nose and both cheeks against that skin, distance of colours: 1 to 6 for the nose plain,
  12 and more under white, blue and black masks. Beards change the cheeks as much, but not the nose.

Clear glasses, hands, hair, masks of the skin's colour and white ones in black-and-white photos are not found,
and other faces were not measured: good for advice and ranking, not for refusing a photo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._models import require
from .align import crop_upright, map_points, upright_matrix
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
_SKIN_AT = ((-0.5, 0.42), (0.5, 0.42), (0.0, -0.1), (-0.35, -0.45), (0.35, -0.45))
"""Below the eyes, between and above them: places no glasses' lens and no mask covers, in spans from between
the eyes. The median of five stays skin when hair or a frame lies on two."""
_NOSE_AT, _CHEEKS_AT = (0.0, 0.62), ((-0.6, 0.85), (0.6, 0.85))
_SPOT = 0.08
"""Half the side of the square that is looked at, in spans; for an eye and its lids nearly twice that."""
_EYE_SPOT = 0.14
_DARK_LENS = 0.5
"""Lightness of the eyes' surroundings against the skin below which they are behind dark glasses."""
_NOT_SKIN = 9.0
"""Distance of colours (CIE Lab 1976, lightness counted a quarter as a shadow is no cover) from the skin."""
_COVERED = 0.5
"""What a cover leaves of `Quality.overall`."""


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

    side_light: float = 0.0
    """Where the light comes from, -1 the picture's left..1 its right; 0 evenly. (right - left) / (right +
    left) of the mean grey of the two halves of the face."""

    eyes_covered: bool = False
    """Whether the eyes seem to be behind dark glasses."""

    mouth_covered: bool = False
    """Whether nose, mouth and cheeks seem to be behind a mask."""

    @property
    def overall(self) -> float:
        """One number to choose the best photo by, 0..1: sharp, large, frontal, evenly exposed,
        not covered."""
        sharp = min(1.0, self.sharpness / 48.0)
        large = min(1.0, self.face_px / 400.0)
        frontal = max(0.0, math.cos(math.radians(min(90.0, 2 * abs(self.yaw)))))
        upright = max(0.0, math.cos(math.radians(min(90.0, 2 * abs(self.roll)))))
        lit = max(0.0, 1.0 - 2.0 * abs(self.brightness - 0.55)) * (1.0 - self.clipped)
        seen = _COVERED if self.eyes_covered or self.mouth_covered else 1.0
        return seen * (0.25 * sharp + 0.2 * large + 0.25 * frontal + 0.1 * upright + 0.2 * lit)


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
    eyes, mouth = _covered(crop, face)
    return Quality(
        sharpness=_sharpness(grey, contrast),
        brightness=float(grey.mean()) / 255.0,
        contrast=contrast,
        clipped=float(((grey <= 3) | (grey >= 252)).mean()),
        face_px=face.height,
        yaw=estimate_yaw(face),
        roll=face.roll_deg,
        side_light=_side_light(grey),
        eyes_covered=eyes,
        mouth_covered=mouth,
    )


def _side_light(grey: Any) -> float:
    middle, reach = int(_EYES_AT[0]), int(0.8 * _SPAN_PX)
    rows = slice(int(_EYES_AT[1] - 0.4 * _SPAN_PX), int(_EYES_AT[1] + 1.2 * _SPAN_PX))
    left = float(grey[rows, middle - reach : middle].mean())
    right = float(grey[rows, middle : middle + reach].mean())
    return (right - left) / max(1.0, right + left)


def _covered(crop: Any, face: Face) -> tuple[bool, bool]:
    """Whether dark glasses cover the eyes, and whether a mask covers nose and cheeks."""
    cv2, np = require("cv2", "opencv-python-headless"), require("numpy", "numpy")
    lab = cv2.cvtColor(crop.astype("float32") / 255.0, cv2.COLOR_RGB2LAB)
    matrix = upright_matrix(face, eyes_at=_EYES_AT, span_px=_SPAN_PX)

    def spot(x: float, y: float, half: float) -> Any:
        reach = half * _SPAN_PX
        rows, columns = (slice(max(0, round(at - reach)), max(1, round(at + reach) + 1)) for at in (y, x))
        seen = lab[rows, columns].reshape(-1, 3)
        return np.median(seen, axis=0) if seen.size else None

    def place(at: tuple[float, float]) -> Any:
        return spot(_EYES_AT[0] + at[0] * _SPAN_PX, _EYES_AT[1] + at[1] * _SPAN_PX, _SPOT)

    skin = np.median([place(at) for at in _SKIN_AT], axis=0)
    found = [spot(x, y, _EYE_SPOT) for x, y in map_points(face.landmarks[:2], matrix)]
    eyes = [float(eye[0]) for eye in found if eye is not None]
    dark = bool(eyes) and max(eyes) < _DARK_LENS * float(skin[0])
    weights = np.array([0.25, 1.0, 1.0])
    others = [np.linalg.norm((place(at) - skin) * weights) for at in (_NOSE_AT, *_CHEEKS_AT)]
    return dark, bool(min(others) > _NOT_SKIN)


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
