"""Draws OpenPose skeletons: for render_openpose_json, and for the sandbox's stand-in of the pose detector."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

import cv2
import numpy as np

from .render import Picture

Point = tuple[float, float] | None
"""Pixels, or not seen."""

BONES = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of the 18 points as OpenPose numbers them: nose, neck, arms, legs, eyes, ears."""
PORTRAIT = (
    (0.500, 0.330), (0.500, 0.560), (0.270, 0.590), (0.180, 0.860), None, (0.730, 0.590), (0.820, 0.860),
    None, None, None, None, None, None, None,
    (0.445, 0.290), (0.555, 0.290), (0.390, 0.310), (0.610, 0.310),
)  # fmt: skip
"""A frontal head and shoulders, as fractions of the picture."""


def _colour(index: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(index / 18, 1.0, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw(people: Iterable[list[Point]], width: int, height: int) -> Picture:
    """Draw skeletons on black.

    Args:
        people: 18 points each, in pixels.
        width: pixels.
        height: pixels.
    """
    canvas = np.zeros((height, width, 3), np.uint8)
    thick = max(2, round(min(width, height) / 128))
    for points in people:
        for index, (start, end) in enumerate(BONES):
            first, second = points[start], points[end]
            if first is not None and second is not None:
                dimmed = tuple(int(channel * 0.6) for channel in _colour(index))
                cv2.line(canvas, _pixel(first), _pixel(second), dimmed, thick * 2, cv2.LINE_AA)
        for index, point in enumerate(points):
            if point is not None:
                cv2.circle(canvas, _pixel(point), thick, _colour(index), -1, cv2.LINE_AA)
    return canvas


def _pixel(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0]), round(point[1])


def portrait(width: int, height: int) -> Picture:
    """The stand-in's answer to "which pose is this": always a frontal head and shoulders."""
    points: list[Point] = [None if p is None else (p[0] * width, p[1] * height) for p in PORTRAIT]
    return draw([points], width, height)
