"""How far a training is, and how to stop it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from .errors import TrainCancelled

Phase = Literal["preparing", "caching", "training", "saving"]
"""Preparing: checks, copying, loading the model. Caching: each picture is encoded once. Saving: also reading
back what was saved."""


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """One report of a trainer. `step` never goes back within one training."""

    step: int
    """Steps done, 0..`steps`."""
    steps: int
    loss: float | None
    """Running average, no unit; None before the first step."""
    eta_s: float | None
    """Seconds left; None while unknown."""
    message: str = ""
    """What is being done, such as "training"."""
    phase: Phase = "training"
    seconds_per_step: float | None = None
    """Average since the training began; None before the first step."""

    @property
    def fraction(self) -> float:
        """0 to 1."""
        return min(1.0, self.step / self.steps) if self.steps else 1.0


OnTrainProgress: TypeAlias = Callable[[TrainProgress], None]


class Cancel(Protocol):
    """Anything that says whether to stop; `sdwebui_client.CancelToken` is one."""

    @property
    def cancelled(self) -> bool:
        """True once somebody asked to stop."""
        ...


class Clock:
    """Estimates the time left from the steps done so far."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._started = time.monotonic()

    def eta_s(self, step: int) -> float | None:
        """Seconds left after `step` steps; None before the first."""
        if step <= 0:
            return None
        return (time.monotonic() - self._started) / step * max(0, self._steps - step)


def stop_if_cancelled(cancel: Cancel | None) -> None:
    """Raise when a stop was asked for.

    Raises:
        TrainCancelled: It was.
    """
    if cancel is not None and cancel.cancelled:
        raise TrainCancelled(
            "The training was stopped.", "Nothing was written; run the same command again to start over."
        )
