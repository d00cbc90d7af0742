"""The colour of the light a photo was taken in, by two ways that know nothing of each other.

A camera's white balance is a guess, so a photo's colours say nothing of a skin until the light is known. All
estimates are red, green and blue in linear light, scaled to green 1; (1, 1, 1) is a photo without a cast.
They move with a cast exactly (as long as nothing is clipped), so dividing by them takes a cast away.

* What lies around the person: shades of grey (Finlayson and Trezzi, "Shades of gray and colour constancy",
  Color Imaging Conference 2004), a Minkowski mean of norm 6. It takes the surroundings to be grey on
  average, and is wrong by as much as a wall is painted.
* The white of the eyes, which is nearly the same in everybody. Used for balancing before (for one by Males,
  Hedi and Grgic, "Colour balancing using sclera colour", IET Image Processing 12, 2018). Few pixels, reddish
  when tired, and it mirrors what stands around.
"""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from ._models import require

NORM = 6
"""Minkowski norm of shades of grey; the paper's best."""
_FEWEST = 400
"""Pixels of surroundings below which nothing is said of the light."""
_FEWEST_SCLERA = 14
_BLUER = 0.14
"""How much bluer than the cheeks (natural logarithm of blue over red) white of the eye is at least. Relative
to the skin, so that a cast does not matter. Own choice: a fifth of a stop."""

Light = tuple[float, float, float]
NEUTRAL: Light = (1.0, 1.0, 1.0)


def linear(pixels: Any) -> Any:
    """Linear light 0..1 of sRGB pixels (IEC 61966-2-1)."""
    np = require("numpy", "numpy")
    values = pixels.astype(np.float64) / 255.0
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def light_of_surroundings(pixels: Any, apart: Any) -> Light | None:
    """The light by what lies around the person.

    Args:
        pixels: RGB, uint8.
        apart: Where the person is: those pixels are left out, else the skin would be made grey.

    Returns:
        None when too little is around, or all of it is black or burnt out.
    """
    np = require("numpy", "numpy")
    usable = ~apart & (pixels.max(axis=2) < 250) & (pixels.max(axis=2) > 12)
    if int(usable.sum()) < _FEWEST:
        return None
    mean = np.mean(linear(pixels[usable]) ** NORM, axis=0) ** (1 / NORM)
    return _scaled(mean)


def light_of_eyes(pixels: Any, eyes: Any, skin: Any) -> Light | None:
    """The light by the white of the eyes.

    Args:
        pixels: RGB, uint8.
        eyes: Where the openings of the eyes are.
        skin: Colour of the skin in linear light, as it is in the photo.

    Returns:
        None when no white can be told from skin and iris: small, closed or shaded eyes, glasses.
    """
    np = require("numpy", "numpy")
    seen = linear(pixels[eyes])
    lightness = seen.mean(axis=1)
    bluer = np.log(np.maximum(seen[:, 2], 1e-4) / np.maximum(seen[:, 0], 1e-4)) - math.log(skin[2] / skin[0])
    # The lid is skin, the iris is dark, a glint is white but is the lamp itself.
    white = (bluer > _BLUER) & (lightness > 0.45 * skin.mean()) & (pixels[eyes].max(axis=1) < 248)
    if int(white.sum()) < _FEWEST_SCLERA:
        return None
    found, bright = seen[white], lightness[white]
    return _scaled(np.median(found[bright >= np.median(bright)], axis=0))


def _scaled(colour: Any) -> Light:
    green = max(float(colour[1]), 1e-6)
    return max(float(colour[0]) / green, 1e-3), 1.0, max(float(colour[2]) / green, 1e-3)


def agreed(lights: list[Light]) -> Light:
    """What two estimates agree on, and half of one that stands alone.

    In each colour the lesser of the two where both lie on one side of neutral, else none: a camera has
    balanced the photo already, so what only one of them sees is sooner a wall than a lamp. Own choice.
    """
    if not lights:
        return NEUTRAL
    parts = []
    for channel in (0, 2):
        logs = [math.log(light[channel]) for light in lights]
        parts.append(math.exp(median([*logs, 0.0])))
    return parts[0], 1.0, parts[1]


def to_lab(colour: Any, light: Light) -> tuple[float, float, float]:
    """CIELAB (D65) of a colour in linear light, after the light has been divided out (von Kries in sRGB).

    Returns:
        L* 0..100, a* and b*. The light's brightness is kept: only its colour is taken away.
    """
    red, green, blue = (float(value) / part for value, part in zip(colour, light, strict=True))
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    fx, fy, fz = (_cube_root(value) for value in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def _cube_root(value: float) -> float:
    """CIE 15: the cube root, straight below (6/29) cubed."""
    return value ** (1 / 3) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116
