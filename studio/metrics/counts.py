"""The queries, alike on SQLite and PostgreSQL. None of them reads what identifies a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from ..data import UNFINISHED, Flag, GpuLease, Job, JobEvent, Mail, Photo, Portrait, User, Worker
from .families import FAMILIES
from .ledger import Series

LAST_BACKUP = "backup"
"""The flag that `studio backup` sets."""


def totals(db: Session) -> dict[Series, float]:
    """What only ever grows: counters, and histograms by bucket (`…, "0"`, `…, "1"` … and `…, "sum"`)."""
    found: dict[Series, float] = {("studio_generations_total",): 0.0}
    generations = db.scalar(select(func.sum(Job.generations)))
    found["studio_generations_total",] = float(generations or 0)
    finished = select(Job.state, func.count()).where(Job.state.not_in(UNFINISHED)).group_by(Job.state)
    found.update(_counter(db, "studio_jobs_finished_total", finished))
    code = func.coalesce(Job.error["code"].as_string(), "unknown")
    failed = select(code, func.count()).where(Job.state == "failed").group_by(code)
    found.update(_counter(db, "studio_job_failures_total", failed))
    tones = select(Portrait.tone, func.count()).group_by(Portrait.tone)
    found.update(_counter(db, "studio_portraits_total", tones))
    found.update(_counter(db, "studio_photos_judged_total", _verdicts()))
    wait = _no_less_than_0(JobEvent.started_at - JobEvent.queued_at)
    begun = JobEvent.started_at.is_not(None)
    found.update(_histogram(db, "studio_stage_wait_seconds", wait, begun, JobEvent.stage))
    run = _no_less_than_0(JobEvent.ended_at - JobEvent.started_at)
    ended = and_(begun, JobEvent.ended_at.is_not(None))
    outcome = func.coalesce(JobEvent.outcome, "unknown")
    found.update(_histogram(db, "studio_stage_run_seconds", run, ended, JobEvent.stage, outcome))
    found.update(
        _histogram(db, "studio_portrait_likeness", Portrait.likeness + 0.0, Portrait.id.is_not(None))
    )
    return found


def jobs(db: Session) -> Iterator[tuple[str, str, bool, int, float]]:
    """State, stage, whether they wait, how many, and since when the first of them."""
    rows = db.execute(
        select(Job.state, Job.stage, Job.waiting, func.count(), func.min(Job.queued_at)).group_by(
            Job.state, Job.stage, Job.waiting
        )
    )
    for state, stage, waiting, number, since in rows:
        yield state, stage, bool(waiting), int(number), float(since)


def mails(db: Session, now: float) -> tuple[dict[str, int], float]:
    """Mails by state, and for how many seconds the oldest of those that are due has been."""
    rows = db.execute(select(Mail.state, func.count()).group_by(Mail.state))
    by_state = {state: int(number) for state, number in rows}
    due = db.scalar(select(func.min(Mail.next_at)).where(Mail.state == "waiting"))
    return by_state, max(0.0, now - due) if due is not None else 0.0


def users(db: Session) -> dict[str, int]:
    """Accounts: disabled, else without a proved address, else active."""
    state = case(
        (User.disabled_at.is_not(None), "disabled"),
        (User.confirmed_at.is_(None), "unconfirmed"),
        else_="active",
    )
    return {name: int(number) for name, number in db.execute(select(state, func.count()).group_by(state))}


def workers(db: Session) -> list[Worker]:
    """All of them."""
    return list(db.scalars(select(Worker).order_by(Worker.id)))


def leases(db: Session) -> list[GpuLease]:
    """GPUs that are held now."""
    return list(db.scalars(select(GpuLease).order_by(GpuLease.gpu)))


def flags(db: Session) -> dict[str, Mapping[str, Any]]:
    """What operators switched."""
    wanted = select(Flag).where(Flag.key.in_(("paused", LAST_BACKUP)))
    return {flag.key: {"at": flag.at, **flag.value} for flag in db.scalars(wanted)}


def _verdicts() -> Any:
    code = func.coalesce(Photo.verdict["code"].as_string(), "unknown")
    verdict = case((Photo.accepted.is_(True), "accepted"), else_=code)
    return select(verdict, func.count()).where(Photo.accepted.is_not(None)).group_by(verdict)


def _counter(db: Session, name: str, query: Any) -> Iterator[tuple[Series, float]]:
    for label, number in db.execute(query):
        yield (name, str(label)), float(number)


def _no_less_than_0(seconds: ColumnElement[Any]) -> ColumnElement[Any]:
    # The clocks of two machines differ a little; a job that started before it was queued did not wait.
    return case((seconds < 0, 0.0), else_=seconds)


def _histogram(
    db: Session, name: str, value: ColumnElement[Any], where: ColumnElement[bool], *labels: Any
) -> Iterator[tuple[Series, float]]:
    """Each bucket's own count (not those below it too), the last being +Inf's, and the sum."""
    bounds = FAMILIES[name].bounds
    # One CASE that gives the bucket's place: a sum for each bucket takes three times as long.
    place = case(*((value <= bound, index) for index, bound in enumerate(bounds)), else_=len(bounds))
    query = select(*labels, place, func.count(), func.sum(value)).where(where).group_by(*labels, place)
    sums: dict[Series, float] = {}
    for *told, index, number, total in db.execute(query):
        series: Series = (name, *map(str, told))
        sums[series] = sums.get(series, 0.0) + float(total)
        yield (*series, str(index)), float(number)
    for series, total in sums.items():
        yield (*series, "sum"), total
