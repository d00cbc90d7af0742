"""Where eyes, chin and crown of a head are, measured in a picture.

Everything is measured in small upright copies of known size, so that heads of every size and tilt are judged
alike:

- eyes: `faces.locate_eyes`, good to one degree of tilt.
- chin: the lower edge of CenterFace's box, which was taught on boxes that end there: the mean of three sizes,
  as one alone wavers by 3 % of the head. Over ten sizes and tilts of one photo it scatters by 0.5 % of the
  head. On twelve faces of seven people, judged by eye, it ended 0 to 5 % of the way from the eyes too high:
  2.5 % is added, and the chin is right to about 1.5 % of the head. dlib's 68 points would be another way: the
  licence of the photos they were taught on excludes commerce.
- top of the hair: where the person ends and the backdrop begins above the forehead (`backdrop`).
- crown without hair: the classical canon puts the eyes at the middle of the head (Farkas et al., "Vertical
and
  horizontal proportions of the face in young adult North American Caucasians", 1985, found the upper half a
  little larger in most people; in photos from the front the top recedes, and on the same faces with short
  hair
  it was 0.8 to 1.03 of the lower one). Never above the top of the hair. An estimate, good to 5 % of the head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .backdrop import Backdrop, measure_backdrop

if TYPE_CHECKING:
    from faces import Face
    from faces.pixels import RGB

EYES_PX = 50.0
"""Distance of the eyes in the upright copy."""
FRAME = (440, 480)
"""Width and height of the upright copy: more than a head and its shoulders."""
EYES_AT = (220.0, 200.0)

CHIN_SIZES = (40.0, 56.0, 72.0)
"""Distances of the eyes at which the chin is looked for."""
CHIN_USUAL = (1.5, 2.4)
"""Eyes to chin in distances of the eyes: outside it the detector is wrong."""
CHIN_GUESS = 1.85
CHIN_LOWER = 1.025
"""What the box's edge is multiplied with."""
CROWN = 1.0
"""Crown above the eyes, in distances from eyes to chin."""
HAIR_LEAST, HAIR_MOST = 0.72, 1.75
"""Top of the hair above the eyes, likewise: less or more is the backdrop's doing, not the hair's."""

Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Head:
    """One head. Lengths are pixels of the picture, along the head's own axis."""

    eyes: tuple[float, float]
    """Middle between the eyes."""
    roll_deg: float
    """Tilt; positive = the right eye is lower."""
    chin_px: float
    """From the line through the eyes down to the chin."""
    hair_px: float
    """From the line through the eyes up to the top of the hair."""
    skull_px: float
    """The same to the crown without hair; never more than `hair_px`."""
    crown_seen: bool
    """Whether the top of the hair was seen; else it is the estimate."""
    cut_off: bool
    """Whether the hair reaches the picture's upper edge."""
    backdrop: Backdrop
    """Of the upright copy."""
    to_frame: Matrix
    """Takes a point of the picture to the upright copy."""

    @property
    def height_px(self) -> float:
        """Chin to the top of the hair."""
        return self.chin_px + self.hair_px

    @property
    def bare_px(self) -> float:
        """Chin to the crown without hair."""
        return self.chin_px + self.skull_px


def measure_head(pixels: RGB, face: Face) -> Head:
    """Measure a head.

    Args:
        pixels: RGB.
        face: The head's face, as `faces.detect` found it.

    Raises:
        faces.ModelMissing: The extra [faces] is not installed.
    """
    from faces import crop_upright, locate_eyes, upright_matrix

    face = locate_eyes(pixels, face)
    span_px = EYES_PX * face.span / face.eye_distance
    frame = crop_upright(pixels, face, size=FRAME, eyes_at=EYES_AT, span_px=span_px)
    matrix = upright_matrix(face, eyes_at=EYES_AT, span_px=span_px)
    inside = _inside((pixels.shape[1], pixels.shape[0]), matrix)
    chin = EYES_PX * _chin(pixels, face)
    x, y = EYES_AT
    box = (x - 0.85 * EYES_PX, y - 0.5 * chin, x + 0.85 * EYES_PX, y + 0.9 * chin)
    backdrop = measure_backdrop(frame, inside, head=box, chin_y=y + chin)
    hair, seen, cut = _hair(backdrop.person, inside, chin)
    scale = EYES_PX / face.eye_distance
    return Head(
        eyes=face.eye_center,
        roll_deg=face.roll_deg,
        chin_px=chin / scale,
        hair_px=hair / scale,
        skull_px=min(hair, CROWN * chin) / scale,
        crown_seen=seen,
        cut_off=cut,
        backdrop=backdrop,
        to_frame=matrix,
    )


def _inside(size: tuple[int, int], matrix: Matrix) -> Any:
    """Where the upright copy shows the picture."""
    import cv2
    import numpy as np

    from faces import map_points

    width, height = size
    # Corners are mapped, not pixels: a huge picture costs nothing.
    corners = map_points(((0, 0), (width, 0), (width, height), (0, height)), matrix)
    inside = np.zeros((FRAME[1], FRAME[0]), np.uint8)
    cv2.fillConvexPoly(inside, np.clip(np.round(corners), -30000, 30000).astype(np.int32), 1)
    return inside > 0


def _chin(pixels: RGB, face: Face) -> float:
    """From the eyes down to the chin, in distances of the eyes."""
    from faces import crop_upright, detect

    found: list[float] = []
    for eyes_px in CHIN_SIZES:
        span_px = eyes_px * face.span / face.eye_distance
        frame = crop_upright(pixels, face, size=FRAME, eyes_at=EYES_AT, span_px=span_px)
        near = [other for other in detect(frame) if math.dist(other.eye_center, EYES_AT) < 0.7 * eyes_px]
        found += [(other.box[3] - EYES_AT[1]) / eyes_px for other in near[:1]]
    usual = [value for value in found if CHIN_USUAL[0] <= value <= CHIN_USUAL[1]]
    return CHIN_LOWER * sum(usual) / len(usual) if usual else CHIN_GUESS


def _hair(person: Any, inside: Any, chin: float) -> tuple[float, bool, bool]:
    """Top of the hair above the eyes, whether it was seen, whether the picture's edge cuts it."""
    import numpy as np

    x, y = round(EYES_AT[0]), round(EYES_AT[1])
    reach = round(0.8 * EYES_PX)
    columns = slice(x - reach, x + reach + 1)
    edge = int(np.argmax(inside[: y + 1, x]))
    # A row counts when an eighth of the head's width is person: a loose strand does not.
    rows = person[:y, columns].sum(axis=1) >= max(3, reach // 4)
    gaps = np.flatnonzero(~rows)
    top = int(gaps[-1]) + 1 if gaps.size else 0
    hair = float(y - top)
    cut = top <= edge + 1 and hair > HAIR_LEAST * chin
    if not HAIR_LEAST * chin <= hair <= HAIR_MOST * chin:
        return CROWN * chin, False, cut
    return hair, True, cut
