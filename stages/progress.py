"""How far the whole run is, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import RLock

from .events import Event, Listener, Overall

# What a job weighs until one of its kind was timed: an upscale paints several tiles of the size of a txt2img.
_FIRST_GUESS = {"txt2img": 1.0, "img2img": 0.8, "upscale": 3.0}


@dataclass
class _Kind:
    """Jobs of one stage."""

    planned: int = 0
    done: int = 0
    timed: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    running: dict[str, float] = field(default_factory=dict)

    @property
    def typical(self) -> float:
        """Seconds of one job. The longest is left out as soon as there is another: the first job of a server
        loads its models, and would promise hours."""
        if self.timed < 2:
            return self.seconds
        return (self.seconds - self.longest) / (self.timed - 1)


class Tracker:
    """Adds up the jobs of all stages; thread-safe. Sends `Overall` whenever the fraction moved."""

    def __init__(
        self, emit: Listener, *, parallel: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._emit, self._parallel, self._clock = emit, max(1, parallel), clock
        self._kinds: dict[str, _Kind] = {}
        self._highest = 0.0
        self._lock = RLock()

    def plan(self, generations: Mapping[str, int]) -> None:
        """Expect these jobs on top of the known ones."""
        with self._lock:
            for stage, number in generations.items():
                self._kinds.setdefault(stage, _Kind()).planned += number

    @property
    def total(self) -> int:
        """Jobs expected in all."""
        with self._lock:
            return sum(max(kind.planned, kind.done) for kind in self._kinds.values())

    def drop(self, generations: Mapping[str, int]) -> None:
        """These jobs will not be needed."""
        with self._lock:
            for stage, number in generations.items():
                kind = self._kinds.setdefault(stage, _Kind())
                kind.planned = max(kind.done + len(kind.running), kind.planned - number)
        self._report()

    def moved(self, shot: str, stage: str, fraction: float) -> None:
        """A running job reached `fraction` (0 to 1)."""
        with self._lock:
            running = self._kinds.setdefault(stage, _Kind()).running
            running[shot] = max(running.get(shot, 0.0), min(1.0, fraction))
        self._report()

    def finished(self, shot: str, stage: str, *, cached: bool, seconds: float) -> None:
        """A job has its result."""
        with self._lock:
            kind = self._kinds.setdefault(stage, _Kind())
            kind.running.pop(shot, None)
            kind.done += 1
            if not cached:
                kind.timed += 1
                kind.seconds += seconds
                kind.longest = max(kind.longest, seconds)
        self._report()

    def failed(self, shot: str, stage: str) -> None:
        """A job ended without a result."""
        with self._lock:
            self._kinds.setdefault(stage, _Kind()).running.pop(shot, None)

    def _report(self) -> None:
        with self._lock:
            event = self._overall()
            # Sent under the lock: two threads could otherwise deliver their fractions in the wrong order.
            self._emit(event)

    def _overall(self) -> Overall:
        done = remaining = 0.0
        for stage, kind in self._kinds.items():
            weight = self._weight(stage)
            planned = max(kind.planned, kind.done + len(kind.running))
            reached = kind.done + sum(kind.running.values())
            done += weight * reached
            remaining += weight * (planned - reached)
        fraction = done / (done + remaining) if done + remaining else 0.0
        self._highest = max(self._highest, min(1.0, fraction))
        return Overall(
            fraction=self._highest,
            time_left_s=self._time_left(remaining),
            done=sum(kind.done for kind in self._kinds.values()),
            total=self.total,
        )

    def _weight(self, stage: str) -> float:
        kind = self._kinds[stage]
        guess = _FIRST_GUESS.get(stage, 1.0)
        return kind.typical if kind.timed else guess * (self._unit() or 1.0)

    def _unit(self) -> float | None:
        """Seconds per unit of the first guesses, from what was timed so far."""
        pairs = [(k.typical, _FIRST_GUESS.get(s, 1.0), k.timed) for s, k in self._kinds.items() if k.timed]
        weight = sum(guess * timed for _, guess, timed in pairs)
        return sum(typical * timed for typical, _, timed in pairs) / weight if pairs else None

    def _time_left(self, remaining: float) -> float | None:
        return None if self._unit() is None else remaining / self._parallel


class Announcer:
    """Hands events to the watcher one at a time."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lock = RLock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._listener(event)
