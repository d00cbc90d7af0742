"""Tells the database how far a job is, from what the recipe tells."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any

from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from ..core import Studio
from ..data import Job
from .previews import Previews
from .stats import WorkerStats
from .words import plain

if TYPE_CHECKING:
    from stages.events import Event

ENDS = {"photos": 0.02, "training": 0.5, "choosing": 0.97, "drawing": 0.97, "delivery": 0.995, "mail": 1.0}
"""Where in the whole job each stage ends. It begins where the job is: a job that trains nothing has the
training's share for its pictures, and one that goes on after a fall goes on from there."""
INTERVAL_S = 0.33
"""Between two writes, unless a picture was paid or the stage changed."""
DELIVERY_S = 5.0
"""What is left when the last picture is drawn, roughly."""

log = logging.getLogger(__name__)


class Reporter:
    """A recipe's listener for one step of a job. Thread-safe.

    What cannot be written now is written with the next report: a database that is away for a moment must not
    end a night's work.

    Args:
        studio: The studio.
        job_id: The job's.
        stats: Told what the servers did; None tells nobody.
        worker_id: Nothing is written once the job is another worker's; None writes always.
        clock: For tests.
    """

    def __init__(
        self,
        studio: Studio,
        job_id: str,
        *,
        stats: WorkerStats | None = None,
        worker_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._studio, self._job_id, self._stats, self._clock = studio, job_id, stats, clock
        self._afterwards_s = 0.0
        self._picture: Callable[[str], bytes] | None = None
        self._mine = [Job.id == job_id, *([Job.worker_id == worker_id] if worker_id is not None else [])]
        self._lock = RLock()
        self._pending: dict[str, Any] = {}
        self._generations = 0
        self._written_at: float | None = None
        self._fraction = self._from = 0.0
        self._stage = ""
        self._previews: Previews | None = None

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        """The job is in this stage; what was not written yet is, at the end."""
        self.enter(stage)
        try:
            yield
        finally:
            self.flush()

    def enter(self, stage: str) -> None:
        """The job is in this stage from now on."""
        with self._studio.db.session() as db:
            job = db.get(Job, self._job_id)
        with self._lock:
            self._stage = stage
            if job is not None:
                self._fraction = max(self._fraction, job.fraction)
                folder = self._studio.layout.job(job.user_id, job.id)
                self._previews = self._previews or Previews(folder, clock=self._clock)
            self._from = self._fraction
            self._set(stage=stage, time_left_s=None)
            self.flush()

    def expect_afterwards(self, seconds: float | None) -> None:
        """The job takes so long after this stage; None = nobody knows."""
        with self._lock:
            self._afterwards_s = seconds or 0.0

    def show_finished(self, picture: Callable[[str], bytes]) -> None:
        """Show pictures as they get ready: not every server gives live previews.

        Args:
            picture: The picture of a SHA-256.
        """
        with self._lock:
            self._picture = picture

    def reached(self, share: float) -> None:
        """The stage is so far, 0..1."""
        with self._lock:
            self._reached(share)
            self._write_if_due()

    def note(self, text: str) -> None:
        """Something for the operator; names and paths of photos are taken out."""
        with self._lock:
            self._set(note=plain(text, self._studio.layout.root))

    def __call__(self, event: Event) -> None:
        """Take in what the recipe tells."""
        with self._lock:
            handler = _HANDLERS.get(type(event).__name__)
            if handler is not None:
                handler(self, event)
            self._write_if_due()

    def flush(self) -> None:
        """Write what is not written yet."""
        with self._lock:
            self._write()

    # ---- what each event means

    def _photos(self, event: Any) -> None:
        # Later stages look at the photos again, at what was found before: that is no progress of theirs.
        if self._stage == "photos":
            self._reached(event.done / max(1, event.total))

    def _training(self, event: Any) -> None:
        if self._stage != "training":
            return  # while drawing it only fetches what was trained before
        self._reached(event.fraction)
        if event.eta_s is not None:
            self._set(time_left_s=event.eta_s + self._afterwards_s)

    def _planned(self, event: Any) -> None:
        if self._stage == "choosing":
            self._stage = "drawing"
            self._set(stage="drawing")
            self._write()
        self._set(total_pictures=event.total_generations)

    def _overall(self, event: Any) -> None:
        self._reached(event.fraction)
        left = event.time_left_s
        self._set(
            done_pictures=event.done,
            total_pictures=event.total,
            time_left_s=None if left is None else left + DELIVERY_S,
        )

    def _progress(self, event: Any) -> None:
        if event.progress.preview is not None and self._previews is not None:
            self._shown(self._previews.show(event.progress.preview.data))

    def _done(self, event: Any) -> None:
        if not event.generation or event.cached:
            return
        self._generations += 1
        if self._stats is not None and event.server:
            self._stats.busy(event.server, event.seconds)
        if self._picture is not None and self._previews is not None and event.output is not None:
            self._shown(self._previews.show(self._picture(event.output)))
        self._write()

    def _rejected(self, event: Any) -> None:
        if self._stats is not None:
            self._stats.refused(event.reason)

    def _noted(self, event: Any) -> None:
        self.note(event.text)

    # ---- writing

    def _reached(self, share: float) -> None:
        """The stage is so far, 0..1; the job never goes back."""
        end = ENDS.get(self._stage, 1.0)
        reached = self._from + max(0.0, end - self._from) * min(1.0, max(0.0, share))
        if reached > self._fraction:
            self._fraction = reached
            self._set(fraction=round(reached, 4))

    def _shown(self, name: str | None) -> None:
        if name is not None:
            self._set(preview=name)

    def _set(self, **values: Any) -> None:
        self._pending.update(values)

    def _write_if_due(self) -> None:
        if self._written_at is None or self._clock() - self._written_at >= INTERVAL_S:
            self._write()

    def _write(self) -> None:
        values: dict[str, Any] = dict(self._pending)
        if self._generations:
            values["generations"] = Job.generations + self._generations
        if not values:
            return
        self._written_at = self._clock()
        try:
            with self._studio.db.session() as db:
                db.execute(update(Job).where(*self._mine).values(**values))
        except DBAPIError as error:
            log.warning("job %s: its progress is written later: %s", self._job_id, type(error.orig).__name__)
            return
        self._pending.clear()
        self._generations = 0


# By name: the recipe's events are only imported where there is a recipe.
_HANDLERS: dict[str, Callable[[Reporter, Any], None]] = {
    "PhotosProgress": Reporter._photos,
    "TrainingProgress": Reporter._training,
    "PlanReady": Reporter._planned,
    "Overall": Reporter._overall,
    "StageProgress": Reporter._progress,
    "StageDone": Reporter._done,
    "ShotRejected": Reporter._rejected,
    "Note": Reporter._noted,
}
