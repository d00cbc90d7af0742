"""Seconds, shares and counts as a person says them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean


def duration(seconds: float) -> str:
    """A duration, rounded as far as anybody cares.

    Example:
        >>> duration(4.21), duration(75), duration(4000)
        ('4.2 s', '1 min 15 s', '1 h 7 min')
    """
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def time_left(seconds: float | None) -> str:
    """`about 40 s left`, or "" when nobody knows yet."""
    if seconds is None:
        return ""
    return f"about {duration(seconds) if seconds >= 10 else f'{max(1, round(seconds))} s'} left"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`3 photos`, `1 photo`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], *, width: int) -> str:
    """A curve in one line of text: the means of `width` equal parts, lowest to highest.

    Example:
        >>> sparkline([4.0, 3.0, 2.0, 1.0], width=4)
        '█▆▃▁'
    """
    sound = [value for value in values if math.isfinite(value)]
    if len(sound) < 2:
        return ""
    parts = min(width, len(sound))
    means = [fmean(sound[len(sound) * i // parts : len(sound) * (i + 1) // parts]) for i in range(parts)]
    low, high = min(means), max(means)
    span = high - low
    return "".join(_BLOCKS[round((value - low) / span * 7) if span else 0] for value in means)
