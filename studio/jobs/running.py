"""One step of one job on this worker: taken up, done, waited through trouble, written down."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from ..core import Studio
from ..data import Job, Worker
from ..logs import bound
from . import afterwards, leases, rows
from .errors import GiveBack, StepInterrupted, WorkerLost
from .ledger import Ledger
from .options import WorkerOptions
from .presence import FencedToken, Presence, clock
from .rows import Claim
from .stats import Stats
from .steps import Step, queues_of, step_named, workflow_id
from .trouble import HAND_OVER_S, REST_S, Trouble
from .underway import Running
from .works import Task, Work

LOG = logging.getLogger(__name__)
T = TypeVar("T")

DATABASE_TROUBLE = (OperationalError, InterfaceError, NoConnectionFree)
"""What a database that restarts, or has no connection left, raises."""

POLL_S = 0.3
"""How soon a cancel, a free GPU, an answering database is noticed."""
PATIENCE_S = 2.0
"""How long a step that was taken up waits for its GPU before it goes back into the queue."""
AHEAD_S = 30.0
"""So long before a job leaves the GPU the next one may be taken up, to be ready when it does."""


class StepRunner:
    """Does steps, as DBOS calls for them."""

    def __init__(
        self,
        studio: Studio,
        ledger: Ledger,
        presence: Presence,
        options: WorkerOptions,
        work: Work,
        stats: Stats,
    ) -> None:
        self._studio, self._ledger, self._presence = studio, ledger, presence
        self._options, self._work, self._stats = options, work, stats
        self.running = Running()
        self._handed_over: set[str] = set()

    def run(
        self, job_id: str, attempt: int, step_name: str, durable: Callable[[Callable[[], Any]], Any]
    ) -> str:
        """One workflow.

        Args:
            job_id: The job.
            attempt: Which attempt of it.
            step_name: Which step.
            durable: Runs a function whose answer is kept by DBOS, and not called again once it is.

        Returns:
            What became of it, for DBOS's own record.

        Raises:
            GiveBack: It is left to another worker, or to this one's next start.
        """
        step = step_named(step_name)
        token = FencedToken(self._presence)
        with bound(job_id=job_id, worker_id=self._presence.id), self.running.step(job_id, step, token):
            try:
                answer = durable(lambda: self._do(job_id, attempt, step, token))
                if answer["outcome"] != "over":
                    self._insist(
                        lambda: rows.settle(self._studio, self._presence, job_id, attempt, step, answer)
                    )
            except GiveBack:
                self._requeue(workflow_id(job_id, attempt, step))
                raise
            self._insist(lambda: afterwards.follow_up(self._studio, self._ledger, job_id))
        return str(answer["outcome"])

    def _requeue(self, name: str) -> None:
        """Put one's own workflow back; a worker that was lost leaves that to those who took over."""
        if self._presence.sure():
            for held in self._ledger.held(self._presence.id):
                if held.id == name:
                    self._insist(lambda held=held: self._ledger.requeue(held))  # type: ignore[misc]

    def _do(self, job_id: str, attempt: int, step: Step, token: FencedToken) -> dict[str, Any]:
        while True:
            self._stay(job_id)
            claim = self._insist(lambda: rows.claim(self._studio, self._presence, job_id, attempt, step))
            if claim is Claim.OVER:
                return {"outcome": "over"}
            if claim is Claim.MINE:
                break
            time.sleep(POLL_S)
        LOG.info("job %s: %s begins", job_id, step.name)
        trouble = Trouble()
        while True:
            try:
                answer = self._work.do(self._task(job_id, step, token), self._stats)
            except Exception as error:  # noqa: BLE001  every error of a step ends it in one of four ways
                ended = self._after(error, job_id, step, token, trouble)
                if ended is not None:
                    return ended
            else:
                return {"outcome": "done", "next": _next(step, answer)}

    def _after(
        self, error: Exception, job_id: str, step: Step, token: FencedToken, trouble: Trouble
    ) -> dict[str, Any] | None:
        """What an error means; None = the step is tried again."""
        self._stay(job_id)
        if token.cancelled:
            return {"outcome": "cancelled"}
        note = self._work.note(error)
        if self._work.worth_waiting(error) and trouble.goes_on(self._fraction(job_id)):
            LOG.warning("job %s: %s waits: %s", job_id, step.name, note)
            self._note(job_id, note)
            if trouble.lasts_s > HAND_OVER_S:
                self._hand_over(job_id, step)
            self._pause(trouble.pause_s(), token)
            self._stay(job_id)
            return {"outcome": "cancelled"} if token.cancelled else None
        told = self._work.explain(error)
        LOG.warning("job %s: %s failed: %s (%s)", job_id, step.name, told.code, note)
        return {"outcome": "failed", "error": told.to_json(), "note": note}

    def _hand_over(self, job_id: str, step: Step) -> None:
        """Leave a job to workers whose servers may be well, once; nothing when there are none."""
        if job_id in self._handed_over or not step.on_gpu or not self._others(step):
            return
        self._handed_over.add(job_id)
        self.running.rests_until = clock() + REST_S
        LOG.warning("job %s: left to other workers, our servers are in trouble", job_id)
        self._insist(lambda: rows.give_back(self._studio, self._presence, job_id))
        raise GiveBack

    def _others(self, step: Step) -> bool:
        def look() -> bool:
            with self._studio.db.session() as db:
                roles = db.scalars(
                    select(Worker.role).where(Worker.id != self._presence.id, Worker.state == "running")
                )
                return any(step.queue in queues_of(role) for role in roles)

        return self._insist(look)

    def _stay(self, job_id: str) -> None:
        """Raise GiveBack when this worker has to leave the job."""
        if not self._presence.sure():
            raise GiveBack
        if self.running.leaving.is_set():
            self._insist(lambda: rows.give_back(self._studio, self._presence, job_id))
            raise GiveBack

    def _task(self, job_id: str, step: Step, token: FencedToken) -> Task:
        return Task(self._studio, self._options, job_id, step, token, lambda: self._turn(job_id, step, token))

    @contextmanager
    def _turn(self, job_id: str, step: Step, token: FencedToken) -> Iterator[None]:
        """While a step has the GPU for itself."""
        gpus = self._options.gpus(drawing=step.name == "draw")
        patience = clock() + PATIENCE_S
        ahead = self.running.ahead.is_set()
        while not self._insist(lambda: leases.take(self._studio, self._presence, job_id, gpus)):
            if token.cancelled:
                raise StepInterrupted("The step was ended while it waited for its GPU.")
            if clock() > patience + (2 * AHEAD_S if ahead else 0.0):
                LOG.info("job %s: %s goes back into its queue, the GPU is in use", job_id, step.name)
                # Another worker's GPU may be free; this one takes nothing while its own is not.
                self._insist(lambda: rows.give_back(self._studio, self._presence, job_id))
                raise GiveBack
            time.sleep(POLL_S)
        self.running.gpu_wanted(token)
        try:
            yield
            self.running.gpu_done(token)
        finally:
            # A worker that was lost has none any more; whoever declared it dead gave them back.
            if self._presence.sure():
                self._insist(lambda: leases.release(self._studio, self._presence.id, job_id))

    def _pause(self, seconds: float, token: FencedToken) -> None:
        until = clock() + seconds
        while (left := until - clock()) > 0:
            if token.cancelled or self.running.leaving.is_set():
                return
            time.sleep(min(left, POLL_S))

    def _insist(self, action: Callable[[], T]) -> T:
        """Do it, however often the database fails, as long as this worker is one.

        Raises:
            GiveBack: It is none any more.
        """
        pause = 0.1
        while True:
            try:
                return action()
            except WorkerLost as error:
                raise GiveBack from error
            except DATABASE_TROUBLE as error:
                if not self._presence.sure():
                    raise GiveBack from error
                LOG.warning("the database does not answer: %s", type(error).__name__)
                time.sleep(pause)
                pause = min(2.0, pause * 2)

    def _fraction(self, job_id: str) -> float:
        def read() -> float:
            with self._studio.db.session() as db:
                job = db.get(Job, job_id)
                return job.fraction if job is not None else 0.0

        return self._insist(read)

    def _note(self, job_id: str, note: str) -> None:
        def write() -> None:
            with self._studio.db.session() as db:
                self._presence.hold(db)
                db.execute(
                    update(Job)
                    .where(Job.id == job_id, Job.worker_id == self._presence.id)
                    .values(note=note, time_left_s=None)
                )

        self._insist(write)


def _next(step: Step, answer: Mapping[str, Any]) -> str | None:
    if step.name == "prepare":
        return "train" if answer["train"] else "draw"
    return {"train": "draw", "draw": "deliver", "deliver": None}[step.name]
