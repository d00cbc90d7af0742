"""A found face: where it is, its five points, how sure the detector was."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
"""x to the right, y down, pixels of the picture the face was found in."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face in one picture. "Left" and "right" are as seen by the one who looks at the picture."""

    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in pixels, about hairline to chin; may reach past the picture's edge."""

    landmarks: tuple[Point, ...]
    """Five points: left eye, right eye, tip of the nose, left and right corner of the mouth."""

    confidence: float
    """The detector's own, 0..1."""

    @property
    def width(self) -> float:
        """Pixels."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        """Pixels."""
        return self.box[3] - self.box[1]

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def center(self) -> Point:
        """Middle of the box."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def eye_center(self) -> Point:
        """The point between the eyes."""
        (ax, ay), (bx, by) = self.landmarks[0], self.landmarks[1]
        return (ax + bx) / 2, (ay + by) / 2

    @property
    def eye_distance(self) -> float:
        """Pixels between the eyes' centres."""
        return math.dist(self.landmarks[0], self.landmarks[1])

    @property
    def mouth_center(self) -> Point:
        """The point between the corners of the mouth."""
        (ax, ay), (bx, by) = self.landmarks[3], self.landmarks[4]
        return (ax + bx) / 2, (ay + by) / 2

    @property
    def span(self) -> float:
        """Size of the face in pixels that does not shrink when the head turns.

        The distance between the eyes in a frontal face; in a turned one, where the eyes move together, the
        distance from eyes to mouth times 1.1 (their ratio in a frontal face is about 0.9).
        """
        return max(self.eye_distance, 1.1 * math.dist(self.eye_center, self.mouth_center))

    @property
    def roll_deg(self) -> float:
        """Tilt of the line through the eyes, -180..180; positive when the right eye is lower, 0 upright."""
        (ax, ay), (bx, by) = self.landmarks[0], self.landmarks[1]
        return math.degrees(math.atan2(by - ay, bx - ax))
