"""What happens to a job's row: taken by a worker, handed to the next step, ended, lost.

Each is one transaction that names the attempt and the step it is about, so it may be repeated: after a crash
between the row and DBOS, what was done is seen and only the rest is done again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import Enum
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..core import Studio
from ..data import UNFINISHED, Album, Job, JobEvent
from ..service_settings import DAY_S
from . import leases
from .presence import Presence
from .steps import Step, step_named, step_of
from .telling import tell

MAX_LOST = 6
"""Workers one step may cost: a job that kills its workers would otherwise kill them for ever."""

LOST_ERROR: dict[str, Any] = {
    "code": "worker-lost",
    "message": {
        "en": "The computer that worked on it stopped several times.",
        "ko": "작업하던 컴퓨터가 여러 번 멈췄습니다.",
    },
    "hint": {
        "en": "Try again later. If it happens again, tell the operator.",
        "ko": "나중에 다시 시도해 주세요. 계속되면 운영자에게 알려 주세요.",
    },
}


class Claim(Enum):
    """What a worker finds when it takes up a step."""

    MINE = "mine"
    OVER = "over"
    """Nothing is left to do: done before, cancelled, deleted, or of an earlier attempt."""
    BUSY = "busy"
    """Another living worker has it."""


def claim(studio: Studio, presence: Presence, job_id: str, attempt: int, step: Step) -> Claim:
    """Take up a step of a job for this worker."""
    with studio.db.session() as db:
        presence.hold(db)
        job = _locked(db, job_id)
        if not _is_at(job, attempt, step):
            return Claim.OVER
        assert job is not None
        if job.worker_id not in (None, presence.id):
            return Claim.BUSY
        if job.cancel_asked_at is not None:
            end(db, job, "cancelled", studio=studio)
            return Claim.OVER
        if _times_lost(db, job, step) >= MAX_LOST:
            end(db, job, "failed", studio=studio, error=LOST_ERROR)
            return Claim.OVER
        now = time.time()
        job.state, job.waiting, job.worker_id, job.note = "running", False, presence.id, ""
        job.started_at = job.started_at or now
        event = _open_event(db, job, step)
        event.worker_id, event.started_at = presence.id, now
        return Claim.MINE


def settle(
    studio: Studio, presence: Presence, job_id: str, attempt: int, step: Step, answer: Mapping[str, Any]
) -> None:
    """Write down how a step ended; nothing when it was written down before.

    Args:
        studio: The studio.
        presence: This worker.
        job_id: The job.
        attempt: Which attempt.
        step: The step that ended.
        answer: {"outcome": "done", "next": step | None}, {"outcome": "failed", "error": …, "note": …} or
            {"outcome": "cancelled"}.
    """
    with studio.db.session() as db:
        presence.hold(db)
        job = _locked(db, job_id)
        if not _is_at(job, attempt, step):
            return
        assert job is not None
        if job.worker_id not in (None, presence.id):
            return
        outcome = str(answer["outcome"])
        if outcome == "done" and job.cancel_asked_at is not None and answer["next"] is not None:
            outcome = "cancelled"
        if outcome == "done" and answer["next"] is not None:
            _advance(db, job, step_named(answer["next"]))
        else:
            job.note = str(answer.get("note", ""))
            end(db, job, outcome, studio=studio, error=answer.get("error"))
        leases.release_job(db, presence.id, job.id)


def give_back(studio: Studio, presence: Presence, job_id: str) -> None:
    """Let a job that this worker leaves in order wait again, as if it had not begun the step."""
    with studio.db.session() as db:
        presence.hold(db)
        job = _locked(db, job_id)
        if job is not None and job.worker_id == presence.id and job.state in UNFINISHED:
            _open_event(db, job, step_of(job.stage)).started_at = None
            _wait(job)
        leases.release_job(db, presence.id, job_id)


def lose(db: Session, worker_id: str) -> list[str]:
    """Take from a worker that is gone all that it had; in the transaction that declares it dead.

    Returns:
        The jobs that wait again.
    """
    jobs = list(
        db.scalars(
            select(Job)
            .where(Job.worker_id == worker_id, Job.state.in_(UNFINISHED))
            .order_by(Job.id)
            .with_for_update()
        )
    )
    now = time.time()
    for job in jobs:
        event = _open_event(db, job, step_of(job.stage))
        event.worker_id = worker_id
        event.started_at, event.ended_at, event.outcome = event.started_at or now, now, "lost"
        _wait(job)
        job.queued_at = now
        db.flush()
        _open_event(db, job, step_of(job.stage))
    leases.release_all(db, worker_id)
    return [job.id for job in jobs]


def end(
    db: Session, job: Job, outcome: str, *, studio: Studio, error: Mapping[str, Any] | None = None
) -> None:
    """The end of a job: "done", "failed" or "cancelled"; with its mail."""
    now = time.time()
    event = _open_event(db, job, step_of(job.stage))
    event.started_at, event.ended_at, event.outcome = event.started_at or now, now, outcome
    job.state, job.waiting, job.worker_id, job.finished_at = outcome, False, None, now
    job.time_left_s = None
    job.error = dict(error) if error is not None else None
    if outcome == "done":
        job.fraction, job.stage = 1.0, "mail"
        job.keep_until = now + studio.settings.results_days * DAY_S
    album = db.get(Album, job.album_id)
    if album is not None:
        album.keep_photos_until = now + studio.settings.photos_days * DAY_S
    tell(db, studio, job)


def begin(db: Session, job: Job) -> None:
    """The start of the timeline of an attempt."""
    db.flush()
    db.execute(delete(JobEvent).where(JobEvent.job_id == job.id, JobEvent.ended_at.is_(None)))
    _open_event(db, job, step_of(job.stage))


def _advance(db: Session, job: Job, following: Step) -> None:
    now = time.time()
    event = _open_event(db, job, step_of(job.stage))
    event.started_at, event.ended_at, event.outcome = event.started_at or now, now, "done"
    db.flush()
    job.stage, job.queued_at = following.stage, now
    _wait(job)
    _open_event(db, job, following)


def _wait(job: Job) -> None:
    job.waiting, job.worker_id, job.time_left_s, job.note = True, None, None, ""


def _locked(db: Session, job_id: str) -> Job | None:
    return db.get(Job, job_id, with_for_update=True)


def _is_at(job: Job | None, attempt: int, step: Step) -> bool:
    return job is not None and job.attempt == attempt and job.state in UNFINISHED and job.stage in step.stages


def _open_event(db: Session, job: Job, step: Step) -> JobEvent:
    """The timeline's entry of a step that has not ended."""
    event = db.scalars(
        select(JobEvent)
        .where(JobEvent.job_id == job.id, JobEvent.stage == step.timeline, JobEvent.ended_at.is_(None))
        .order_by(JobEvent.id.desc())
        .limit(1)
    ).one_or_none()
    if event is None:
        event = JobEvent(job_id=job.id, stage=step.timeline, queued_at=job.queued_at)
        db.add(event)
    return event


def _times_lost(db: Session, job: Job, step: Step) -> int:
    """How often in a row workers died of this step."""
    outcomes = db.scalars(
        select(JobEvent.outcome)
        .where(JobEvent.job_id == job.id, JobEvent.stage == step.timeline, JobEvent.ended_at.is_not(None))
        .order_by(JobEvent.id.desc())
        .limit(MAX_LOST)
    )
    times = 0
    for outcome in outcomes:
        if outcome != "lost":
            break
        times += 1
    return times
