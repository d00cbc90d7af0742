"""Portraits: listed, marked as favourites, measured for ID photos. Their files are at /files/portraits/…"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy import select, update

from ...access import portrait_of
from ...data import Portrait
from ...views import PortraitView, portrait_view
from ..files import make_id_photo_of
from ..session import Signed, studio_of
from ..turns import in_turn
from .answers import Answer, Asked, Id

router = APIRouter(tags=["portraits"])


class Favourite(Asked):
    """Whether it is one."""

    favourite: bool


class IdPhotoView(Answer):
    """How a portrait would look as an ID photo: measured in print."""

    kind: str
    head_mm: float
    """Chin to the top of the hair."""
    eyes_mm: float
    """Line through the eyes above the lower edge."""
    tilt_deg: float
    """How far the head was turned upright."""
    warnings: dict[str, list[str]]
    """Language -> what the user has to know."""
    url: str
    """The single photo."""
    sheet_url: str
    """A 4x6 in sheet to print."""


@router.get("/portraits")
def portraits(
    request: Request,
    visitor: Signed,
    favourite: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> list[PortraitView]:
    """All portraits, newest first."""
    asked = select(Portrait).where(Portrait.user_id == visitor.user.id)
    if favourite is not None:
        asked = asked.where(Portrait.favourite.is_(favourite))
    with studio_of(request).db.session() as db:
        found = db.scalars(asked.order_by(Portrait.created_at.desc(), Portrait.number).limit(limit))
        return [portrait_view(row) for row in found]


@router.get("/portraits/{portrait_id}")
def portrait(request: Request, visitor: Signed, portrait_id: Id) -> PortraitView:
    """One portrait."""
    return portrait_view(portrait_of(studio_of(request), visitor.user.id, portrait_id))


@router.put("/portraits/{portrait_id}/favourite")
def mark_favourite(request: Request, visitor: Signed, portrait_id: Id, asked: Favourite) -> PortraitView:
    """Mark it, or take the mark back."""
    studio = studio_of(request)
    row = portrait_of(studio, visitor.user.id, portrait_id)
    with studio.db.session() as db:
        db.execute(update(Portrait).where(Portrait.id == row.id).values(favourite=asked.favourite))
    return portrait_view(portrait_of(studio, visitor.user.id, portrait_id))


@router.get("/portraits/{portrait_id}/id-photo")
async def id_photo(
    request: Request, visitor: Signed, portrait_id: Id, kind: Annotated[str, Query(max_length=32)]
) -> IdPhotoView:
    """Measure a portrait for an ID photo; GET /options lists the kinds."""
    studio = studio_of(request)

    def make() -> IdPhotoView:
        photo = make_id_photo_of(studio, portrait_of(studio, visitor.user.id, portrait_id), kind)
        base = f"/files/portraits/{portrait_id}/id-photo?kind={kind}"
        return IdPhotoView(
            kind=kind,
            head_mm=photo.head_mm,
            eyes_mm=photo.eyes_mm,
            tilt_deg=photo.tilt_deg,
            warnings={language: list(texts) for language, texts in photo.warnings.items()},
            url=base,
            sheet_url=f"{base}&layout=sheet",
        )

    return await in_turn(request, "cutting", make)
