"""The training report's charts, worked out to points; the template only draws them.

A chart is 400 wide whatever the screen, so that its 13 px texts can be read on a telephone too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

WIDTH, HEIGHT = 400.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 16.0, 14.0, 36.0
_SMOOTHING = 0.9
"""Weight of what was before, in the running average that is drawn over the raw losses."""


@dataclass(frozen=True)
class Tick:
    """A line of the grid with its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Mark:
    """A vertical line: a checkpoint."""

    x: float
    text: str
    chosen: bool


@dataclass(frozen=True)
class Dot:
    """A measured value; `text` shows when somebody points at it."""

    x: float
    y: float
    text: str
    chosen: bool = False
    low: float | None = None
    """Where the line down to the worst picture ends."""


@dataclass(frozen=True)
class Line:
    """A series."""

    title: str
    kind: str
    """Names its colour: raw | main | copying | other."""
    points: str
    """For SVG's polyline."""
    dots: tuple[Dot, ...] = ()


@dataclass(frozen=True)
class Chart:
    """Everything that is drawn."""

    title: str
    summary: str
    """For those who do not see it."""
    x_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True)
class Point:
    """A measured value before it has a place."""

    x: float
    y: float
    text: str
    chosen: bool = False
    low: float | None = None


def loss_chart(
    losses: Iterable[Sequence[float]], checkpoints: Sequence[int], chosen: int | None
) -> Chart | None:
    """The loss over the steps, smoothed, with the checkpoints; None with fewer than two values.

    Args:
        losses: (step, loss); what is no number is left out.
        checkpoints: Steps at which a checkpoint was kept.
        chosen: The step of the chosen one.
    """
    raw = [(float(step), float(loss)) for step, loss in losses if isfinite(loss)]
    if len(raw) < 2:
        return None
    smooth = smoothed([loss for _, loss in raw])
    # One wild value shall not flatten the rest.
    ordered = sorted(loss for _, loss in raw)
    top = max(*smooth, ordered[min(len(ordered) - 1, round(0.98 * (len(ordered) - 1)))])
    frame = _Frame((raw[0][0], raw[-1][0]), (min(*smooth, ordered[0]), top))
    lines = (
        Line("each value", "raw", frame.polyline(raw)),
        Line("smoothed", "main", frame.polyline(zip((step for step, _ in raw), smooth, strict=True))),
    )
    marks = tuple(
        Mark(frame.x(step), f"checkpoint of step {step}", step == chosen)
        for step in checkpoints
        if raw[0][0] <= step <= raw[-1][0]
    )
    summary = f"The loss went from {smooth[0]:.3f} to {smooth[-1]:.3f} in {raw[-1][0]:.0f} steps."
    return Chart("Loss", summary, "steps", frame.x_ticks(), frame.y_ticks(), lines, marks)


def smoothed(values: Sequence[float]) -> list[float]:
    """A running average that is not drawn to its first value."""
    out, mean, weight = list[float](), 0.0, 0.0
    for value in values:
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * value
        weight = _SMOOTHING * weight + (1 - _SMOOTHING)
        out.append(mean / weight)
    return out


def share_chart(title: str, x_title: str, series: Sequence[tuple[str, str, Sequence[Point]]]) -> Chart | None:
    """Shares from 0 to 1 over steps or weights; None without a value.

    Args:
        title: What is shown.
        x_title: Of the horizontal axis.
        series: (title, kind, points by x).
    """
    points = [point for _, _, some in series for point in some]
    if not points:
        return None
    xs = sorted({point.x for point in points})
    frame = _Frame((xs[0], xs[-1]), (0.0, 1.0), inset=18.0)
    lines = tuple(
        Line(
            name,
            kind,
            frame.polyline((point.x, point.y) for point in some),
            tuple(
                Dot(
                    frame.x(point.x),
                    frame.y(point.y),
                    point.text,
                    point.chosen,
                    None if point.low is None else frame.y(point.low),
                )
                for point in some
            ),
        )
        for name, kind, some in series
        if some
    )
    ticks = tuple(Tick(frame.x(x), f"{x:g}") for x in _thinned(xs, 8))
    shares = tuple(Tick(frame.y(y), f"{y:g}") for y in (0.0, 0.25, 0.5, 0.75, 1.0))
    summary = "; ".join(point.text for point in points)
    return Chart(title, summary, x_title, ticks, shares, lines)


class _Frame:
    """Where values lie on the chart."""

    def __init__(self, xs: tuple[float, float], ys: tuple[float, float], *, inset: float = 0.0) -> None:
        self._xs, self._inset = xs, inset
        margin = 0.06 * (ys[1] - ys[0]) if ys != (0.0, 1.0) else 0.0
        self._ys = (ys[0] - margin, ys[1] + margin)

    def x(self, value: float) -> float:
        low, high = self._xs
        share = 0.5 if high == low else (value - low) / (high - low)
        return round(_LEFT + self._inset + share * (WIDTH - _LEFT - _RIGHT - 2 * self._inset), 1)

    def y(self, value: float) -> float:
        low, high = self._ys
        share = 0.5 if high == low else (value - low) / (high - low)
        return round(HEIGHT - _BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - _TOP - _BOTTOM), 1)

    def polyline(self, points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)

    def x_ticks(self) -> tuple[Tick, ...]:
        return tuple(Tick(self.x(value), f"{value:g}") for value in _round_values(*self._xs))

    def y_ticks(self) -> tuple[Tick, ...]:
        return tuple(Tick(self.y(value), f"{value:g}") for value in _round_values(*self._ys))


def _round_values(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers between two bounds, about `wanted` of them."""
    if high <= low:
        return [low]
    rough = (high - low) / wanted
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, count = floor(low / step), int((high - low) / step) + 2
    values = [round((first + number) * step, 10) for number in range(count + 1)]
    return [value for value in values if low <= value <= high]


def _thinned(values: Sequence[float], most: int) -> list[float]:
    every = -(-len(values) // most)
    return list(values[::every])
