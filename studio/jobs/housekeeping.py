"""What any living worker does for the whole studio.

Safe side by side: each change names what it was based on.
"""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy import CursorResult, select, update

from ..core import Studio
from ..data import LIVING, UNFINISHED, Job, Worker
from ..service_settings import DAY_S
from . import leases, rows
from .afterwards import admit
from .ledger import Held, Ledger
from .presence import Presence, db_now
from .running import DATABASE_TROUBLE
from .steps import queues_of, step_of, workflow_id
from .underway import Running

LOG = logging.getLogger(__name__)

SWEEP_EVERY_S = 600.0
SETTLED_S = 5.0
"""A row younger than this may still be on its way from one database to the other."""
KEEP_WORKFLOWS_S = 7 * DAY_S


class Housekeeping:
    """A thread that takes over what dead workers had, and sends, deletes and repairs what is due."""

    def __init__(self, studio: Studio, ledger: Ledger, presence: Presence, running: Running) -> None:
        self._studio, self._ledger, self._presence, self._running = studio, ledger, presence, running
        self._idle: set[Held] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="worker-housekeeping", daemon=True)

    def start(self) -> None:
        """Start."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the round that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _loop(self) -> None:
        while not self._stop.wait(self._studio.settings.heartbeat_s):
            for duty in (self.take_over, self.repair, self.adopt, self.send_mails, self.sweep):
                if self._stop.is_set() or not self._presence.sure():
                    return
                try:
                    duty()
                except DATABASE_TROUBLE as error:
                    LOG.warning("%s is put off, the database does not answer: %s", duty.__name__,
                                type(error).__name__)  # fmt: skip
                except Exception:
                    LOG.exception("%s failed; it is tried again", duty.__name__)

    def take_over(self) -> None:
        """Declare silent workers dead; put back into their queues what dead and stopped ones had."""
        # In this order: what is seen held before the workers are looked at, by a token that changes when a
        # worker comes back, cannot be taken from one that has come back.
        held = self._ledger.held()
        with self._studio.db.session() as db:
            now = db_now(db)
            silent = list(
                db.scalars(
                    select(Worker).where(
                        Worker.state.in_(LIVING),
                        Worker.heartbeat_at < now - self._studio.settings.dead_after_s,
                    )
                )
            )
        for worker in silent:
            self._declare_dead(worker)
        with self._studio.db.session() as db:
            living = set(db.scalars(select(Worker.id).where(Worker.state.in_(LIVING))))
            leases.sweep(db)
        for workflow in held:
            if workflow.executor not in living and self._ledger.requeue(workflow):
                LOG.warning("%s goes on: its worker %s is gone", workflow.id, workflow.executor)
        self._put_back_unbegun([workflow for workflow in held if workflow.executor == self._presence.id])

    def _put_back_unbegun(self, mine: list[Held]) -> None:
        """Workflows DBOS took for us and did not begin: its connection broke between the two."""
        begun = {f"{job_id}-{step}" for job_id, step in self._running.workflows()}
        idle = {held for held in mine if _without_attempt(held.id) not in begun}
        for held in idle & self._idle:
            if self._ledger.requeue(held):
                LOG.warning("%s was taken and never begun; it waits again", held.id)
        self._idle = idle

    def _declare_dead(self, worker: Worker) -> None:
        with self._studio.db.session() as db:
            done = db.execute(
                update(Worker)
                .where(
                    Worker.id == worker.id,
                    Worker.started_at == worker.started_at,
                    Worker.heartbeat_at == worker.heartbeat_at,
                    Worker.state.in_(LIVING),
                )
                .values(state="dead")
            )
            assert isinstance(done, CursorResult)
            if done.rowcount != 1:
                return  # it has come back, or another was faster
            jobs = rows.lose(db, worker.id)
        LOG.warning("worker %s is dead; jobs that wait again: %s", worker.id, ", ".join(jobs) or "none")

    def repair(self) -> None:
        """Make up for what a crash left between the studio's database and DBOS's."""
        old = time.time() - SETTLED_S
        with self._studio.db.session() as db:
            waiting = list(
                db.scalars(
                    select(Job)
                    .where(Job.state.in_(UNFINISHED), Job.waiting, Job.queued_at < old)
                    .order_by(Job.created_at)
                )
            )
        names = {job.id: workflow_id(job.id, job.attempt, step_of(job.stage)) for job in waiting}
        known = self._ledger.states(names.values())
        for album_id in dict.fromkeys(job.album_id for job in waiting if names[job.id] not in known):
            admit(self._studio, self._ledger, album_id)

    def adopt(self) -> None:
        """Take what waits for workers of an older version when none of them is left for its queue."""
        ours = self._presence.version
        others = {(v, q) for v, q in self._ledger.waiting_versions() if v != ours and _older(v, ours)}
        if not others:
            return
        with self._studio.db.session() as db:
            living = list(db.scalars(select(Worker).where(Worker.state == "running")))
        for version, queue in others:
            if not any(w.version == version and queue in queues_of(w.role) for w in living):
                number = self._ledger.adopt(version, queue)
                LOG.info("%d jobs of version %s wait for version %s now (%s)", number, version, ours, queue)

    def send_mails(self) -> None:
        """Send the mails that are due."""
        from ..mail import deliver_due

        deliver_due(self._studio)

    def sweep(self) -> None:
        """Delete what is past its time; every ten minutes, by one worker."""
        from ..retention import sweep

        if sweep(self._studio, every_s=SWEEP_EVERY_S):
            self._ledger.prune(before=time.time() - KEEP_WORKFLOWS_S)


def _without_attempt(name: str) -> str:
    job_id, _, step = name.split("-")
    return f"{job_id}-{step}"


def _older(version: str, ours: str) -> bool:
    return version.isdigit() and ours.isdigit() and int(version) < int(ours)
