"""The worker's watch: heartbeat, cancelled jobs, and which queues it takes from now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..core import Studio
from ..data import Flag, GpuLease, Job, Worker
from . import leases
from .errors import WorkerLost
from .ledger import SLOTS
from .options import WorkerOptions
from .presence import Presence, clock
from .running import AHEAD_S, DATABASE_TROUBLE, POLL_S
from .steps import GPU_QUEUES, queues_of
from .underway import Running

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

    def __init__(self, active: Any) -> None:
        """
        Args:
            active: DBOS's `_active_workflows_set`.
        """
        self._active = active
        self._entries: dict[str, list[Any]] = {queue: [] for queue in SLOTS}

    def set(self, queue: str, *, room: int, working: int = 0) -> None:
        """Say how many more may be taken from a queue.

        Args:
            queue: Which.
            room: How many more; 0 closes it.
            working: How many of it are worked on.
        """
        entries = self._entries[queue]
        wanted = max(0, SLOTS[queue] - working - room) if room else SLOTS[queue]
        while len(entries) < wanted:
            entries.append(self._active.add(f"closed-{queue}-{len(entries)}", queue, None))
        while len(entries) > wanted:
            entries.pop().release()


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
        self._ticks = 0
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
            self._cancel(db)
            paused = db.get(Flag, PAUSED) is not None
            wanting = self._running.for_gpu()
            taken = {queue: leases.taken(db, gpus, but=wanting) for queue, gpus in self._gpus.items()}
            ahead = bool(wanting) and self._nearly_free(db, wanting[0])
        (self._running.ahead.set if ahead else self._running.ahead.clear)()
        takes = not paused and self._presence.state == "running" and not self._running.leaving.is_set()
        free = (not wanting or (ahead and len(wanting) == 1)) and clock() >= self._running.rests_until
        self._ticks += 1
        for queue in queues_of(self._options.role):
            on_gpu = queue in GPU_QUEUES
            room = takes and not (on_gpu and (taken[queue] or not free or not self._its_tick(queue)))
            self._gates.set(queue, room=int(room), working=self._running.count(queue))

    def _cancel(self, db: Session) -> None:
        """End what its owner cancelled, or deleted."""
        mine = self._running.jobs()
        if not mine:
            return
        wanted = set(db.scalars(select(Job.id).where(Job.id.in_(mine), Job.cancel_asked_at.is_(None))))
        for job_id in set(mine) - wanted:
            self._running.cancel(job_id)

    def _nearly_free(self, db: Session, job_id: str) -> bool:
        """Whether the job on the GPU is about to leave it, and no other worker could take the next one."""
        left = db.scalar(select(Job.time_left_s).where(Job.id == job_id))
        if left is None or left > AHEAD_S:
            return False
        others = select(Worker.id).where(
            Worker.id != self._presence.id,
            Worker.state == "running",
            Worker.role.in_(("all", self._options.role)),
            Worker.id.not_in(select(GpuLease.worker_id)),
        )
        return db.scalar(others.limit(1)) is None

    def _its_tick(self, queue: str) -> bool:
        """A worker of both roles looks into one queue at a time: it can begin but one of what it took."""
        return self._options.role != "all" or GPU_QUEUES[self._ticks % 2] == queue

    def _lost(self) -> None:
        for queue in queues_of(self._options.role):
            self._gates.set(queue, room=0)
        self._running.leave()
        self._on_lost()
