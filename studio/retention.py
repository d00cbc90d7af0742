"""What the service deletes by itself: photos, models and results after their time, and what takes room."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from .core import Studio
from .data import UNFINISHED, Album, ApiToken, Attempt, Flag, Job, Link, Mail, Photo, Receipt, SignedSession
from .erasing.files import remove
from .erasure import erase_model, erase_photos, erase_portraits, finish_erasures
from .service_settings import DAY_S

if TYPE_CHECKING:
    from pathlib import Path

    from .erasure import JobsClient

TMP_S = DAY_S
"""Uploads and archives on their way are never so old."""
ATTEMPTS_S = 2 * DAY_S
"""Longer than any rate limit looks back."""
LINKS_S = 7 * DAY_S
"""After it expired, or was used."""
MAILS_S = 90 * DAY_S
RECEIPTS_S = 365 * DAY_S
_FLAG = "sweep"

log = logging.getLogger(__name__)


def sweep(studio: Studio, *, jobs: JobsClient | None = None, every_s: float = 0.0) -> dict[str, int]:
    """Delete what is due, and finish deletions that were interrupted.

    Several processes may call it; what one has just done the others leave alone.

    Args:
        studio: The studio.
        jobs: Stops and forgets jobs; None opens a client when one is needed.
        every_s: Do nothing when somebody did it so short a time ago; 0 does it now.

    Returns:
        How many of each were deleted; empty when it was not time.
    """
    now = time.time()
    if not _claim(studio, now, every_s):
        return {}
    done = {
        "erasures": finish_erasures(studio, jobs=jobs),
        "albums": _photos(studio, now, jobs),
        "jobs": _results(studio, now, jobs),
        "tmp": _old_files(studio.layout.tmp, now - TMP_S),
        # Each holds an address and a link; when the longest-lived link ends, none is of use any more.
        "outbox": _old_files(studio.layout.outbox, now - studio.settings.link_days * DAY_S),
    }
    with studio.db.session() as db:
        done |= _rows(db, now)
    if any(done.values()):
        log.info("retention: %s", ", ".join(f"{number} {name}" for name, number in done.items() if number))
    return done


def _claim(studio: Studio, now: float, every_s: float) -> bool:
    """Whether it is time, and nobody else does it."""
    try:
        with studio.db.session() as db:
            if db.get(Flag, _FLAG) is None:
                db.add(Flag(key=_FLAG, at=now))
                return True
            due = update(Flag).where(Flag.key == _FLAG, Flag.at <= now - every_s).values(at=now)
            changed = db.execute(due)
            return bool(changed.rowcount)  # type: ignore[attr-defined]
    except IntegrityError:
        return False  # another process made the row between our look and our write


def photos_due_at(db: Session, studio: Studio, album: Album) -> float | None:
    """When an album's photos and models go: on the day its owner was told.

    That is so many days after the last thing that happened to it. None while a job is on its way, or when
    there is nothing left.
    """
    if album.photos_deleted_at is not None and album.model_deleted_at is not None:
        return None
    jobs = select(Job).where(Job.album_id == album.id)
    if db.scalar(select(func.count()).select_from(jobs.where(Job.state.in_(UNFINISHED)).subquery())):
        return None
    if album.keep_photos_until is not None:
        return album.keep_photos_until
    last_photo = db.scalar(select(func.max(Photo.created_at)).where(Photo.album_id == album.id))
    last_job = db.scalar(
        select(func.max(func.coalesce(Job.finished_at, Job.created_at))).where(Job.album_id == album.id)
    )
    last = max(album.created_at, last_photo or 0.0, last_job or 0.0)
    return last + studio.settings.photos_days * DAY_S


def _photos(studio: Studio, now: float, jobs: JobsClient | None) -> int:
    with studio.db.session() as db:
        albums = [
            (album, db.scalar(select(func.count()).where(Photo.album_id == album.id)) or 0)
            for album in db.scalars(select(Album))
            if (due := photos_due_at(db, studio, album)) is not None and due <= now
        ]
    deleted = 0
    for album, photos in albums:
        has_model = studio.layout.work(album.user_id, album.id).is_dir()
        if not photos and not has_model:
            continue
        if photos or album.photos_deleted_at is None:
            erase_photos(studio, album.user_id, album.id, jobs=jobs)
        if has_model and album.model_deleted_at is None:
            erase_model(studio, album.user_id, album.id, jobs=jobs)
        deleted += 1
    return deleted


def _results(studio: Studio, now: float, jobs: JobsClient | None) -> int:
    """Results whose time is over; of jobs that failed or were stopped as well."""
    ended = func.coalesce(Job.finished_at, Job.created_at) + studio.settings.results_days * DAY_S
    with studio.db.session() as db:
        due = list(
            db.scalars(
                select(Job).where(
                    Job.deleted_at.is_(None),
                    Job.state.not_in(UNFINISHED),
                    func.coalesce(Job.keep_until, ended) <= now,
                )
            )
        )
    for job in due:
        erase_portraits(studio, job.user_id, job.id, jobs=jobs)
    return len(due)


def _old_files(folder: Path, before: float) -> int:
    removed = 0
    for path in folder.iterdir():
        try:
            if path.lstat().st_mtime < before:
                remove(path)
                removed += 1
        except FileNotFoundError:
            continue  # its owner was done with it
    return removed


def _rows(db: Session, now: float) -> dict[str, int]:
    gone = {
        "attempts": delete(Attempt).where(Attempt.at < now - ATTEMPTS_S),
        "links": delete(Link).where(Link.expires_at < now - LINKS_S),
        "sessions": delete(SignedSession).where(SignedSession.expires_at < now),
        "tokens": delete(ApiToken).where(ApiToken.expires_at.is_not(None), ApiToken.expires_at < now),
        "mails": delete(Mail).where(
            Mail.state.in_(("sent", "failed", "unclear")), Mail.created_at < now - MAILS_S
        ),
        "receipts": delete(Receipt).where(Receipt.state == "done", Receipt.at < now - RECEIPTS_S),
    }
    return {name: int(db.execute(query).rowcount) for name, query in gone.items()}  # type: ignore[attr-defined]
