"""Whether a skin's undertone is warm (golden) or cool (rosy), from several photos, and how sure that is.

The measure is the CIELAB hue angle h_ab = atan2(b*, a*) of lit cheek and forehead, after the light's colour
has been taken away as far as two estimates of it agree (`_light`). Lightness plays no part: how light or dark
a skin is (Individual Typology Angle; Chardon, Cretois and Hourseau, Int. J. Cosmetic Science 13, 1991) says
nothing of its undertone.

BORDER_DEG is the border between red and yellow skin hues that Thong, Joniak and Xiang use for photographs
("Beyond Skin Tone: A Multidimensional Measure of Apparent Skin Color", ICCV 2023). All else here is our own
choice and was not tested against people whom a colour consultant has seen: that yellow hues are called warm
and red ones cool, the width of the middle, and every number that makes the confidence. It measures apparent
colour in photographs; make-up, sunburn, a filter or a camera's own taste for skin all go into it.

Nothing here is sure of more than its photos show: one photo is never enough, photos that differ or a light
that cannot be told make it less sure, and below SURE_ENOUGH the label is "neutral", which proposes nothing.
Photos count as if each were taken for itself; many of one afternoon make it surer than it should be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import NormalDist, median
from typing import TYPE_CHECKING, Any, Literal

from ._light import NEUTRAL, Light, agreed, light_of_eyes, light_of_surroundings, to_lab
from ._skin import sample_skin
from ._undertone_words import Reason, describe
from .face import Face
from .pixels import to_rgb

if TYPE_CHECKING:
    from ._skin import SkinSample
    from .pixels import RGB, ImageLike

Label = Literal["warm", "cool", "neutral"]
BORDER_DEG = 55.0
"""Hue angle between red and yellow skin (Thong et al. 2023)."""
MIDDLE_DEG = 3.0
"""Half the width of the middle, in which a skin is called neither. Own choice."""
SURE_ENOUGH = 0.5
"""Confidence from which a label other than neutral is given."""
FEWEST_PHOTOS = 3
"""Fewer photos give no label. Own choice: with two nobody can say which of them is right."""
_FLOOR_DEG = 4.0
"""Doubt that no number of photos takes away: cameras render skin as their makers like it."""
_HALF_SURE_PHOTOS = 2.0
"""The confidence is at most n / (n + this): 0.6 for three photos, 0.83 for ten."""
_AGREE = 2 / 3
"""Share of the photos that must lie on the label's side."""
_CONTRARY_DEG = 8.0
"""Spread of the photos (a standard deviation) above which they are said to disagree."""
_SURROUNDINGS_PX = 512


@dataclass(frozen=True, slots=True)
class SkinColour:
    """The skin in one photo."""

    lightness: float
    """L*, 0..100, as exposed: says little of the skin."""
    a_star: float
    """Redness, light taken away."""
    b_star: float
    """Yellowness, light taken away."""
    hue_deg: float
    """h_ab, degrees, light taken away."""
    raw_hue_deg: float
    """h_ab as the photo has it."""
    doubt_deg: float
    """Half the range of h_ab between what the ways of telling the light would make of it."""
    light: Light
    """The light's colour, linear, green 1."""


@dataclass(frozen=True, slots=True)
class Undertone:
    """What the photos of one person say together."""

    label: Label
    confidence: float
    """How sure it is that the skin lies on its side of the border, 0..1; below `SURE_ENOUGH` the label is
    neutral."""
    hue_deg: float | None
    """Median h_ab of the photos; None when no skin could be seen."""
    b_star: float | None
    """Median b* of the photos."""
    spread_deg: float
    """How far the photos are apart (standard deviation, robust)."""
    doubt_deg: float
    """Median doubt about the light."""
    photos: int
    """How many showed skin."""
    reason: Reason
    """What decided; `why` says it in words."""

    @property
    def why(self) -> str:
        """One or two sentences in English."""
        return self.describe("en")

    def describe(self, language: str = "en") -> str:
        """Label and reason in "en" or "ko"."""
        return describe(language, asdict(self))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, rounded, with both languages."""
        values = {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }
        return {**values, "why": {"en": self.describe("en"), "ko": self.describe("ko")}}


def measure_skin(image: ImageLike, face: Face) -> SkinColour | None:
    """Measure the skin of one photo.

    Args:
        image: The photo, upright, in sRGB.
        face: The person's face in it.

    Returns:
        None when too little lit, bare skin is seen, or the photo is grey.

    Raises:
        ModelMissing: NumPy or OpenCV is not installed.
        PixelsRefused: Not a picture.
    """
    pixels = to_rgb(image)
    sample = sample_skin(pixels, face)
    if sample is None:
        return None
    lights = _lights(pixels, face, sample)
    light = agreed(lights)
    lightness, a_star, b_star = to_lab(sample.colour, light)
    hues = [_hue(to_lab(sample.colour, each)) for each in (NEUTRAL, light, *lights)]
    return SkinColour(
        lightness=lightness,
        a_star=a_star,
        b_star=b_star,
        hue_deg=hues[1],
        raw_hue_deg=hues[0],
        # Without an estimate of the light there is nothing to hold against it: taken for a large doubt.
        doubt_deg=(max(hues) - min(hues)) / 2 if lights else 3 * _FLOOR_DEG,
        light=light,
    )


def estimate_undertone(photos: Iterable[tuple[ImageLike, Face]]) -> Undertone:
    """Estimate the undertone of one person's skin.

    Args:
        photos: Pictures of the person, each with their face in it; other pictures of the same moment add
            little, other days and lights add much.

    Example:
        >>> estimate_undertone([]).label
        'neutral'
    """
    measured = (measure_skin(image, face) for image, face in photos)
    return judge([colour for colour in measured if colour is not None])


def judge(colours: list[SkinColour]) -> Undertone:
    """Put the photos' measures together. Pure: the same measures always give the same answer."""
    if not colours:
        return Undertone("neutral", 0.0, None, None, 0.0, 0.0, 0, "no_skin")
    number = len(colours)
    hue = median(colour.hue_deg for colour in colours)
    spread = 1.4826 * median(abs(colour.hue_deg - hue) for colour in colours)
    doubt = median(colour.doubt_deg for colour in colours)
    # Photos average out what differs between them. The doubt about the light need not: a person's photos are
    # often taken in the same rooms.
    sigma = math.hypot(spread / math.sqrt(number), doubt, _FLOOR_DEG)
    sure = 2 * NormalDist().cdf(abs(hue - BORDER_DEG) / sigma) - 1
    confidence = min(sure, number / (number + _HALF_SURE_PHOTOS))
    side = sum((colour.hue_deg > BORDER_DEG) == (hue > BORDER_DEG) for colour in colours) / number
    reason = _reason(number, hue, spread, doubt, side, confidence)
    label: Label = "neutral" if reason != "clear" else "warm" if hue > BORDER_DEG else "cool"
    return Undertone(
        label=label,
        confidence=confidence,
        hue_deg=hue,
        b_star=median(colour.b_star for colour in colours),
        spread_deg=spread,
        doubt_deg=doubt,
        photos=number,
        reason=reason,
    )


def _reason(number: int, hue: float, spread: float, doubt: float, side: float, confidence: float) -> Reason:
    """What decides, the gravest first."""
    if number < FEWEST_PHOTOS:
        return "few_photos"
    if side < _AGREE or (confidence < SURE_ENOUGH and spread > _CONTRARY_DEG and spread > doubt):
        return "photos_differ"
    if abs(hue - BORDER_DEG) <= MIDDLE_DEG:
        return "middle"
    if confidence < SURE_ENOUGH:
        return "light" if doubt > _FLOOR_DEG else "middle"
    return "clear"


def _lights(pixels: RGB, face: Face, sample: SkinSample) -> list[Light]:
    found = (
        light_of_surroundings(*_around(pixels, face)),
        light_of_eyes(sample.crop, sample.eyes, sample.colour),
    )
    return [light for light in found if light is not None]


def _around(pixels: RGB, face: Face) -> tuple[Any, Any]:
    """A small copy of the photo, and where the person is in it: head, hair, neck and shoulders."""
    from ._models import require

    cv2, np = require("cv2", "opencv-python-headless"), require("numpy", "numpy")
    height, width = pixels.shape[:2]
    ratio = min(1.0, _SURROUNDINGS_PX / max(height, width))
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    span, (x, y) = max(face.span * ratio, 1e-6), face.eye_center
    right, down = (columns - x * ratio) / span, (rows - y * ratio) / span
    head = (right / 1.9) ** 2 + ((down - 0.2) / 2.4) ** 2 < 1
    body = (np.abs(right) < 2.6) & (down > 1.8)
    return small, head | body


def _hue(lab: tuple[float, float, float]) -> float:
    """h_ab in degrees, -90 to 270, so that it runs through red and yellow without a jump."""
    angle = math.degrees(math.atan2(lab[2], lab[1]))
    return angle + 360 if angle < -90 else angle
