"""Progress of one job that never runs backwards, and the token that cancels it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ImageError
from .images import EncodedImage

_IN_QUEUE = re.compile(r"In queue: (\d+)/(\d+)")
_TRUST_OWN_ETA_FROM = 0.05
"""Below this share of the work our own extrapolation swings too much, and the server's guess is shown."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands."""

    stage: str
    """"queued", "sampling", "hires fix", "ADetailer", "upscaling", "finishing" or "done"."""
    fraction: float
    """Share of the whole job, 0 to 1; never falls during one job."""
    eta_s: float | None = None
    """Seconds left, None while unknown."""
    step: int = 0
    """Sampling step within the stage."""
    steps: int = 0
    """Sampling steps of the stage; 0 while unknown."""
    queue_position: int | None = None
    """1 = next, None when not waiting. A job that failed on the server may stay in its list and be
    counted."""
    preview: EncodedImage | None = None
    """A new live preview, when the server offers one."""


class CancelToken:
    """Hand one to a call and `cancel()` it from any thread.

    Example:
        >>> token = CancelToken()
        >>> token.cancel()
        >>> token.cancelled
        True
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """Ask for the end; returns at once. Asking twice is the same as once."""
        with self._lock:
            self._event.set()
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    @property
    def cancelled(self) -> bool:
        """Whether the end was asked for."""
        return self._event.is_set()

    def _subscribe(self, listener: Callable[[], None]) -> None:
        with self._lock:
            self._listeners.append(listener)
            late = self._event.is_set()
        if late:
            listener()

    def _unsubscribe(self, listener: Callable[[], None]) -> None:
        with self._lock:
            self._listeners.remove(listener)


@dataclass(frozen=True, slots=True)
class TaskState:
    """What the server says about one job at one moment, whichever route said it."""

    active: bool = False
    queued: bool = False
    completed: bool = False
    fraction: float = 0.0
    """The server's own bar: of the current pass, and it runs backwards."""
    textinfo: str | None = None
    eta_s: float | None = None
    preview: str | None = None
    preview_id: int = -1
    job: str = ""
    job_no: int = 0
    job_count: int = 0
    step: int = 0
    steps: int = 0
    interrupted: bool = False
    known_by_id: bool = True
    """False when only /sdapi/v1/progress could be asked, which knows no ids:
    `active` then means "some job runs"."""

    @property
    def server_busy(self) -> bool:
        """Whether the server works on any job, ours or not."""
        # forge j01: `job_count` and `job` are both empty between jobs; A1111 starts with job_count -1.
        return bool(self.job) or self.job_count != 0

    @property
    def signature(self) -> tuple[Any, ...]:
        """Changes whenever anything moves on the server; equal signatures for long mean a hung job."""
        return (
            self.active,
            self.queued,
            self.fraction,
            self.textinfo,
            self.job,
            self.job_no,
            self.step,
            self.preview_id,
        )


@dataclass(frozen=True, slots=True)
class JobPlan:
    """How many passes a payload will take, as far as it can be told beforehand."""

    passes: int = 1
    """Sampling passes of the main picture(s): batches, twice with hires fix."""
    first_pass_per_batch: int = 1
    """2 with hires fix."""
    retouches: int = 0
    """ADetailer units; each adds at least one pass when it finds something."""
    tiles: bool = False
    """Whether a tile upscale script draws many tiles."""

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> JobPlan:
        """Read the plan from a txt2img or img2img payload."""
        batches = int(payload.get("n_iter") or 1)
        per_batch = 2 if payload.get("enable_hr") else 1
        scripts = payload.get("alwayson_scripts") or {}
        retouches = 0
        for name, script in scripts.items():
            if str(name).lower() == "adetailer" and isinstance(script, Mapping):
                units = [unit for unit in script.get("args") or () if isinstance(unit, Mapping)]
                retouches = sum(unit.get("ad_model", "None") != "None" for unit in units) * batches
        return cls(batches * per_batch, per_batch, retouches, bool(payload.get("script_name")))


class ProgressTracker:
    """Turns what the server says into a `Progress` whose fraction never falls. Pure; one instance a job.

    The server's bar goes to 1.0 and back to about 0.5 when ADetailer starts (recorded: j01_progress_trace),
    because `job_count` grows from 1 to 2. So finished passes are counted against the passes the payload makes
    likely.
    """

    def __init__(self, plan: JobPlan, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._clock = clock
        self._best = 0.0
        self._started_at: float | None = None

    def update(self, state: TaskState) -> Progress:
        """Take in one answer."""
        if state.queued and not state.active:
            return Progress("queued", self._best, queue_position=queue_position(state.textinfo))
        if self._started_at is None:
            self._started_at = self._clock()
        fraction = self._advance(self._fraction(state))
        return Progress(
            self._stage(state),
            fraction,
            eta_s=self._eta(fraction, state),
            step=max(state.step, 0),
            steps=max(state.steps, 0),
            preview=decode_preview(state.preview),
        )

    def done(self) -> Progress:
        """Return the last step of a job that succeeded."""
        self._best = 1.0
        return Progress("done", 1.0, eta_s=0.0)

    def _fraction(self, state: TaskState) -> float:
        expected = max(state.job_count, self._plan.passes + self._plan.retouches)
        if state.job_count > 0 and expected > 0:
            within = min(state.step / state.steps, 1.0) if state.steps > 0 else 0.0
            return (min(state.job_no, expected) + within * (state.job_no < expected)) / expected
        return state.fraction / max(expected, 1)

    def _advance(self, fraction: float) -> float:
        # 1.0 is kept for the answer itself: encoding and sending the pictures still takes a while.
        self._best = max(self._best, min(max(fraction, 0.0), 0.99))
        return self._best

    def _stage(self, state: TaskState) -> str:
        plan = self._plan
        if plan.tiles:
            return "finishing" if state.job_count > 0 and state.job_no >= state.job_count else "upscaling"
        if state.job_no >= max(state.job_count, 1) and state.step == 0:
            return "finishing"
        if state.job_no >= plan.passes and plan.retouches:
            return "ADetailer"
        if plan.first_pass_per_batch == 2 and state.job_no % 2 == 1:
            return "hires fix"
        return "sampling"

    def _eta(self, fraction: float, state: TaskState) -> float | None:
        if fraction >= _TRUST_OWN_ETA_FROM and self._started_at is not None:
            elapsed = self._clock() - self._started_at
            if elapsed > 0:
                return elapsed * (1.0 - fraction) / fraction
        return state.eta_s if state.eta_s is not None and state.eta_s > 0 else None


def queue_position(textinfo: str | None) -> int | None:
    """Return the position in "In queue: 7/9", None when the text says something else."""
    found = _IN_QUEUE.search(textinfo or "")
    return int(found.group(1)) if found else None


def decode_preview(text: str | None) -> EncodedImage | None:
    """Decode a live preview; one that cannot be read is left out, as it is only shown."""
    if not text:
        return None
    try:
        return EncodedImage.from_base64(text)
    except ImageError:
        return None
