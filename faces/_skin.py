"""Which pixels of a photo are lit, bare skin of the cheeks and forehead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._light import linear
from ._models import require
from .align import crop_upright
from .face import Face

if TYPE_CHECKING:
    from .pixels import RGB, ImageLike

_SIDE = 320
_SPAN_PX = 96.0
_EYES_AT = (160.0, 140.0)
# Middle and half axes in spans from the point between the eyes, upright. Clear of brows, lips, nostrils, the
# lower lids and where beards begin.
_CHEEKS = ((-0.44, 0.58, 0.20, 0.20), (0.44, 0.58, 0.20, 0.20))
_FOREHEAD = (0.0, -0.5, 0.32, 0.12)
_EYES = ((-0.5, 0.0, 0.24, 0.085), (0.5, 0.0, 0.24, 0.085))
_FEWEST = 300
_FRINGE = 0.15
"""How far the forehead's colour may be from the cheeks' (natural logarithm of red over green and of blue over
green) before it is taken for hair or a hat."""
_GREY = 3.0
"""Mean distance between the channels (of 255) below which a photo is black and white."""
_BAND = (35.0, 80.0)
"""Percentiles of lightness kept: below lies shade and hair, above shine."""
_AWAY = 2.5
"""Colours further from the middle than so many deviations are no skin: spots, glasses, make-up, hair."""


@dataclass(frozen=True, slots=True)
class SkinSample:
    """Skin of one photo, its light not yet taken away."""

    crop: RGB
    """The face, upright."""
    eyes: Any
    """Where the openings of the eyes are in the crop."""
    colour: Any
    """Median of the skin, linear light."""
    pixels: int
    """How many were kept."""


def sample_skin(image: ImageLike, face: Face) -> SkinSample | None:
    """Find the skin of a face.

    Returns:
        None when too little of it is lit and bare (turned away, covered, burnt out, dark), or the photo is
        black and white.
    """
    np = require("numpy", "numpy")
    crop = crop_upright(image, face, size=(_SIDE, _SIDE), eyes_at=_EYES_AT, span_px=_SPAN_PX)
    cheeks = [found for found in (_bare(crop[_ellipse(*spot)]) for spot in _CHEEKS) if found is not None]
    forehead = _bare(crop[_ellipse(*_FOREHEAD)])
    if not cheeks or float((crop.max(axis=2) - crop.min(axis=2)).mean()) < _GREY:
        return None
    if forehead is not None and (np.abs(_hue(forehead) - _hue(np.concatenate(cheeks))) < _FRINGE).all():
        cheeks.append(forehead)
    if sum(len(patch) for patch in cheeks) < _FEWEST:
        return None
    eyes = _ellipse(*_EYES[0]) | _ellipse(*_EYES[1])
    # Each patch counts alike, however much of it was kept: a lamp from one side shall not decide.
    colour = np.mean([np.median(linear(patch), axis=0) for patch in cheeks], axis=0)
    return SkinSample(crop, eyes, colour, sum(len(patch) for patch in cheeks))


def _ellipse(x: float, y: float, across: float, down: float) -> Any:
    np = require("numpy", "numpy")
    rows, columns = np.mgrid[0:_SIDE, 0:_SIDE]
    right = (columns - (_EYES_AT[0] + x * _SPAN_PX)) / (across * _SPAN_PX)
    below = (rows - (_EYES_AT[1] + y * _SPAN_PX)) / (down * _SPAN_PX)
    return right**2 + below**2 <= 1


def _bare(pixels: Any) -> Any:
    """The pixels of a patch without shade, shine and what is no skin; None when hardly any are left."""
    np = require("numpy", "numpy")
    usable = pixels[(pixels.max(axis=1) < 250) & (pixels.min(axis=1) > 8)]
    if len(usable) < _FEWEST // 3:
        return None
    light = linear(usable).mean(axis=1)
    low, high = np.percentile(light, _BAND)
    usable = usable[(light >= low) & (light <= high)]
    hues = _hues(usable)
    away = np.abs(hues - np.median(hues, axis=0))
    spread = np.maximum(1.4826 * np.median(away, axis=0), 0.01)
    alike = usable[(away <= _AWAY * spread).all(axis=1)]
    return alike if len(alike) >= _FEWEST // 3 else None


def _hues(pixels: Any) -> Any:
    """Red over green and blue over green, as logarithms: a cast moves all of them by the same."""
    np = require("numpy", "numpy")
    colours = np.log(linear(pixels) + 1e-4)
    return np.stack([colours[:, 0] - colours[:, 1], colours[:, 2] - colours[:, 1]], axis=1)


def _hue(pixels: Any) -> Any:
    np = require("numpy", "numpy")
    return np.median(_hues(pixels), axis=0)
