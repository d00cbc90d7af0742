"""Pictures for the one they belong to: `studio.access` says whose a row is, the layout where its file is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import select

from ..access import job_of, photo_of, portrait_of
from ..albums import thumb_file
from ..core import Studio
from ..data import Job, Portrait
from ..refusals import Refused, not_found
from .sending import inside, send_bytes, send_file, send_zip
from .session import Signed, studio_of
from .turns import in_turn

if TYPE_CHECKING:
    from stages.id_photos import IdPhoto

router = APIRouter(prefix="/files", tags=["files"], include_in_schema=False)

_PREVIEW = re.compile(r"preview-\d{1,9}\.jpg")
REPORT_CSP = (
    # Its script enlarges pictures; in a sandbox it has no origin, so it reaches neither cookies nor the API.
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "sandbox allow-scripts; frame-ancestors 'none'"
)


@router.get("/photos/{photo_id}/thumb")
def photo_thumb(request: Request, visitor: Signed, photo_id: str) -> Response:
    """A photo, small."""
    studio = studio_of(request)
    photo = photo_of(studio, visitor.user.id, photo_id)
    path = thumb_file(studio, photo)
    return send_file(request, inside(path.parent, path.name))


@router.get("/portraits/{portrait_id}")
def portrait(request: Request, visitor: Signed, portrait_id: str, download: bool = False) -> Response:
    """A portrait as it was delivered."""
    studio = studio_of(request)
    return send_portrait(request, studio, portrait_of(studio, visitor.user.id, portrait_id), download)


@router.get("/portraits/{portrait_id}/thumb")
def portrait_thumb(request: Request, visitor: Signed, portrait_id: str) -> Response:
    """A portrait, small."""
    studio = studio_of(request)
    return send_thumb(request, studio, portrait_of(studio, visitor.user.id, portrait_id))


@router.get("/portraits/{portrait_id}/stages/{number}")
def portrait_stage(request: Request, visitor: Signed, portrait_id: str, number: int) -> Response:
    """A portrait as it was after a stage; 1 is the first."""
    studio = studio_of(request)
    row = portrait_of(studio, visitor.user.id, portrait_id)
    if not 1 <= number <= len(row.stages):
        raise not_found()
    return send_file(request, inside(_folder(studio, row), str(row.stages[number - 1]["file"])))


@router.get("/portraits/{portrait_id}/id-photo")
async def id_photo(
    request: Request,
    visitor: Signed,
    portrait_id: str,
    kind: Annotated[str, Query(max_length=32)],
    layout: Literal["single", "sheet"] = "single",
    paper: Annotated[str, Query(max_length=16)] = "4x6in",
    download: bool = False,
) -> Response:
    """A portrait as an ID photo, one by one or as a sheet to print."""
    from stages.id_photos import PAPERS, print_sheet

    if paper not in PAPERS:
        raise not_found()
    studio = studio_of(request)

    def make() -> Response:
        row = portrait_of(studio, visitor.user.id, portrait_id)
        photo = make_id_photo_of(studio, row, kind)
        data = print_sheet(photo, paper=paper) if layout == "sheet" else photo.jpeg
        name = f"{kind}{f'-{paper}' if layout == 'sheet' else ''}-{row.number:02d}.jpg"
        return send_bytes(data, "image/jpeg", download=name if download else None)

    return await in_turn(request, "cutting", make)


@router.get("/jobs/{job_id}/preview/{name}")
def preview(request: Request, visitor: Signed, job_id: str, name: str) -> Response:
    """What a job is drawing just now."""
    studio = studio_of(request)
    job = job_of(studio, visitor.user.id, job_id)
    if not _PREVIEW.fullmatch(name):
        raise not_found()
    return send_file(request, inside(studio.layout.job(job.user_id, job.id), name))


@router.get("/jobs/{job_id}/all.zip")
def all_pictures(request: Request, visitor: Signed, job_id: str, favourites: bool = False) -> Response:
    """All portraits of a job, or those marked as favourites."""
    studio = studio_of(request)
    return send_all(studio, job_of(studio, visitor.user.id, job_id), favourites=favourites)


@router.get("/jobs/{job_id}/report")
def report(request: Request, visitor: Signed, job_id: str) -> Response:
    """How the portraits came about: a page with its own pictures in it."""
    studio = studio_of(request)
    job = job_of(studio, visitor.user.id, job_id)
    path = inside(studio.layout.job(job.user_id, job.id), "report.html")
    response = send_file(request, path)
    response.headers["Content-Type"] = "text/html; charset=utf-8"
    response.headers["Content-Security-Policy"] = REPORT_CSP
    return response


def send_portrait(request: Request, studio: Studio, row: Portrait, download: bool) -> Response:
    """The portrait's own file."""
    path = inside(_folder(studio, row), row.file)
    return send_file(request, path, download=f"portrait-{path.name}" if download else None)


def send_thumb(request: Request, studio: Studio, row: Portrait) -> Response:
    """The portrait, small."""
    from ..work.finishing import thumb_of

    return send_file(request, inside(_folder(studio, row), thumb_of(row.number)))


def send_all(studio: Studio, job: Job, *, favourites: bool = False) -> Response:
    """A zip of a job's portraits."""
    asked = select(Portrait).where(Portrait.job_id == job.id).order_by(Portrait.number)
    if favourites:
        asked = asked.where(Portrait.favourite.is_(True))
    with studio.db.session() as db:
        rows = list(db.scalars(asked))
    folder = studio.layout.job(job.user_id, job.id)
    files = [(Path(row.file).name, inside(folder, row.file)) for row in rows]
    return send_zip(files, f"portraits-{job.id[:8]}.zip")


def make_id_photo_of(studio: Studio, row: Portrait, kind: str) -> IdPhoto:
    """A portrait cut to an ID photo.

    Raises:
        Refused: `not-found`, or why it cannot be made of this picture (422).
    """
    from stages.id_photos import IdPhotoError, make_id_photo

    data = inside(_folder(studio, row), row.file).read_bytes()
    try:
        return make_id_photo(data, kind)
    except IdPhotoError as error:
        raise Refused(f"id-photo-{error.code}", en=error.en, ko=error.ko, status=422) from error


def _folder(studio: Studio, row: Portrait) -> Path:
    return studio.layout.job(row.user_id, row.job_id)
