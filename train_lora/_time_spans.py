"""Times of which only bounds are known, and durations for people."""

from __future__ import annotations

from typing import TypeAlias

Bounds: TypeAlias = tuple[float, float, float]
"""Low, likely, high."""


def around(value: float, share: float) -> Bounds:
    """A value that may be off by a share, either way."""
    return (value / (1.0 + share), value, value * (1.0 + share))


def times(bounds: Bounds, factor: float) -> Bounds:
    """Each bound multiplied."""
    low, likely, high = bounds
    return (low * factor, likely * factor, high * factor)


def plus(one: Bounds, other: Bounds) -> Bounds:
    """Two times one after the other."""
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def duration(seconds: float) -> str:
    """`50 seconds`, `19 minutes`, `2.5 hours`: as exact as anybody wants to know."""
    unit = _unit_of(seconds)
    return f"{_in(seconds, unit)} {unit}"


def span(low_s: float, high_s: float) -> str:
    """`12–30 minutes`: both ends in the unit of the higher one where that says enough of the lower."""
    unit = _unit_of(high_s)
    if low_s < 0.75 * _SECONDS[unit]:
        return f"{duration(low_s)} to {duration(high_s)}"
    low, high = _in(low_s, unit), _in(high_s, unit)
    return f"about {high} {unit}" if low == high else f"{low}–{high} {unit}"


_SECONDS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0}


def _unit_of(seconds: float) -> str:
    return "seconds" if seconds < 90 else "minutes" if seconds < 90 * 60 else "hours"


def _in(seconds: float, unit: str) -> str:
    value = seconds / _SECONDS[unit]
    return f"{value:.1f}" if unit == "hours" and value < 10 else f"{value:.0f}"
