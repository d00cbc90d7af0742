"""Who is next: by priority, then in turns.

Each user has one job in a turn. A user who hands in ten jobs has them in ten turns, and somebody who comes
later is served after the first of them, not after the tenth; nobody's GPU stands idle because its turn is not
complete. DBOS's partitioned queues interleave users too, but take a partition at random: neither could a
place in the queue be told nor did priorities hold between users (docs/decisions/0018-jobs.md).
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from ..data import UNFINISHED, Job

MIN_PRIORITY, MAX_PRIORITY, DEFAULT_PRIORITY = 1, 1000, 100
_TURNS = 1_000_000
"""DBOS has one number: 1 to 2**31 - 1 (dbos 3.4.0 `_enqueue_options.py`)."""


def next_turn(db: Session, user_id: str) -> int:
    """The turn of a job that is handed in now.

    Never before the turn that is being served, and after the user's own that were handed in since the oldest
    job still on its way: capacity somebody used while nobody else wanted it is not held against him.
    """
    unfinished = Job.state.in_(UNFINISHED)
    served, oldest = db.execute(select(func.min(Job.turn), func.min(Job.created_at)).where(unfinished)).one()
    if served is None:
        return 0
    own = db.scalar(
        select(func.max(Job.turn)).where(Job.user_id == user_id, or_(unfinished, Job.created_at >= oldest))
    )
    return int(served) if own is None else max(int(served), int(own) + 1)


def queue_priority(priority: int, turn: int) -> int:
    """DBOS's number of a job; lower goes first."""
    return priority * _TURNS + min(max(turn, 0), _TURNS - 1) + 1


def before(job: Job) -> ColumnElement[bool]:
    """Condition: jobs that are served before this one."""
    return or_(
        Job.priority < job.priority,
        and_(Job.priority == job.priority, Job.turn < job.turn),
        and_(Job.priority == job.priority, Job.turn == job.turn, Job.created_at < job.created_at),
    )


def position(db: Session, job: Job) -> int | None:
    """Its place among the jobs that wait, 1 = next; None when it does not wait.

    Jobs whose photos are being looked at count too: their turn for a GPU is still to come.
    """
    if not job.waiting or job.state not in UNFINISHED:
        return None
    ahead = select(func.count()).where(
        Job.state.in_(UNFINISHED), or_(Job.waiting, Job.stage == "photos"), before(job), Job.id != job.id
    )
    return 1 + int(db.scalar(ahead) or 0)
