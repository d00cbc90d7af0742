"""The worker's watch: heartbeat, cancelled jobs, and which queues it takes from now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from ..core import Studio
from ..data import Flag, Job
from . import leases
from .errors import WorkerLost
from .options import WorkerOptions
from .presence import Presence, clock
from .running import DATABASE_TROUBLE, POLL_S, Running
from .steps import GPU_QUEUES, queues_of

LOG = logging.getLogger(__name__)

PAUSED = "paused"
"""Key of the flag an operator sets."""


class Gates:
    """Open and closed queues of this process.

    DBOS asks before each claim how many of a queue's workflows this process runs, and compares with the
    queue's limit (dbos 3.4.0 `_queue.py`, `worker_load`). A closed queue counts as full: so a worker takes
    nothing that it could not begin, which would only keep it from others. DBOS's own limits are of all
    workers, not of one.
    """

    def __init__(self, active: Any, slots: dict[str, int]) -> None:
        """
        Args:
            active: DBOS's `_active_workflows_set`.
            slots: Each queue's limit.
        """
        self._active, self._slots = active, slots
        self._entries: dict[str, list[Any]] = {}
        self._open: dict[str, bool] = {}

    def set(self, queue: str, *, is_open: bool, writing: int = 0) -> None:
        """Open or close a queue.

        Args:
            queue: Which.
            is_open: Whether one more is taken from it.
            writing: Steps of it that have left the GPU: they keep their slot, and keep nobody from the GPU.
        """
        slots = self._slots[queue]
        wanted = max(0, slots - 1 - writing) if is_open else slots
        entries = self._entries.setdefault(queue, [])
        while len(entries) < wanted:
            entries.append(self._active.add(f"closed-{queue}-{len(entries)}", queue, None))
        while len(entries) > wanted:
            entries.pop().release()
        self._open[queue] = is_open

    def is_open(self, queue: str) -> bool:
        """Whether the worker takes from it."""
        return self._open.get(queue, True)


class Watch:
    """Ticks every 0.3 s in a thread of its own until it is stopped."""

    def __init__(
        self,
        studio: Studio,
        presence: Presence,
        options: WorkerOptions,
        running: Running,
        gates: Gates,
        *,
        on_lost: Callable[[], None],
    ) -> None:
        self._studio, self._presence, self._options = studio, presence, options
        self._running, self._gates, self._on_lost = running, gates, on_lost
        self._stop = threading.Event()
        self._beat_at = 0.0
        self._thread = threading.Thread(target=self._loop, name="worker-watch", daemon=True)
        self._gpus = {
            "train": options.gpus(drawing=False),
            "generate": options.gpus(drawing=True),
        }

    def start(self) -> None:
        """Start ticking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop ticking, and wait for the tick that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                self.tick()
            except WorkerLost:
                self._lost()
                return
            except DATABASE_TROUBLE as error:
                LOG.warning("the database does not answer: %s", type(error).__name__)
                if not self._presence.sure():
                    self._lost()
                    return

    def tick(self) -> None:
        """Look once.

        Raises:
            WorkerLost: This worker was declared dead.
        """
        if clock() >= self._beat_at:
            self._presence.beat()
            self._beat_at = clock() + self._studio.settings.heartbeat_s
        if self._presence.lost.is_set():
            raise WorkerLost(f"The worker {self._presence.id} was declared dead.")
        with self._studio.db.session() as db:
            mine = self._running.jobs()
            cancelled = (
                list(db.scalars(select(Job.id).where(Job.id.in_(mine), Job.cancel_asked_at.is_not(None))))
                if mine
                else []
            )
            gone = set(mine) - set(db.scalars(select(Job.id).where(Job.id.in_(mine)))) if mine else set()
            paused = db.get(Flag, PAUSED) is not None
            taken = {queue: leases.taken(db, gpus) for queue, gpus in self._gpus.items()}
        for job_id in {*cancelled, *gone}:
            self._running.cancel(job_id)
        takes = not paused and self._presence.state == "running" and not self._running.leaving.is_set()
        for queue in queues_of(self._options.role):
            free = not (queue in GPU_QUEUES and (taken[queue] or self._running.on_gpu()))
            self._gates.set(queue, is_open=takes and free, writing=self._running.writing(queue))

    def _lost(self) -> None:
        for queue in queues_of(self._options.role):
            self._gates.set(queue, is_open=False)
        self._running.leave()
        self._on_lost()
