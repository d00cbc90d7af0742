"""Who has a GPU: a row a GPU, so that no two jobs share one, across processes and roles."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..core import Studio
from ..data import LIVING, GpuLease, Worker
from .presence import Presence


def take(studio: Studio, presence: Presence, job_id: str, gpus: Sequence[str]) -> bool:
    """Take all of the GPUs for a job, or none.

    Returns:
        False while another job has one of them.

    Raises:
        WorkerLost: This worker may not work any more.
    """
    wanted = sorted(gpus)
    try:
        with studio.db.session() as db:
            presence.hold(db)
            if _others(db, wanted, presence.id, job_id):
                return False
            mine = set(db.scalars(select(GpuLease.gpu).where(GpuLease.gpu.in_(wanted))))
            for gpu in wanted:
                if gpu not in mine:
                    db.add(GpuLease(gpu=gpu, worker_id=presence.id, job_id=job_id, since=time.time()))
                    db.flush()
    except IntegrityError:  # another worker was faster
        return False
    return True


def release(studio: Studio, worker_id: str, job_id: str) -> None:
    """Give a job's GPUs back."""
    with studio.db.session() as db:
        release_job(db, worker_id, job_id)


def release_job(db: Session, worker_id: str, job_id: str) -> None:
    """The same, in a transaction."""
    db.execute(delete(GpuLease).where(GpuLease.worker_id == worker_id, GpuLease.job_id == job_id))


def release_all(db: Session, worker_id: str) -> None:
    """Give back whatever a worker had that is gone."""
    db.execute(delete(GpuLease).where(GpuLease.worker_id == worker_id))


def taken(db: Session, gpus: Collection[str], *, but: Collection[str] = ()) -> bool:
    """Whether any job, but these, has one of the GPUs."""
    query = select(GpuLease.gpu).where(GpuLease.gpu.in_(gpus), GpuLease.job_id.not_in(but))
    return db.scalar(query.limit(1)) is not None


def sweep(db: Session) -> None:
    """Give back what belongs to workers that are gone."""
    living = select(Worker.id).where(Worker.state.in_(LIVING))
    db.execute(delete(GpuLease).where(GpuLease.worker_id.not_in(living)))


def _others(db: Session, gpus: Sequence[str], worker_id: str, job_id: str) -> bool:
    rows = db.scalars(select(GpuLease).where(GpuLease.gpu.in_(gpus)))
    return any(row.worker_id != worker_id or row.job_id != job_id for row in rows)
