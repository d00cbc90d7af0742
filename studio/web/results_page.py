"""What a mail's signed link shows: a job's portraits, without an account, until the link ends."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ..accounts import open_results_link
from ..core import Studio
from ..data import Job, Portrait, User
from ..refusals import Language, Refused, not_found
from ..service_settings import DAY_S
from ..views import portraits_of_job
from .files import send_all, send_portrait, send_thumb
from .pages import day, language_of, render, spoken_in
from .session import studio_of

router = APIRouter(prefix="/r", include_in_schema=False)


@router.get("/{token}")
def results(request: Request, token: str) -> Response:
    """The gallery of one job."""
    studio = studio_of(request)
    job = open_results_link(studio, token)
    if job is None or job.finished_at is None:
        return render(request, "results_dead.html", status=410)
    language = _language(request, studio, job)
    until = min(job.finished_at + studio.settings.link_days * DAY_S, job.keep_until or float("inf"))
    values = {
        "portraits": portraits_of_job(studio, job),
        "base": f"/r/{token}",
        "until": day(until, spoken_in(request, language)),
    }
    return render(request, "results.html", values, language=language)


@router.get("/{token}/portraits/{portrait_id}")
def portrait(request: Request, token: str, portrait_id: str, download: bool = False) -> Response:
    """One of its portraits."""
    studio = studio_of(request)
    return send_portrait(request, studio, _portrait(studio, token, portrait_id), download)


@router.get("/{token}/portraits/{portrait_id}/thumb")
def portrait_thumb(request: Request, token: str, portrait_id: str) -> Response:
    """One of its portraits, small."""
    studio = studio_of(request)
    return send_thumb(request, studio, _portrait(studio, token, portrait_id))


@router.get("/{token}/all.zip")
def all_pictures(request: Request, token: str) -> Response:
    """All of its portraits."""
    studio = studio_of(request)
    return send_all(studio, _job(studio, token))


def _job(studio: Studio, token: str) -> Job:
    job = open_results_link(studio, token)
    if job is None:
        raise Refused(
            "dead-link",
            en="This link shows nothing any more.",
            ko="더 이상 볼 수 없는 링크입니다.",
            hint_en="What is still kept you see when you sign in.",
            hint_ko="아직 보관 중인 사진은 로그인해서 보실 수 있습니다.",
            status=410,
        )
    return job


def _portrait(studio: Studio, token: str, portrait_id: str) -> Portrait:
    job = _job(studio, token)
    with studio.db.session() as db:
        row = db.get(Portrait, portrait_id)
    if row is None or row.job_id != job.id:
        raise not_found()
    return row


def _language(request: Request, studio: Studio, job: Job) -> Language:
    """The account's: the mail came in it. The reader may choose the other."""
    with studio.db.session() as db:
        user = db.get(User, job.user_id)
    return user.language if user is not None else language_of(request)  # type: ignore[return-value]
