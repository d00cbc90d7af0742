"""What follows from a job's row: the next workflow, the mail, the next job of the album.

All of it may be done again at any time, by any worker: it is what makes up for a crash between the studio's
database and DBOS's.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from sqlalchemy import select

from ..core import Studio
from ..data import Job, User
from .ledger import Ledger
from .order import UNFINISHED, queue_priority
from .steps import step_of

LOG = logging.getLogger(__name__)

DAY_S = 86_400.0


def follow_up(studio: Studio, ledger: Ledger, job_id: str) -> None:
    """Do all that follows from how a job stands."""
    with studio.db.session() as db:
        job = db.get(Job, job_id)
    if job is None:
        return
    if job.state in ("done", "failed"):
        announce(studio, job)
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


def announce(studio: Studio, job: Job) -> None:
    """The mail that says how it ended; the same one however often it is asked for."""
    from ..mail import post

    with studio.db.session() as db:
        user = db.get(User, job.user_id)
    if user is None or job.deleted_at is not None:
        return
    if job.state == "done":
        post(
            studio,
            key=f"job:{job.id}:{job.attempt}:ready",
            user=user,
            template="ready",
            params=_ready(studio, job),
            job_id=job.id,
        )
    else:
        error: dict[str, Any] = job.error or {}
        post(
            studio,
            key=f"job:{job.id}:{job.attempt}:failed",
            user=user,
            template="failed",
            params={
                "message": error.get("message") or {"ko": "", "en": ""},
                "hint": error.get("hint") or {"ko": "", "en": ""},
                "link": f"{studio.public_url}/",
            },
            job_id=job.id,
        )


def _ready(studio: Studio, job: Job) -> dict[str, Any]:
    from sqlalchemy import func

    from ..accounts import results_link
    from ..data import Portrait

    with studio.db.session() as db:
        count = db.scalar(select(func.count()).where(Portrait.job_id == job.id)) or 0
    return {
        "link": results_link(studio, job),
        "count": count,
        "expires_at": (job.finished_at or time.time()) + studio.settings.link_days * DAY_S,
    }
