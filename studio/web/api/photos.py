"""Photos: sent, judged at once, removed."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from math import ceil
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from ...access import album_of, photo_of
from ...accounts import limit
from ...albums import add_photo, clean_name, judge_photos, remove_photo
from ...core import Studio
from ...data import Photo
from ...refusals import Refused
from ...views import PhotoView, photo_view
from ..judging import PATIENCE_S, Judging
from ..limits import MB, too_large
from ..multipart import malformed, received_files
from ..session import Signed, studio_of
from ..turns import in_turn
from .answers import (
    Done,
    Id,
    ReceiptView,
    RefusedPhoto,
    Uploaded,
    error_view,
    receipt_view,
)

router = APIRouter(tags=["photos"])

PHOTOS_AN_HOUR = 400
_MULTIPART = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo"],
                    "properties": {
                        "photo": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            }
        },
    }
}


def _own_album(request: Request, visitor: Signed, album_id: Id) -> str:
    """The album, if it is the visitor's: asked before a byte of the body is read."""
    return album_of(studio_of(request), visitor.user.id, album_id).id


Own = Annotated[str, Depends(_own_album)]


@router.post("/albums/{album_id}/photos", status_code=201, response_model=Uploaded, openapi_extra=_MULTIPART)
async def send_photos(
    request: Request,
    visitor: Signed,
    album: Own,
    judge: bool = True,
) -> Response:
    """Send one photo or many; each gets its verdict, or the reason why it was not taken.

    A photo without a verdict (`accepted` null) is judged a little later: many people send photos just now.
    With judge=false photos are only taken in. POST …/verdicts waits for all verdicts.
    """
    studio, user_id = studio_of(request), visitor.user.id
    taken: dict[str, None] = {}
    refused: list[tuple[str, Refused]] = []
    most = studio.settings.max_upload_mb * MB
    async with aclosing(received_files(request, studio.layout.tmp, max_bytes=most)) as files:
        async for file in files:
            name = clean_name(file.name)
            try:
                if file.path is None:
                    raise too_large(most)
                photo = await in_turn(request, "decoding", _take, studio, user_id, album, file.path, name)
                taken[photo.id] = None
            except Refused as error:
                refused.append((name, error))
                if error.status in (429, 507):
                    break
    if not taken and not refused:
        raise malformed()
    shown = [RefusedPhoto(name=name, error=error_view(error)) for name, error in refused]
    if not taken:
        return _nothing_taken(refused[0][1], shown)
    if judge:
        await _judge(request, studio, user_id, album, PATIENCE_S)
    photos = await run_in_threadpool(_views, studio, album, list(taken))
    return JSONResponse(Uploaded(photos=photos, refused=shown).model_dump(mode="json"), 201)


@router.get("/albums/{album_id}/photos")
def photos(request: Request, visitor: Signed, album_id: Id) -> list[PhotoView]:
    """The photos of an album in the order they came."""
    studio = studio_of(request)
    return _views(studio, album_of(studio, visitor.user.id, album_id).id, None)


@router.delete("/albums/{album_id}/photos")
def delete_photos(request: Request, visitor: Signed, album_id: Id) -> ReceiptView:
    """Delete all photos of an album, for good."""
    from ...erasure import erase_photos

    studio = studio_of(request)
    album_of(studio, visitor.user.id, album_id)
    return receipt_view(erase_photos(studio, visitor.user.id, album_id, jobs=request.app.state.jobs))


@router.post("/albums/{album_id}/verdicts")
async def judge_now(request: Request, visitor: Signed, album: Own) -> list[PhotoView]:
    """Judge the photos that are new, and all of them together."""
    studio = studio_of(request)
    await _judge(request, studio, visitor.user.id, album, None)
    return await run_in_threadpool(_views, studio, album, None)


@router.get("/photos/{photo_id}")
def photo(request: Request, visitor: Signed, photo_id: Id) -> PhotoView:
    """One photo."""
    return photo_view(photo_of(studio_of(request), visitor.user.id, photo_id))


@router.delete("/photos/{photo_id}")
async def delete_photo(request: Request, visitor: Signed, photo_id: Id) -> Done:
    """Delete one photo, for good; the others are compared anew."""
    await in_turn(request, "removing", remove_photo, studio_of(request), visitor.user.id, photo_id)
    return Done()


def _nothing_taken(first: Refused, shown: list[RefusedPhoto]) -> Response:
    """The first file's reason stands for the whole request."""
    more = {"refused": [entry.model_dump() for entry in shown]}
    headers = {} if first.retry_after_s is None else {"Retry-After": str(ceil(first.retry_after_s))}
    return JSONResponse({**first.to_json(), **more}, first.status, headers)


async def _judge(
    request: Request, studio: Studio, user_id: str, album_id: str, patience_s: float | None
) -> None:
    judging: Judging = request.app.state.judging
    work = partial(judge_photos, studio, user_id, album_id)
    await judging.judge(album_id, work, patience_s=patience_s)


def _take(studio: Studio, user_id: str, album_id: str, path: Path, name: str) -> Photo:
    """Count it, and take it in: both when its turn comes, so that only few threads wait for the database."""
    limit(studio, "upload", user_id, times=PHOTOS_AN_HOUR, per_s=3600)
    return add_photo(studio, user_id, album_id, path, name)


def _views(studio: Studio, album_id: str, only: list[str] | None) -> list[PhotoView]:
    asked = select(Photo).where(Photo.album_id == album_id).order_by(Photo.created_at, Photo.id)
    if only is not None:
        asked = asked.where(Photo.id.in_(only))
    with studio.db.session() as db:
        return [photo_view(row) for row in db.scalars(asked)]
