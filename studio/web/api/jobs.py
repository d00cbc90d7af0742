"""Jobs: asked for, watched, cancelled, and asked for once more with something changed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field, ValidationError
from sqlalchemy import select

from ...access import album_of, job_of
from ...accounts import limit
from ...data import JobEvent
from ...jobs import Jobs
from ...refusals import Refused
from ...views import JobView, PortraitView, State, job_view, job_views, jobs_of_user, portraits_of_job
from ...wishes import MAX_PORTRAITS, Wishes
from ..session import Signed, studio_of
from .answers import Answer, Asked, Id, ReceiptView, receipt_view

router = APIRouter(tags=["jobs"])

JOBS_AN_HOUR = 60


class JobAsked(Asked):
    """A new job."""

    album_id: str = Field(pattern=r"^[0-9a-f]{8,32}$")
    wishes: Wishes = Wishes.model_validate({})


class Retouch(Asked):
    """What is to be different; what is left out stays as it was in the first job."""

    poses: tuple[str, ...] | None = Field(None, max_length=12)
    tone: str | None = Field(None, max_length=32)
    outfit: str | None = Field(None, max_length=64)
    backdrop: str | None = Field(None, max_length=64)
    count: int | None = Field(None, ge=1, le=MAX_PORTRAITS)
    visible_mark: bool | None = None


class Stage(Answer):
    """A stage of a job."""

    stage: str
    queued_at: float
    """Seconds since 1970, as all times."""
    started_at: float | None
    ended_at: float | None
    outcome: str | None
    """"done", "failed", "cancelled" or "lost"; None while it is under way."""


@router.get("/jobs")
def jobs(
    request: Request,
    visitor: Signed,
    album_id: Annotated[str | None, Query(pattern=r"^[0-9a-f]{8,32}$")] = None,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[JobView]:
    """Jobs, newest first."""
    studio = studio_of(request)
    rows = jobs_of_user(studio, visitor.user.id, album_id=album_id, state=state, limit=limit)
    return job_views(studio, _jobs(request), rows)


@router.post("/jobs", status_code=201)
def submit(request: Request, visitor: Signed, asked: JobAsked) -> JobView:
    """Ask for portraits; they are made while nobody waits."""
    studio = studio_of(request)
    album_of(studio, visitor.user.id, asked.album_id)
    limit(studio, "job", visitor.user.id, times=JOBS_AN_HOUR, per_s=3600)
    row = _jobs(request).submit(visitor.user.id, asked.album_id, asked.wishes)
    return job_view(studio, _jobs(request), row)


@router.get("/jobs/{job_id}")
def job(request: Request, visitor: Signed, job_id: Id) -> JobView:
    """Where it is: position, stage, time left, preview."""
    studio = studio_of(request)
    return job_view(studio, _jobs(request), job_of(studio, visitor.user.id, job_id))


@router.post("/jobs/{job_id}/cancel")
def cancel(request: Request, visitor: Signed, job_id: Id) -> JobView:
    """Stop it; it ends within about a second."""
    studio = studio_of(request)
    row = job_of(studio, visitor.user.id, job_id)
    _jobs(request).cancel(row.id)
    return job_view(studio, _jobs(request), job_of(studio, visitor.user.id, job_id))


@router.post("/jobs/{job_id}/retouch", status_code=201)
def retouch(request: Request, visitor: Signed, job_id: Id, asked: Retouch) -> JobView:
    """The same once more with another tone, pose, outfit or backdrop: only what changes is made again."""
    studio = studio_of(request)
    parent = job_of(studio, visitor.user.id, job_id)
    changed = {**parent.wishes, **asked.model_dump(exclude_unset=True, exclude_none=True)}
    try:
        wishes = Wishes.model_validate(changed)
    except ValidationError as error:
        raise _not_a_name() from error
    limit(studio, "job", visitor.user.id, times=JOBS_AN_HOUR, per_s=3600)
    row = _jobs(request).submit(visitor.user.id, parent.album_id, wishes, parent_id=parent.id)
    return job_view(studio, _jobs(request), row)


@router.get("/jobs/{job_id}/portraits")
def portraits(request: Request, visitor: Signed, job_id: Id) -> list[PortraitView]:
    """What came of it."""
    studio = studio_of(request)
    return portraits_of_job(studio, job_of(studio, visitor.user.id, job_id))


@router.get("/jobs/{job_id}/stages")
def stages(request: Request, visitor: Signed, job_id: Id) -> list[Stage]:
    """Its stages so far, with their times."""
    studio = studio_of(request)
    row = job_of(studio, visitor.user.id, job_id)
    with studio.db.session() as db:
        events = db.scalars(select(JobEvent).where(JobEvent.job_id == row.id).order_by(JobEvent.id))
        return [Stage.model_validate(event, from_attributes=True) for event in events]


@router.delete("/jobs/{job_id}/portraits")
def delete_portraits(request: Request, visitor: Signed, job_id: Id) -> ReceiptView:
    """Delete what came of it, for good."""
    from ...erasure import erase_portraits

    studio = studio_of(request)
    job_of(studio, visitor.user.id, job_id)
    return receipt_view(erase_portraits(studio, visitor.user.id, job_id, jobs=request.app.state.jobs))


def _jobs(request: Request) -> Jobs:
    found: Jobs = request.app.state.jobs
    return found


def _not_a_name() -> Refused:
    return Refused(
        "unknown-wish",
        en="One of the poses, the tone, the outfit or the backdrop does not exist.",
        ko="선택한 포즈, 톤, 의상 또는 배경 중 없는 것이 있습니다.",
        hint_en="GET /api/v1/options lists them.",
        hint_ko="GET /api/v1/options 에 목록이 있습니다.",
        status=422,
    )
