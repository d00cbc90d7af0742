"""The finishing colour grade: fixed arithmetic, so the same picture always gets the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._optional import require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

# How far -1 and +1 reach. Chosen on the portraits of the sandbox: at temperature ±0.5 a grey wall is
# visibly cool or warm while skin stays skin.
_RED_REACH, _BLUE_REACH, _GREEN_REACH = 0.16, 0.22, 0.12
_CONTRAST_REACH, _LIFT_REACH = 0.35, 0.12
_LUMA = (0.2126, 0.7152, 0.0722)
"""Rec. 709 luminance weights of linear red, green and blue."""
_LUMA_256 = (54, 183, 19)
"""The same as 256ths: whole numbers give the same result on every processor."""


def apply_grade(pixels: Pixels, grade: Mapping[str, float], *, strength: float = 1.0) -> Pixels:
    """Grade an RGB picture.

    Args:
        pixels: Height x width x 3, 0..255, sRGB.
        grade: `temperature`, `tint`, `contrast`, `saturation`, `lift`, each -1..1; absent or 0 = unchanged.
        strength: Factor on all of them, 0..2; 0 = the picture as it is.
    """
    np = require("numpy", "numpy")
    amount = {name: max(-1.0, min(1.0, value * strength)) for name, value in grade.items()}
    if not any(amount.values()):
        return pixels
    graded = np.empty_like(pixels)
    for channel, curve in enumerate(_curves(amount)):
        graded[..., channel] = curve[pixels[..., channel]]
    factor = round(256 * (1.0 + amount.get("saturation", 0.0)))
    return graded if factor == 256 else _saturate(graded, factor)


def _gains(amount: Mapping[str, float]) -> tuple[float, float, float]:
    """Factors on linear red, green and blue that leave the luminance of grey as it is."""
    warm, magenta = amount.get("temperature", 0.0), amount.get("tint", 0.0)
    raw = (1.0 + _RED_REACH * warm, 1.0 - _GREEN_REACH * magenta, 1.0 - _BLUE_REACH * warm)
    grey = sum(weight * gain for weight, gain in zip(_LUMA, raw, strict=True))
    return raw[0] / grey, raw[1] / grey, raw[2] / grey


def _curves(amount: Mapping[str, float]) -> list[Any]:
    """One table of 256 values per channel: white balance in linear light, then lift and contrast."""
    np = require("numpy", "numpy")
    level = np.arange(256) / 255.0
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    lift = _LIFT_REACH * amount.get("lift", 0.0)
    contrast = _CONTRAST_REACH * amount.get("contrast", 0.0)
    curves = []
    for gain in _gains(amount):
        value = np.clip(linear * gain, 0.0, 1.0)
        value = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
        value = value + lift * (1.0 - value) ** 2
        # A smooth S around the middle: black and white stay where they are.
        value = value + contrast * (value - 0.5) * 4.0 * np.clip(value * (1.0 - value), 0.0, 0.25)
        curves.append(np.clip(np.rint(value * 255.0), 0, 255).astype(np.uint8))
    return curves


def _saturate(pixels: Pixels, factor: int) -> Pixels:
    """Push colours away from grey by `factor` 256ths."""
    np = require("numpy", "numpy")
    wide = pixels.astype(np.int32)
    red, green, blue = _LUMA_256
    luma = ((red * wide[..., 0] + green * wide[..., 1] + blue * wide[..., 2] + 128) >> 8)[..., None]
    result: Pixels = np.clip(luma + ((wide - luma) * factor + 128 >> 8), 0, 255).astype(np.uint8)
    return result


def warmth(pixels: Pixels) -> float:
    """How warm a picture is: mean red minus mean blue, in 255ths; higher = warmer."""
    return float(pixels[..., 0].mean() - pixels[..., 2].mean())
