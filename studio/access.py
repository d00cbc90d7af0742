"""Whose is it? The one place where a row is handed out to somebody: a user gets his own, and no more."""

from __future__ import annotations

from typing import TypeVar

from .core import Studio
from .data import Album, Base, Job, Photo, Portrait
from .refusals import not_found

Owned = TypeVar("Owned", Album, Job, Photo, Portrait)


def album_of(studio: Studio, user_id: str, album_id: str) -> Album:
    """The user's album.

    Raises:
        Refused: `not-found`: there is none, or it is somebody else's.
    """
    return _own(studio, Album, user_id, album_id)


def photo_of(studio: Studio, user_id: str, photo_id: str) -> Photo:
    """The user's photo; raises as `album_of`."""
    return _own(studio, Photo, user_id, photo_id)


def job_of(studio: Studio, user_id: str, job_id: str) -> Job:
    """The user's job; raises as `album_of`."""
    return _own(studio, Job, user_id, job_id)


def portrait_of(studio: Studio, user_id: str, portrait_id: str) -> Portrait:
    """The user's portrait; raises as `album_of`."""
    return _own(studio, Portrait, user_id, portrait_id)


def _own(studio: Studio, kind: type[Owned], user_id: str, row_id: str) -> Owned:
    assert issubclass(kind, Base)
    with studio.db.session() as db:
        row = db.get(kind, row_id)
    if row is None or row.user_id != user_id:
        raise not_found()
    return row
