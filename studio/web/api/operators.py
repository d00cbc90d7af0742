"""For operators: totals, jobs, workers, users; no pictures, and of people their address alone."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from sqlalchemy import update

from ... import overview
from ...accounts import create_user, end_all_sessions
from ...core import Studio
from ...data import Job, User, Worker
from ...refusals import Language, Refused, not_found
from ...views import State
from ..session import Operator, operator, studio_of
from .answers import Answer, Asked, Done, Id

router = APIRouter(prefix="/ops", tags=["operators"], dependencies=[Depends(operator)])

Row = dict[str, Any]


class Paused(Answer):
    """Whether new stages are begun."""

    paused: bool


class Priority(Asked):
    """Lower goes first."""

    priority: int = Field(ge=1, le=1000)


class UserAsked(Asked):
    """A new account, made for somebody."""

    email: str = Field(max_length=1000)
    password: str | None = Field(None, max_length=1024)
    """None = they sign in by mailed links."""
    language: Language = "en"
    role: Literal["user", "operator"] = "user"


class UserChange(Asked):
    """What may be changed; what is left out stays."""

    disabled: bool | None = None
    quota_jobs: int | None = Field(None, ge=1, le=10_000)
    quota_portraits_month: int | None = Field(None, ge=1, le=1_000_000)


@router.get("/jobs")
def jobs(
    request: Request,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[Row]:
    """Jobs of everybody, newest first."""
    return overview.jobs(studio_of(request), states=(state,) if state else (), limit=limit)


@router.get("/jobs/{job_id}/timeline")
def timeline(request: Request, job_id: Id) -> list[Row]:
    """How long each stage of a job waited and ran, and where."""
    return overview.timeline(studio_of(request), _job(request, job_id).id)


@router.post("/jobs/{job_id}/cancel")
def cancel(request: Request, job_id: Id) -> Row:
    """Stop somebody's job."""
    request.app.state.jobs.cancel(_job(request, job_id).id)
    return overview.job_row(_job(request, job_id))


@router.post("/jobs/{job_id}/requeue")
def requeue(request: Request, job_id: Id) -> Row:
    """Begin a failed or cancelled job again; what is finished is kept."""
    request.app.state.jobs.requeue(_job(request, job_id).id)
    return overview.job_row(_job(request, job_id))


@router.put("/jobs/{job_id}/priority")
def prioritise(request: Request, job_id: Id, asked: Priority) -> Row:
    """Move it in the queue."""
    request.app.state.jobs.set_priority(_job(request, job_id).id, asked.priority)
    return overview.job_row(_job(request, job_id))


@router.get("/workers")
def workers(request: Request) -> list[Row]:
    """Processes that do the jobs."""
    return overview.workers(studio_of(request))


@router.post("/workers/{worker_id}/drain")
def drain(request: Request, worker_id: str) -> Done:
    """Let it finish what it has and take nothing new."""
    with studio_of(request).db.session() as db:
        if db.get(Worker, worker_id) is None:
            raise not_found()
    request.app.state.jobs.drain(worker_id)
    return Done()


@router.get("/servers")
def servers(request: Request) -> list[Row]:
    """GPUs and how busy they are."""
    return overview.servers(studio_of(request))


@router.get("/mails")
def mails(request: Request, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[Row]:
    """Mails and whether they were sent; never what is in them."""
    return overview.mails(studio_of(request), limit=limit)


@router.get("/users")
def users(request: Request) -> list[Row]:
    """Accounts with their totals."""
    return overview.users(studio_of(request))


@router.post("/users", status_code=201)
def make_user(request: Request, asked: UserAsked) -> Row:
    """Make an account for somebody, also while sign-up is closed."""
    studio = studio_of(request)
    user = create_user(
        studio, email=asked.email, password=asked.password, language=asked.language, role=asked.role
    )
    return _user_row(studio, user.id)


@router.patch("/users/{user_id}")
def change_user(request: Request, visitor: Operator, user_id: Id, asked: UserChange) -> Row:
    """Disable an account, let it in again, or set its quotas."""
    studio = studio_of(request)
    if user_id == visitor.user.id and asked.disabled:
        raise _not_yourself()
    given = asked.model_dump(exclude_unset=True)
    if "disabled" in given:
        given["disabled_at"] = time.time() if given.pop("disabled") else None
    with studio.db.session() as db:
        if db.get(User, user_id) is None:
            raise not_found()
        if given:
            db.execute(update(User).where(User.id == user_id).values(**given))
    if asked.disabled:
        end_all_sessions(studio, user_id)
    return _user_row(studio, user_id)


@router.get("/pause")
def is_paused(request: Request) -> Paused:
    """Whether new stages are begun."""
    return Paused(paused=request.app.state.jobs.paused())


@router.post("/pause")
def pause(request: Request) -> Paused:
    """Begin no new stages; what runs goes on."""
    request.app.state.jobs.pause()
    return Paused(paused=True)


@router.post("/resume")
def resume(request: Request) -> Paused:
    """Go on."""
    request.app.state.jobs.resume()
    return Paused(paused=False)


def _job(request: Request, job_id: str) -> Job:
    with studio_of(request).db.session() as db:
        row = db.get(Job, job_id)
    if row is None:
        raise not_found()
    return row


def _user_row(studio: Studio, user_id: str) -> Row:
    return overview.users(studio, only=user_id)[0]


def _not_yourself() -> Refused:
    return Refused(
        "not-yourself",
        en="You cannot disable your own account.",
        ko="자신의 계정은 정지할 수 없습니다.",
        status=409,
    )
