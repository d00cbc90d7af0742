"""What belongs to photos, a model, a job, an album or an account: its files and its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..core import Studio
from ..data import Album, Job, Photo, Portrait
from ..work.used import FOLDER as USED
from ..work.used import used_by
from . import models
from .store import unneeded

What = Literal["photos", "model", "portraits", "job", "album", "account"]

_OF_PHOTOS = ("dataset", "last", "store", "training", "ahead", "made.json")
"""What of a work folder is made of all photos together, or of no use without one of them."""
_SHOWING_PHOTOS = ("raw", "report.html", "report.html.part", "run.json", "run.json.part")
"""What of a job's folder shows the photos, or tells of them."""


@dataclass(frozen=True)
class Target:
    """Identifiers of what is deleted; they say nothing of anybody."""

    what: What
    user: str
    albums: tuple[str, ...] = ()
    """Those whose work folders are touched."""
    jobs: tuple[str, ...] = ()
    """Those that are stopped before; with portraits, job, album and account they go."""

    def to_json(self) -> dict[str, Any]:
        """As an unfinished receipt keeps it."""
        return {"user": self.user, "albums": list(self.albums), "jobs": list(self.jobs)}

    @classmethod
    def from_json(cls, what: str, content: dict[str, Any]) -> Target:
        """The reverse of `to_json`."""
        return cls(what, content["user"], tuple(content["albums"]), tuple(content["jobs"]))  # type: ignore[arg-type]

    def now(self, db: Session) -> Target:
        """With the albums and jobs that came after the deletion was asked for."""
        if self.what in ("portraits", "job"):
            return self
        albums, jobs = self.albums, self.jobs
        if self.what == "account":
            albums += tuple(db.scalars(select(Album.id).where(Album.user_id == self.user)))
            jobs += tuple(db.scalars(select(Job.id).where(Job.user_id == self.user)))
        jobs += tuple(db.scalars(select(Job.id).where(Job.album_id.in_(albums))))
        return replace(self, albums=tuple(dict.fromkeys(albums)), jobs=tuple(dict.fromkeys(jobs)))

    @property
    def with_model(self) -> bool:
        """Whether trained models go."""
        return self.what in ("model", "album", "account")

    @property
    def with_results(self) -> bool:
        """Whether the jobs' results go."""
        return self.what in ("portraits", "job", "album", "account")

    def works(self, studio: Studio) -> list[Path]:
        """The albums' work folders."""
        return [studio.layout.work(self.user, album) for album in self.albums]


def files_of(studio: Studio, target: Target) -> list[Path]:
    """Files and folders that go; the albums' locks must be held."""
    layout, user = studio.layout, target.user
    if target.what == "account":
        return [layout.user(user)]
    job_folders = [layout.job(user, job) for job in target.jobs]
    if target.what == "album":
        return [*(layout.album(user, album) for album in target.albums), *job_folders]
    works = target.works(studio)
    if target.what == "model":
        return [path for work in works for path in models.files_of(work)]
    if target.what == "photos":
        found = [
            path
            for album in target.albums
            for path in (layout.photos(user, album), layout.thumbs(user, album))
        ]
        found += [work / "screened" for work in works]
        return [*(path for path in found if path.exists()), *made_of_photos(works, job_folders)]
    return [*job_folders, *(path for work in works for path in _pictures_of(work, target.jobs))]


def made_of_photos(works: Sequence[Path], job_folders: Sequence[Path]) -> list[Path]:
    """What jobs made of photos and what shows them; goes with the first photo that goes."""
    found = [work / name for work in works for name in _OF_PHOTOS]
    found += [folder / name for folder in job_folders for name in _SHOWING_PHOTOS]
    # Half a set of training pictures, of a run that was killed (train_lora/dataset.py).
    found += [path for work in works for path in work.glob(".*.part")]
    return [path for path in found if path.exists()]


def late_uploads(studio: Studio, target: Target) -> list[Path]:
    """Where uploads lie that came while the rest was being deleted."""
    if target.what not in ("photos", "album", "account"):
        return []
    layout, user = studio.layout, target.user
    return [
        folder
        for album in target.albums
        for folder in (layout.photos(user, album), layout.thumbs(user, album))
    ]


def _pictures_of(work: Path, jobs: Sequence[str]) -> list[Path]:
    """Pictures in the album's store that only these jobs used, and the notes of it."""
    notes = work / USED
    others = [path.name for path in notes.glob("*") if path.name not in jobs]
    pictures = used_by(work, jobs) - used_by(work, others)
    return [*(notes / job for job in jobs), *unneeded(work / "store", pictures=pictures)]


def count(db: Session, target: Target) -> dict[str, int]:
    """How many photos, portraits and jobs go."""
    photos = portraits = 0
    if target.what in ("photos", "album", "account"):
        photos = _number(db, select(func.count()).where(Photo.album_id.in_(target.albums)))
    if target.with_results:
        portraits = _number(db, select(func.count()).where(Portrait.job_id.in_(target.jobs)))
    jobs = len(target.jobs) if target.what in ("job", "album", "account") else 0
    return {"photos": photos, "portraits": portraits, "jobs": jobs}


def _number(db: Session, query: Any) -> int:
    return int(db.scalar(query) or 0)


def delete_rows(db: Session, target: Target, now: float) -> None:
    """Delete or empty the rows, but an account's own."""
    if target.what in ("photos", "model"):
        for album in db.scalars(select(Album).where(Album.id.in_(target.albums))):
            if target.what == "model":
                album.model_deleted_at = now
                continue
            album.photos_deleted_at, album.keep_photos_until = now, None
            # Other photos may show somebody else: the statement is asked for again.
            album.consent_at = album.consent_version = None
            for photo in db.scalars(select(Photo).where(Photo.album_id == album.id)):
                db.delete(photo)
    elif target.what == "portraits":
        for job in db.scalars(select(Job).where(Job.id.in_(target.jobs))):
            job.deleted_at, job.preview, job.keep_until, job.note = now, None, None, ""
            for portrait in db.scalars(select(Portrait).where(Portrait.job_id == job.id)):
                db.delete(portrait)
    else:
        _delete_all(db, target)


def _delete_all(db: Session, target: Target) -> None:
    for job in db.scalars(select(Job).where(Job.id.in_(target.jobs))):
        db.delete(job)
    if target.what in ("album", "account"):
        db.flush()
        for album in db.scalars(select(Album).where(Album.id.in_(target.albums))):
            db.delete(album)
