"""Where the head goes in the photo: the allowed place that is nearest to the best one and can be filled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .backdrop import GRADIENT
from .errors import IdPhotoError
from .formats import MM_PER_INCH, IdFormat
from .head import Head

Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]

SPARE = 0.12
"""Share of a range left free at both ends, for what the measurement may be off."""
ENLARGED_MOST = 1.15
"""Most a portrait may be enlarged: beyond it the photo has not the detail of its dpi."""
MISSING_MOST = 0.002
"""Share of the photo that may lie outside the portrait where it could not be made up."""
HAIR_OFF_MM = 0.2
"""Hair that rises above the range by less is within what can be measured."""
_STEPS = 7


@dataclass(frozen=True, slots=True)
class Placing:
    """A place for the head, as lengths on the photo."""

    scale: float
    """Photo pixels for one of the portrait's."""
    eyes_mm: float
    """Line through the eyes above the lower edge."""
    head_mm: float
    """Chin to the top of the hair."""
    bare_mm: float
    """Chin to the crown without hair."""
    hair_is_high: bool
    """Whether the hair rises above what the format allows though the crown does not."""

    def matrix(self, head: Head, form: IdFormat, dpi: int) -> Matrix:
        """Takes a point of the portrait to the photo."""
        turn = math.radians(-head.roll_deg)
        cos, sin = self.scale * math.cos(turn), self.scale * math.sin(turn)
        x, y = head.eyes
        width, height = form.size_px(dpi)
        at_x, at_y = width / 2, height - self.eyes_mm * dpi / MM_PER_INCH
        return (cos, -sin, at_x - cos * x + sin * y), (sin, cos, at_y - sin * x - cos * y)


def place_head(head: Head, form: IdFormat, dpi: int, size: tuple[int, int]) -> Placing:
    """Choose the place.

    Args:
        head: As measured.
        form: What the photo has to be.
        dpi: Pixels an inch of the photo.
        size: Width and height of the portrait, pixels.

    Raises:
        IdPhotoError: The portrait has not enough pixels ("too-small"), or not enough of the person
        ("too-tight").
    """
    sizes = _head_sizes(head, form)
    places = [place for bare in sizes for place in _places(head, form, dpi, bare)]
    sharp = [place for place in places if place.scale <= ENLARGED_MOST]
    if not sharp:
        raise _too_small(head, min(place.scale for place in places))
    best = places[0]

    def cost(place: Placing) -> float:
        apart = abs(place.bare_mm / best.bare_mm - 1) + abs(place.eyes_mm - best.eyes_mm) / form.height_mm
        return apart + 2 * max(0.0, place.scale - 1)

    for place in sorted(sharp, key=cost):
        if _missing(place, head, form, dpi, size) <= MISSING_MOST:
            return place
    raise IdPhotoError(
        "too-tight",
        "머리 주위에 남은 여백이나 어깨가 부족해서 이 규격으로 자를 수 없습니다. 상반신이 더 넓게 나온 "
        "사진을 "
        "선택하세요.",
        "The portrait is cut too tightly around the head for this format. Choose one that shows more of "
        "the shoulders "
        "and the backdrop.",
    )


def _head_sizes(head: Head, form: IdFormat) -> list[float]:
    """Sizes from chin to the crown without hair, mm; the best first."""
    low, high = form.head_mm
    spare = SPARE * (high - low)
    # How much more the hair makes it: both shall be within the range, where one size can do that.
    more = head.height_px / head.bare_px
    least, most = low + spare, (high - spare) / more
    if most < least:
        # The range is too narrow for both with room to spare; the crown's own limit is the harder one.
        return [max(low, (low + high / more) / 2) + 0.05]
    best = (least + most) / 2
    steps = [best + (most - least) * (index / (_STEPS - 1) - 0.5) for index in range(_STEPS)]
    return sorted(steps, key=lambda value: abs(value - best))


def _places(head: Head, form: IdFormat, dpi: int, bare_mm: float) -> list[Placing]:
    """Places of the eyes for one size of the head; the best first."""
    px_mm = dpi / MM_PER_INCH
    scale = bare_mm * px_mm / head.bare_px
    hair_mm, head_mm = head.hair_px * scale / px_mm, head.height_px * scale / px_mm
    if form.eyes_from_bottom_mm:
        low, high = form.eyes_from_bottom_mm
        spare = SPARE * (high - low)
        best = (low + high) / 2
        low, high = low + spare, min(high - spare, form.height_mm - hair_mm - 1.0)
        high = max(low, high)
        best = min(best, high)
    else:
        top_low, top_high = form.top_mm or (2.0, 7.0)
        # Half the height for a head that fills it, so that the room above does not leave the photo.
        high, low = (form.height_mm - top - hair_mm for top in (top_low, top_high))
        best = high - 0.4 * (high - low)
    steps = [low + (high - low) * index / (_STEPS - 1) for index in range(_STEPS)]
    eyes = sorted({best, *steps}, key=lambda value: abs(value - best))
    too_high = head_mm > form.head_mm[1] + HAIR_OFF_MM
    return [Placing(scale, value, head_mm, bare_mm, too_high) for value in eyes]


def _missing(place: Placing, head: Head, form: IdFormat, dpi: int, size: tuple[int, int]) -> float:
    """Share of the photo that lies outside the portrait and cannot be made up from the backdrop."""
    import cv2
    import numpy as np

    small = 0.2
    (a, b, c), (d, e, f) = place.matrix(head, form, dpi)
    matrix = np.array([[a, b, c], [d, e, f], [0.0, 0.0, 1.0]])
    shrink = np.diag([small, small, 1.0])
    wide, high = (max(8, round(side * small)) for side in form.size_px(dpi))
    width, height = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64).T
    shape = (shrink @ matrix @ corners)[:2].T
    inside = np.zeros((high, wide), np.uint8)
    cv2.fillConvexPoly(inside, np.clip(np.round(shape), -30000, 30000).astype(np.int32), 1)
    outside = inside == 0
    if not outside.any():
        return 0.0
    if not head.backdrop.plain or head.backdrop.gradient > 4 * GRADIENT:
        return float(outside.mean())
    frame = np.vstack([np.array(head.to_frame), [0.0, 0.0, 1.0]])
    back = np.linalg.inv(shrink @ matrix)
    person = _replicated(head, frame @ back, (wide, high), inside)
    return float((outside & person).mean())


def _replicated(head: Head, from_photo: Any, size: tuple[int, int], inside: Any) -> Any:
    """For each pixel of the photo: whether the portrait's nearest pixel shows the person."""
    import cv2
    import numpy as np

    mask = cv2.warpAffine(
        head.backdrop.person.astype(np.uint8),
        from_photo[:2],
        size,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if not inside.any():
        return np.ones(inside.shape, bool)
    _, labels = cv2.distanceTransformWithLabels(
        (inside == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # The label of each outer pixel is that of the inner pixel next to it.
    known = np.zeros(int(labels.max()) + 1, np.uint8)
    known[labels[inside > 0]] = mask[inside > 0]
    return known[labels] > 0


def _too_small(head: Head, scale: float) -> IdPhotoError:
    has, needs = round(head.height_px), math.ceil(head.height_px * scale / ENLARGED_MOST)
    return IdPhotoError(
        "too-small",
        f"얼굴이 작아서 300dpi로 인쇄할 수 없습니다. 머리 높이가 {has}픽셀이며, 최소 {needs}픽셀이 "
        f"필요합니다. 더 큰 "
        "사진을 선택하세요.",
        f"The head is too small to be printed at full quality: it is {has} pixels high, at least {needs} "
        f"are needed. "
        "Choose a larger portrait.",
    )
