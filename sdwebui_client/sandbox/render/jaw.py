"""Finds the line of the jaw in a reference photo: where the face ends and neck or collar begin.

Five landmarks tell the jaw's place only roughly (a smile lifts the mouth's corners), so the line is traced in
the photo, near the place they tell: along rays from inside the mouth, the step from lit skin to shaded neck,
cloth or backdrop, joined to one smooth line by dynamic programming.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .ops import LUMA, Canvas, blur, smoothstep

CHIN_TO_MOUTH = 1.88
"""Eyes to chin over eyes to mouth: where the search for the chin begins."""
HALF_BREADTH = 0.92
"""Of a face just above the mouth, eye distances: where the search for the cheeks begins."""
REACH = (0.80, 1.20)
"""The search goes from this share of the expected distance to that one."""
WIDEST_DEG = 96
"""The line runs from one ear lobe to the other: this far from straight down, to both sides."""
PRIOR = 0.85
"""How much an expected place outweighs a step in the photo."""
PLAIN_STEP = 0.07
"""A step in brightness or colour from which a line is plain to see; a black collar counts no more."""
BEHIND = 6
"""Places outward from which a step lies behind another instead of being its outer half."""

SLACK = np.linspace(0.0, 0.18, 10)
"""Distances outward, eye distances, at which the backdrop is looked for."""


@dataclass(frozen=True, eq=False, slots=True)
class Jaw:
    """The jaw's line, in polar face coordinates about `centre`."""

    centre: tuple[float, float]
    angles: npt.NDArray[np.float64]
    """Radians from straight down, positive to the picture's right."""
    radii: npt.NDArray[np.float64]
    """Eye distances."""

    @property
    def chin(self) -> float:
        """From the eyes down to the chin, eye distances."""
        return self.centre[1] + float(np.max(self.radii * np.cos(self.angles)))

    def half(self, y: float) -> float:
        """Half the breadth of the face `y` eye distances below the eyes."""
        x = np.sin(self.angles) * self.radii
        near = np.abs(self.centre[1] + np.cos(self.angles) * self.radii - y) < 0.12
        left, right = near & (x < 0), near & (x > 0)
        if not (left.any() and right.any()):
            return HALF_BREADTH * 0.85
        return float(np.median(x[right]) - np.median(x[left])) / 2

    def beyond(self, grid: tuple[Canvas, Canvas]) -> Canvas:
        """Return how far each pixel lies outside the line, eye distances; negative inside."""
        across, down = grid[0] - np.float32(self.centre[0]), grid[1] - np.float32(self.centre[1])
        angle = np.arctan2(across, down)
        ends = np.interp(angle, self.angles, self.radii).astype(np.float32)
        return np.asarray(np.hypot(across, down) - ends, dtype=np.float32)


def trace_jaw(
    rgb: Canvas,
    skin_like: Canvas,
    matte: Canvas,
    eyes: tuple[float, float],
    unit: float,
    roll_deg: float,
    mouth: tuple[float, float],
) -> Jaw:
    """Trace the jaw.

    Args:
        rgb: the photo.
        skin_like: 1 where a pixel has the colour of the face.
        matte: 1 where the person is.
        eyes: midpoint between the eyes, px.
        unit: one eye distance, px.
        roll_deg: tilt of the head.
        mouth: middle of the mouth, face coordinates.
    """
    centre = (mouth[0] * 0.8, mouth[1] * 0.72)
    angles = np.radians(np.arange(-WIDEST_DEG, WIDEST_DEG + 1, 3, dtype=np.float64))
    below = CHIN_TO_MOUTH * mouth[1] - centre[1]
    expected = 1 / np.hypot(np.sin(angles) / HALF_BREADTH, np.cos(angles) / below)
    shares = np.linspace(*REACH, 41)
    lying = np.dstack([blur(rgb, unit * 0.025), blur(skin_like, unit * 0.02)])
    rays = expected[:, None] * shares[None, :]

    def sampled(shift: float) -> npt.NDArray[np.float64]:
        x = centre[0] + np.sin(angles)[:, None] * (rays + shift)
        y = centre[1] + np.cos(angles)[:, None] * (rays + shift)
        return _at(lying, eyes, unit, roll_deg, x, y)

    inside, outside = sampled(-0.055), sampled(0.055)
    cost = 1.0 - inside[:, :, 3] - _step(inside[:, :, :3], outside[:, :, :3])
    cost += PRIOR * ((shares[None, :] - 1) / (REACH[1] - 1)) ** 2
    radii = expected * shares[_cheapest_path(cost)]
    further = radii[:, None] + SLACK[None, :]
    x, y = centre[0] + np.sin(angles)[:, None] * further, centre[1] + np.cos(angles)[:, None] * further
    free = _at(matte[:, :, None], eyes, unit, roll_deg, x, y)[:, :, 0] < 0.5
    # Where the person soon ends, the jaw stands before the backdrop: the matte knows its line best.
    # Lower down the neck's skin fills the gap.
    most = np.interp(np.abs(np.degrees(angles)), (38, 52, 70), (0.0, 0.05, SLACK[-1]))
    radii += np.minimum(np.where(free[:, -1], SLACK[free.argmax(axis=1)], 0.0), most)
    window = np.hanning(9)[1:-1] / np.hanning(9).sum()
    return Jaw(
        centre=centre, angles=angles, radii=np.convolve(np.pad(radii, 3, mode="edge"), window, "valid")
    )


def _at(
    lying: Canvas,
    eyes: tuple[float, float],
    unit: float,
    roll_deg: float,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the photo's values at face coordinates."""
    cos, sin = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    columns = (eyes[0] + (x * cos - y * sin) * unit).astype(np.float32)
    rows = (eyes[1] + (x * sin + y * cos) * unit).astype(np.float32)
    values = cv2.remap(lying, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values, dtype=np.float64).reshape(*x.shape, -1)


def _step(inside: npt.NDArray[np.float64], outside: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return for each angle (row) and distance (column) how plainly the face ends there, 0..1."""
    darker = np.asarray((inside - outside) @ LUMA, dtype=np.float32)
    other = np.asarray(np.abs(inside - outside).max(axis=2), dtype=np.float32)
    plain = smoothstep(0.0, PLAIN_STEP, darker) * 0.75 + smoothstep(0.0, PLAIN_STEP * 1.6, other) * 0.25
    # Behind a first step the next one (neck to collar) is not the face's any more.
    first = np.maximum.accumulate(smoothstep(0.35, 0.8, plain), axis=1)
    behind = np.concatenate([np.zeros_like(first[:, :BEHIND]), first[:, :-BEHIND]], axis=1)
    return np.asarray(plain - 0.18 * behind, dtype=np.float64)


def _cheapest_path(cost: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return one column a row so that the sum is least; neighbours differ by one column at most."""
    rows, columns = cost.shape
    total, came = cost.copy(), np.zeros(cost.shape, dtype=np.intp)
    for row in range(1, rows):
        padded = np.pad(total[row - 1], 1, constant_values=np.inf)
        # A bend costs a little: a jaw is no zigzag.
        choices = np.stack([padded[:-2] + 0.06, padded[1:-1], padded[2:] + 0.06])
        best = choices.argmin(axis=0)
        came[row] = np.arange(columns) + best - 1
        total[row] += choices.min(axis=0)
    path = np.empty(rows, dtype=np.intp)
    path[-1] = int(total[-1].argmin())
    for row in range(rows - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return path
