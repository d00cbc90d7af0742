"""Gives a face features of somebody else, as a LoRA that has learnt too little does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .identity import Likeness
from .lora import SandboxLora
from .nobody import nobody
from .ops import Canvas, blur, over, smoothstep

KNOWN_BELOW, FOREIGN_FROM = 0.35, 0.75
"""Drifts between which the exchange sets in."""
UNTRAINED = 0.89
"""Drift from which nothing of the person's face is left."""
LIGHT_SIGMA = 0.26
"""What is coarser than this, in eye distances, is light and complexion and stays the person's."""
STRANGERS = (1, 0, 3, 2)
"""Drawn faces that lend their features."""


@dataclass(frozen=True, slots=True)
class _Spot:
    x: float
    y: float
    reach_x: float
    reach_y: float


EYES = (_Spot(-0.5, -0.13, 0.52, 0.44), _Spot(0.5, -0.13, 0.52, 0.44))
NOSE = (_Spot(0.0, 0.42, 0.36, 0.42),)
MOUTH = (_Spot(0.0, 0.98, 0.62, 0.36),)
FACE = (_Spot(0.0, 0.4, 0.95, 1.15),)


def stranger_of(likeness: Likeness) -> SandboxLora | None:
    """Return who lends features to a face; None where the likeness holds."""
    if likeness.drift <= KNOWN_BELOW:
        return None
    pick = sum(2**number for number, move in enumerate(likeness.moves[:2]) if move[0] > 0)
    return nobody(STRANGERS[pick], None)


def estranged(rgb: Canvas, other: Canvas, x: Canvas, y: Canvas, unit: float, likeness: Likeness) -> Canvas:
    """Exchange features.

    Args:
        rgb: the person's head.
        other: the stranger's head at the same place.
        x: face coordinates across.
        y: face coordinates down.
        unit: pixels of one eye distance.
        likeness: how much, and which features.
    """
    sigma = unit * LIGHT_SIGMA
    foreign = blur(rgb, sigma) * (other + np.float32(0.04)) / (blur(other, sigma) + np.float32(0.04))
    share = min((likeness.drift - KNOWN_BELOW) / (FOREIGN_FROM - KNOWN_BELOW), 1.0)
    return over(rgb, np.clip(foreign, 0, 1).astype(np.float32), _plane(x, y, likeness) * np.float32(share))


def _plane(x: Canvas, y: Canvas, likeness: Likeness) -> Canvas:
    if likeness.drift >= UNTRAINED:
        spots: tuple[_Spot, ...] = EYES + NOSE + MOUTH + FACE
    else:
        # The eyes always: they are what a face is known by.
        spots = EYES + (NOSE if likeness.moves[2][1] > 0 else MOUTH)
    plane = np.zeros_like(x)
    for spot in spots:
        away = ((x - np.float32(spot.x)) / spot.reach_x) ** 2 + ((y - np.float32(spot.y)) / spot.reach_y) ** 2
        plane = np.maximum(plane, smoothstep(1.15, 0.6, away.astype(np.float32)))
    return np.asarray(plane, dtype=np.float32)
