"""Where eyes, chin and crown of a head are, measured in a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faces import Face
    from faces.pixels import RGB

CHIN = 1.72
"""Chin below the eyes, in distances from eyes to mouth."""
CROWN = 1.0
"""Crown above the eyes, in distances from eyes to chin."""


@dataclass(frozen=True, slots=True)
class Head:
    """One head; lengths in pixels of the picture, measured along the head's own axis."""

    eyes: tuple[float, float]
    """Middle between the eyes."""
    roll_deg: float
    chin_px: float
    """From the line through the eyes down to the chin."""
    hair_px: float
    """From the line through the eyes up to the top of the hair."""
    skull_px: float
    """The same to the crown without hair; never more than `hair_px`."""

    @property
    def height_px(self) -> float:
        """Chin to the top of the hair."""
        return self.chin_px + self.hair_px


def measure_head(pixels: RGB, face: Face) -> Head:
    """Measure a head."""
    del pixels
    down = CHIN * math.dist(face.eye_center, face.mouth_center)
    return Head(face.eye_center, face.roll_deg, down, CROWN * down, CROWN * down)
