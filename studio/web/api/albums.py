"""Albums: one person's photos, what was agreed to, and what they would cost."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from ...access import album_of
from ...accounts import limit
from ...albums import album_advice, create_album, give_consent, rename_album
from ...consent_texts import CONSENT
from ...views import AlbumView, Words, album_view, album_views, albums_of_user
from ...wishes import Wishes
from ..session import Signed, signed_in, studio_of
from .answers import Answer, Asked, EstimateView, Id, ReceiptView, estimate_view, receipt_view

router = APIRouter(tags=["albums"])

ALBUMS_AN_HOUR = 60
ESTIMATES_A_MINUTE = 120


class AlbumAsked(Asked):
    """A new album."""

    title: str = Field("", max_length=200)
    """Shown only."""
    subject: Literal["person", "woman", "man"] = "person"
    """Whose portraits they will be."""


class Rename(Asked):
    """What may be changed."""

    title: str = Field(max_length=200)


class Agreed(Asked):
    """The statement was agreed to."""

    version: str = Field(max_length=32)
    """Of the text that was shown, from GET /consent."""


class ConsentView(Answer):
    """What is to be agreed to before anything is made."""

    version: str
    text: Words


@router.get("/consent", dependencies=[Depends(signed_in)])
def consent_text(request: Request) -> ConsentView:
    """The statement, with how long things are kept here."""
    settings = studio_of(request).settings
    return ConsentView(
        version=CONSENT.version, text=Words(ko=CONSENT.text("ko", settings), en=CONSENT.text("en", settings))
    )


@router.get("/albums")
def albums(request: Request, visitor: Signed) -> list[AlbumView]:
    """All albums, newest first."""
    studio = studio_of(request)
    return album_views(studio, albums_of_user(studio, visitor.user.id))


@router.post("/albums", status_code=201)
def make_album(request: Request, visitor: Signed, asked: AlbumAsked) -> AlbumView:
    """Make an empty album."""
    studio = studio_of(request)
    limit(studio, "album", visitor.user.id, times=ALBUMS_AN_HOUR, per_s=3600)
    album = create_album(studio, visitor.user.id, title=asked.title, subject=asked.subject)
    return album_view(studio, album)


@router.get("/albums/{album_id}")
def album(request: Request, visitor: Signed, album_id: Id) -> AlbumView:
    """One album with its photos."""
    studio = studio_of(request)
    return album_view(studio, album_of(studio, visitor.user.id, album_id))


@router.patch("/albums/{album_id}")
def change_album(request: Request, visitor: Signed, album_id: Id, asked: Rename) -> AlbumView:
    """Give it another title."""
    studio = studio_of(request)
    return album_view(studio, rename_album(studio, visitor.user.id, album_id, asked.title))


@router.delete("/albums/{album_id}")
def delete_album(request: Request, visitor: Signed, album_id: Id) -> ReceiptView:
    """Delete it with photos, model, jobs and portraits, for good."""
    from ...erasure import erase_album

    studio = studio_of(request)
    album_of(studio, visitor.user.id, album_id)
    return receipt_view(erase_album(studio, visitor.user.id, album_id, jobs=request.app.state.jobs))


@router.delete("/albums/{album_id}/model")
def delete_model(request: Request, visitor: Signed, album_id: Id) -> ReceiptView:
    """Delete what was learned of the face, also in the WebUI's models folder."""
    from ...erasure import erase_model

    studio = studio_of(request)
    album_of(studio, visitor.user.id, album_id)
    return receipt_view(erase_model(studio, visitor.user.id, album_id, jobs=request.app.state.jobs))


@router.post("/albums/{album_id}/consent")
def agree(request: Request, visitor: Signed, album_id: Id, asked: Agreed) -> AlbumView:
    """Record that the statement was agreed to."""
    studio = studio_of(request)
    return album_view(studio, give_consent(studio, visitor.user.id, album_id, version=asked.version))


@router.get("/albums/{album_id}/advice")
def advice(request: Request, visitor: Signed, album_id: Id) -> list[Words]:
    """What would make the whole set better."""
    found = album_advice(studio_of(request), visitor.user.id, album_id)
    return [Words(ko=text["ko"], en=text["en"]) for text in found]


@router.post("/albums/{album_id}/estimate")
def cost(request: Request, visitor: Signed, album_id: Id, wishes: Wishes) -> EstimateView:
    """What a job with these wishes would cost in minutes, now."""
    from ...estimate import estimate

    studio = studio_of(request)
    album_of(studio, visitor.user.id, album_id)
    limit(studio, "estimate", visitor.user.id, times=ESTIMATES_A_MINUTE, per_s=60)
    return estimate_view(estimate(studio, visitor.user.id, album_id, wishes))
