"""The studio's side of the jobs: handed in, cancelled, asked about. Never runs one; see `worker`."""

from __future__ import annotations

import logging
import time

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from ..access import album_of
from ..core import Studio
from ..data import LIVING, UNFINISHED, Album, Flag, GpuLease, Job, JobEvent, User, Worker
from ..refusals import not_found
from ..service_settings import DAY_S
from ..wishes import Wishes
from . import leases, quotas, rows
from .afterwards import admit
from .ledger import Ledger
from .order import (
    DEFAULT_PRIORITY,
    MAX_PRIORITY,
    MIN_PRIORITY,
    before,
    next_turn,
    position,
    queue_priority,
)
from .presence import db_now
from .running import DATABASE_TROUBLE
from .steps import FIRST, STEPS, queues_of, workflow_id
from .watching import PAUSED

LOG = logging.getLogger(__name__)

USUAL_S = 600.0
"""How long a job keeps a GPU while nothing is known of others."""


class Jobs:
    """All that is done to jobs from outside. Cheap to make, thread-safe."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._ledger = Ledger(studio)

    def close(self) -> None:
        """Give DBOS's connections back."""
        self._ledger.close()

    def warm_up(self) -> None:
        """Connect to DBOS now, not with the first job: loading it takes seconds."""
        self._ledger.states(("",))

    # for users

    def submit(
        self,
        user_id: str,
        album_id: str,
        wishes: Wishes,
        *,
        parent_id: str | None = None,
        priority: int = DEFAULT_PRIORITY,
    ) -> Job:
        """Hand in a job.

        Args:
            user_id: Whose.
            album_id: Of which of the user's albums.
            wishes: What is asked for.
            parent_id: The job it retouches, of the same album.
            priority: 1..1000, lower goes first.

        Raises:
            Refused: The album is not ready or somebody else's, a wish names what does not exist, the address
                is unproved, a quota is used up.
        """
        from ..albums import album_ready
        from ..work.wished import preset_of

        album = album_of(self._studio, user_id, album_id)
        refused = album_ready(self._studio, album)
        if refused is not None:
            raise refused
        # A slip is said now, and not by a mail after the wait.
        preset_of(self._studio, wishes)
        job = Job(
            user_id=user_id,
            album_id=album_id,
            parent_id=parent_id,
            wishes=wishes.model_dump(mode="json"),
            priority=min(MAX_PRIORITY, max(MIN_PRIORITY, priority)),
            stage=FIRST.stage,
        )
        with self._studio.db.session() as db:
            # The user's row is locked until the end: two requests at once cannot both have the last of a
            # quota.
            db.execute(update(User).where(User.id == user_id).values(id=user_id))
            user = db.get(User, user_id)
            parent = db.get(Job, parent_id) if parent_id is not None else None
            if user is None or (parent_id is not None and (parent is None or parent.album_id != album_id)):
                raise not_found()
            quotas.check(db, self._studio.settings, user, wishes)
            job.turn = next_turn(db, user_id)
            job.created_at = job.queued_at = time.time()
            db.add(job)
            rows.begin(db, job)
            db.execute(
                update(Album)
                .where(Album.id == album_id)
                .values(keep_photos_until=job.created_at + self._studio.settings.photos_days * DAY_S)
            )
        self._admit(album_id)
        return job

    def cancel(self, job_id: str) -> None:
        """End a job; within a second when it runs. Nothing when it has ended.

        Raises:
            Refused: `not-found`.
        """
        with self._studio.db.session() as db:
            db.execute(
                update(Job)
                .where(Job.id == job_id, Job.state.in_(UNFINISHED), Job.cancel_asked_at.is_(None))
                .values(cancel_asked_at=time.time())
            )
            job = db.get(Job, job_id, with_for_update=True)
            if job is None:
                raise not_found()
            if job.state not in UNFINISHED:
                return
            names = [workflow_id(job.id, job.attempt, step) for step in STEPS]
            if not self._is_worked_on(db, job):
                leases.release_job(db, job.worker_id or "", job.id)
                rows.end(db, job, "cancelled", studio=self._studio)
        try:
            self._ledger.cancel_waiting(names)
        except DATABASE_TROUBLE as error:
            LOG.warning("job %s: whoever takes it finds it cancelled: %s", job_id, type(error).__name__)
        self._admit(job.album_id)

    def position(self, job_id: str) -> int | None:
        """Its place among the jobs that wait, 1 = next; None when it does not wait."""
        with self._studio.db.session() as db:
            job = db.get(Job, job_id)
            return position(db, job) if job is not None else None

    def waiting_ahead_s(self, job_id: str | None = None) -> float:
        """Seconds until a job gets a GPU, roughly; None = one that is handed in now."""
        with self._studio.db.session() as db:
            ahead = select(func.count()).where(
                Job.state.in_(UNFINISHED), or_(Job.waiting, Job.stage == "photos")
            )
            job = db.get(Job, job_id) if job_id is not None else None
            if job is not None:
                ahead = ahead.where(before(job), Job.id != job.id)
            number = int(db.scalar(ahead) or 0)
            took = list(
                db.execute(
                    select(JobEvent.stage, func.avg(JobEvent.ended_at - JobEvent.started_at))
                    .where(JobEvent.outcome == "done", JobEvent.ended_at > time.time() - 7 * DAY_S)
                    .where(JobEvent.stage.in_(("training", "drawing")))
                    .group_by(JobEvent.stage)
                )
            )
            usual = sum(float(seconds) for _, seconds in took) if took else USUAL_S
            workers = max(1, self._drawing(db))
            busy = min(workers, int(db.scalar(select(func.count()).select_from(GpuLease)) or 0))
        return (number + 0.5 * (busy == workers)) * usual / workers

    # for operators

    def requeue(self, job_id: str) -> Job:
        """Begin a failed, cancelled or finished job again; what was made before is found, not made again.

        Raises:
            Refused: It has not ended, or its photos are gone.
        """
        with self._studio.db.session() as db:
            db.execute(update(Job).where(Job.id == job_id).values(id=job_id))
            job = db.get(Job, job_id)
            if job is None or job.deleted_at is not None:
                raise not_found()
            if job.state in UNFINISHED:
                raise quotas.not_ended()
            job.attempt += 1
            job.state, job.stage, job.waiting, job.worker_id = "queued", FIRST.stage, True, None
            job.fraction, job.time_left_s, job.note, job.error = 0.0, None, "", None
            job.cancel_asked_at = job.started_at = job.finished_at = job.keep_until = None
            job.turn, job.queued_at = next_turn(db, job.user_id), time.time()
            rows.begin(db, job)
        self._admit(job.album_id)
        return job

    def set_priority(self, job_id: str, priority: int) -> None:
        """Let a job go before or after others: 1..1000, lower goes first.

        Raises:
            Refused: `not-found`, or no such priority.
        """
        if not MIN_PRIORITY <= priority <= MAX_PRIORITY:
            raise quotas.no_such_priority()
        with self._studio.db.session() as db:
            db.execute(update(Job).where(Job.id == job_id).values(priority=priority))
            job = db.get(Job, job_id)
        if job is None:
            raise not_found()
        names = [workflow_id(job.id, job.attempt, step) for step in STEPS]
        self._ledger.reorder(names, queue_priority(job.priority, job.turn))

    def pause(self) -> None:
        """No worker takes a new step until `resume`; what runs goes on to the end of its step."""
        with self._studio.db.session() as db:
            db.merge(Flag(key=PAUSED, at=time.time()))

    def resume(self) -> None:
        """End the pause."""
        with self._studio.db.session() as db:
            flag = db.get(Flag, PAUSED)
            if flag is not None:
                db.delete(flag)

    def paused(self) -> bool:
        """Whether an operator has paused the studio."""
        with self._studio.db.session() as db:
            return db.get(Flag, PAUSED) is not None

    def drain(self, worker_id: str, *, on: bool = True) -> None:
        """Let a worker finish what it runs and take nothing more, until it is started again.

        Args:
            worker_id: Which.
            on: False lets it take jobs again.

        Raises:
            Refused: `not-found`: no such worker, or it does not run.
        """
        was, becomes = ("running", "draining") if on else ("draining", "running")
        with self._studio.db.session() as db:
            db.execute(
                update(Worker).where(Worker.id == worker_id, Worker.state == was).values(state=becomes)
            )
            worker = db.get(Worker, worker_id)
        if worker is None or worker.state != becomes:
            raise not_found()

    def forget(self, job_id: str) -> int:
        """Delete a job's workflows.

        Returns:
            How many there were.
        """
        return self._ledger.forget(job_id)

    def _admit(self, album_id: str) -> None:
        try:
            admit(self._studio, self._ledger, album_id)
        except DATABASE_TROUBLE as error:
            LOG.warning(
                "a worker puts the job into its queue, DBOS's database is away: %s", type(error).__name__
            )

    def _is_worked_on(self, db: Session, job: Job) -> bool:
        """Whether a living worker has it, who then ends it."""
        worker = db.get(Worker, job.worker_id) if job.worker_id is not None else None
        if worker is None or worker.state not in LIVING:
            return False
        return db_now(db) - worker.heartbeat_at < self._studio.settings.dead_after_s

    def _drawing(self, db: Session) -> int:
        roles = db.scalars(select(Worker.role).where(Worker.state == "running"))
        return sum("generate" in queues_of(role) for role in roles)
