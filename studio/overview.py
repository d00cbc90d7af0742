"""What an operator sees: totals and states as plain rows; no pictures, and of people their address alone."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from .core import Studio
from .data import LIVING, GpuLease, Job, JobEvent, Mail, Portrait, User, Worker
from .errors import BadInput

Row = dict[str, Any]


def users(studio: Studio, *, only: str | None = None) -> list[Row]:
    """Accounts with their jobs, portraits and quotas, the oldest first.

    Args:
        studio: The studio.
        only: Identifier of one; None = all.
    """
    usual = studio.settings
    wanted = select(User).order_by(User.created_at)
    with studio.db.session() as db:
        jobs = _by_first(db, _of_users(Job, only))
        portraits = _by_first(db, _of_users(Portrait, only))
        return [
            {
                "id": user.id,
                "email": user.email,
                "role": user.role,
                "language": user.language,
                "state": user_state(user),
                "jobs": jobs.get(user.id, 0),
                "portraits": portraits.get(user.id, 0),
                "quota_jobs": user.quota_jobs or usual.quota_jobs,
                "quota_portraits_month": user.quota_portraits_month or usual.quota_portraits_month,
                "created_at": user.created_at,
            }
            for user in db.scalars(wanted if only is None else wanted.where(User.id == only))
        ]


def _of_users(kind: type[Job] | type[Portrait], only: str | None) -> Any:
    """How many rows each user has."""
    counted = select(kind.user_id, func.count()).group_by(kind.user_id)
    return counted if only is None else counted.where(kind.user_id == only)


def user_state(user: User) -> str:
    """One of "disabled", "unconfirmed" and "active"."""
    if user.disabled_at is not None:
        return "disabled"
    return "active" if user.confirmed_at is not None else "unconfirmed"


def jobs(
    studio: Studio, *, states: tuple[str, ...] = (), user_id: str | None = None, limit: int = 50
) -> list[Row]:
    """Jobs, the newest first.

    Args:
        studio: The studio.
        states: Only those in one of these states; none = all.
        user_id: Only one user's.
        limit: At most so many.
    """
    wanted = select(Job).order_by(Job.created_at.desc()).limit(limit)
    if states:
        wanted = wanted.where(Job.state.in_(states))
    if user_id is not None:
        wanted = wanted.where(Job.user_id == user_id)
    with studio.db.session() as db:
        return [job_row(job) for job in db.scalars(wanted)]


def job_row(job: Job) -> Row:
    """One job."""
    return {
        "id": job.id,
        "user_id": job.user_id,
        "state": job.state,
        "stage": job.stage,
        "waiting": job.waiting,
        "fraction": round(job.fraction, 3),
        "attempt": job.attempt,
        "priority": job.priority,
        "pictures": job.done_pictures,
        "of": job.total_pictures,
        "generations": job.generations,
        "worker": job.worker_id,
        "cancel_asked": job.cancel_asked_at is not None,
        "note": job.note,
        "error": job.error,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def timeline(studio: Studio, job_id: str) -> list[Row]:
    """The stages of a job: how long each waited and ran, by whom, and how it ended."""
    with studio.db.session() as db:
        events = db.scalars(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id))
        return [
            {
                "stage": event.stage,
                "worker": event.worker_id,
                "queued_at": event.queued_at,
                "waited_s": _between(event.queued_at, event.started_at),
                "ran_s": _between(event.started_at, event.ended_at),
                "outcome": event.outcome,
            }
            for event in events
        ]


def _by_first(db: Session, query: Any) -> dict[Any, Any]:
    return {row[0]: row[1] for row in db.execute(query)}


def _between(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None else round(max(0.0, last - first), 1)


def workers(studio: Studio) -> list[Row]:
    """Workers; "silent" is one that ought to run and was not heard of for `dead_after_s`."""
    now = time.time()
    with studio.db.session() as db:
        doing = _by_first(
            db,
            select(Job.worker_id, func.min(Job.id))
            .where(Job.state == "running", Job.waiting.is_(False))
            .group_by(Job.worker_id),
        )
        return [
            {
                "id": worker.id,
                "role": worker.role,
                "state": "silent" if is_silent(studio, worker, now) else worker.state,
                "host": worker.host,
                "pid": worker.pid,
                "version": worker.version,
                "servers": worker.servers,
                "job": doing.get(worker.id),
                "heartbeat_age_s": round(max(0.0, now - worker.heartbeat_at), 1),
                "started_at": worker.started_at,
            }
            for worker in db.scalars(select(Worker).order_by(Worker.id))
        ]


def is_silent(studio: Studio, worker: Worker, now: float) -> bool:
    """Whether a worker that ought to be heard is not."""
    return worker.state in LIVING and now - worker.heartbeat_at > studio.settings.dead_after_s


def servers(studio: Studio) -> list[Row]:
    """GPUs of all workers that are not stopped: how busy since the worker started, and which job has them."""
    with studio.db.session() as db:
        leases = list(db.scalars(select(GpuLease)))
        alive = list(db.scalars(select(Worker).where(Worker.state.in_(LIVING))))
    # A GPU may be leased by its own name, beside or instead of its WebUI's address.
    held = {lease.gpu: lease.job_id for lease in leases}
    works_on = {lease.worker_id: lease.job_id for lease in leases}
    rows = []
    for worker in sorted(alive, key=lambda one: one.id):
        stats = worker.stats.get("servers", {})
        for url in dict.fromkeys([*map(str, worker.servers), *stats]):
            one = stats.get(url, {})
            since = float(one.get("since") or worker.started_at)
            busy_s = float(one.get("busy_s", 0.0))
            all_s = worker.heartbeat_at - since
            rows.append(
                {
                    "server": url,
                    "worker": worker.id,
                    "busy_share": round(min(1.0, busy_s / all_s), 3) if all_s > 0 else 0.0,
                    "busy_s": busy_s,
                    "generations": int(one.get("generations", 0)),
                    "job": held.get(url) or works_on.get(worker.id),
                }
            )
    return rows


def mails(studio: Studio, *, states: tuple[str, ...] = (), limit: int = 50) -> list[Row]:
    """Mails, the newest first; never what is in them."""
    wanted = select(Mail).order_by(Mail.created_at.desc()).limit(limit)
    if states:
        wanted = wanted.where(Mail.state.in_(states))
    with studio.db.session() as db:
        return [
            {
                "id": mail.id,
                "template": mail.template,
                "state": mail.state,
                "attempts": mail.attempts,
                "user_id": mail.user_id,
                "job_id": mail.job_id,
                "last_error": mail.last_error,
                "created_at": mail.created_at,
                "sent_at": mail.sent_at,
            }
            for mail in db.scalars(wanted)
        ]


def find_user(studio: Studio, text: str) -> User:
    """By address, or by id or the beginning of one.

    Raises:
        BadInput: None, or several.
    """
    from .accounts import normal_address
    from .refusals import Refused

    which: ColumnElement[bool] = _begins(User.id, text)
    if "@" in text:
        try:
            which = User.email == normal_address(text)
        except Refused as error:
            raise BadInput(error.message) from error
    found: User = _one(studio, User, which, "account", text, "studio users list")
    return found


def find_job(studio: Studio, text: str) -> Job:
    """By id or the beginning of one; raises as `find_user`."""
    found: Job = _one(studio, Job, _begins(Job.id, text), "job", text, "studio jobs list")
    return found


def find_mail(studio: Studio, text: str) -> Mail:
    """By id or the beginning of one; raises as `find_user`."""
    found: Mail = _one(studio, Mail, _begins(Mail.id, text), "mail", text, "studio mails list")
    return found


def _begins(column: Any, text: str) -> ColumnElement[bool]:
    begins: ColumnElement[bool] = column.startswith(text, autoescape=True)
    return or_(column == text, begins) if len(text) >= 4 else column == text


def _one(studio: Studio, kind: Any, which: ColumnElement[bool], what: str, text: str, where: str) -> Any:
    with studio.db.session() as db:
        found = list(db.scalars(select(kind).where(which).limit(2)))
    if len(found) == 1:
        return found[0]
    why = f"Several {what}s begin with {text!r}." if found else f"There is no {what} {text!r}."
    raise BadInput(why, hint=f"`{where}` shows them.")
