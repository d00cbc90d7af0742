"""The loss curve of a training, however long it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Point: TypeAlias = tuple[int, float]
"""(step, average loss)."""
MAX_POINTS = 400
"""More than any screen shows."""


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most `MAX_POINTS` of them, evenly, the first and the last among them."""
    if len(points) <= MAX_POINTS:
        return list(points)
    last = len(points) - 1
    return [points[round(i * last / (MAX_POINTS - 1))] for i in range(MAX_POINTS)]


class LossCurve:
    """Grows step by step, and takes no more room for a million steps than for a few thousand."""

    def __init__(self) -> None:
        self._first: Point | None = None
        self._each = 1
        """Of so many steps one point is kept: the latest."""
        self._kept: dict[int, Point] = {}

    def add(self, step: int, loss: float) -> None:
        """Note a step's loss; steps do not go back, but the latest may be corrected."""
        if self._first is None or self._first[0] == step:
            self._first = (step, loss)
        self._kept[step // self._each] = (step, loss)
        if len(self._kept) > 8 * MAX_POINTS:
            self._each *= 2
            self._kept = {point[0] // self._each: point for point in self._kept.values()}

    @property
    def points(self) -> list[Point]:
        """Ascending, at most `MAX_POINTS`."""
        kept = list(self._kept.values())
        if self._first is not None and kept[0] != self._first:
            kept.insert(0, self._first)
        return thinned(kept)
