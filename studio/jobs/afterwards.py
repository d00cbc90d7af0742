"""What follows from a job's row: its next workflow, the next job of its album.

It may be done again at any time, by any worker: it is what makes up for a crash between the studio's
database and DBOS's.
"""

from __future__ import annotations

from sqlalchemy import select

from ..core import Studio
from ..data import UNFINISHED, Job
from .ledger import Ledger
from .order import queue_priority
from .steps import step_of


def follow_up(studio: Studio, ledger: Ledger, job_id: str) -> None:
    """Do all that follows from how a job stands."""
    with studio.db.session() as db:
        job = db.get(Job, job_id)
    if job is not None:
        admit(studio, ledger, job.album_id)


def admit(studio: Studio, ledger: Ledger, album_id: str) -> None:
    """Put the album's next job into the queue of its step.

    One job of an album at a time: they share a work folder and a model, and what the first makes the second
    need not. The others wait outside the queues, so no worker takes one only to wait for another.
    """
    with studio.db.session() as db:
        job = db.scalars(
            select(Job)
            .where(Job.album_id == album_id, Job.state.in_(UNFINISHED))
            .order_by(Job.created_at, Job.id)
            .limit(1)
        ).one_or_none()
    if job is not None and job.waiting:
        ledger.enqueue(job.id, job.attempt, step_of(job.stage), queue_priority(job.priority, job.turn))
