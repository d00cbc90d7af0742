"""Making an album, agreeing to its use, and whether a job can begin with it."""

from __future__ import annotations

import time

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ..access import album_of
from ..consent_texts import CONSENT
from ..core import Studio
from ..data import UNFINISHED, Album, Job, Photo
from ..refusals import Refused
from . import refusing
from .names import clean_name

SUBJECTS = ("person", "woman", "man")
"""What an album can be of; the class word of its prompts."""
ALBUMS_A_USER = 50
"""More is more likely a program gone wild than a wish."""
_TITLE = 80


def create_album(studio: Studio, user_id: str, *, title: str = "", subject: str = "person") -> Album:
    """Make an empty album.

    Args:
        studio: The studio.
        user_id: Whose.
        title: Shown only; cut to 80 characters.
        subject: One of `SUBJECTS`.

    Raises:
        Refused: `bad-subject`, or `too-many-albums`.
    """
    if subject not in SUBJECTS:
        raise refusing.bad_subject(SUBJECTS)
    album = Album(user_id=user_id, title=clean_name(title, longest=_TITLE), subject=subject)
    with refusing.told_when_full(), studio.db.session() as db:
        have = db.scalar(select(func.count()).select_from(Album).where(Album.user_id == user_id)) or 0
        if have >= ALBUMS_A_USER:
            raise refusing.too_many_albums(ALBUMS_A_USER)
        db.add(album)
    return album


def rename_album(studio: Studio, user_id: str, album_id: str, title: str) -> Album:
    """Give it another title; raises as `studio.access.album_of`."""
    album = album_of(studio, user_id, album_id)
    with studio.db.session() as db:
        db.execute(update(Album).where(Album.id == album.id).values(title=clean_name(title, longest=_TITLE)))
    return album_of(studio, user_id, album_id)


def give_consent(studio: Studio, user_id: str, album_id: str, *, version: str) -> Album:
    """Record that the statement was agreed to: which text, with which days, and when.

    Args:
        studio: The studio.
        user_id: Who agrees.
        album_id: To the use of which photos.
        version: `CONSENT.version` of the text that was shown.

    Raises:
        Refused: `consent-changed`: another text is in force now; or `not-found`.
    """
    album = album_of(studio, user_id, album_id)
    if version != CONSENT.version:
        raise refusing.consent_changed()
    with studio.db.session() as db:
        db.execute(
            update(Album)
            .where(Album.id == album.id)
            .values(consent_at=time.time(), consent_version=CONSENT.recorded(studio.settings))
        )
    return album_of(studio, user_id, album_id)


def album_ready(studio: Studio, album: Album) -> Refused | None:
    """Why no job can begin with this album, or None when one can."""
    from train_lora.limits import PhotoLimits

    with studio.db.session() as db:
        found = db.execute(select(Photo.accepted, Photo.verdict).where(Photo.album_id == album.id)).all()
    if not found and album.photos_deleted_at is not None:
        return refusing.photos_deleted()
    if album.consent_at is None:
        return refusing.consent_needed()
    if any(accepted is None for accepted, _ in found):
        return refusing.not_judged()
    if any(verdict.get("code") == "two_people" for _, verdict in found):
        return refusing.two_people()
    accepted, needed = sum(bool(accepted) for accepted, _ in found), PhotoLimits().min_photos
    return refusing.too_few_photos(accepted, needed) if accepted < needed else None


def require_unlocked(db: Session, album_id: str) -> None:
    """Raise `photos-locked` while a job of the album waits or runs."""
    busy = select(Job.id).where(Job.album_id == album_id, Job.state.in_(UNFINISHED)).limit(1)
    if db.scalar(busy) is not None:
        raise refusing.photos_locked()
