"""What the page and the API show of a row: no paths, no hashes, no identifiers of other people.

The page and the API both use these, so that neither can show what the other must not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from .core import Studio
from .data import UNFINISHED, Album, Job, Photo, Portrait
from .refusals import Language
from .wishes import Wishes

if TYPE_CHECKING:
    from .jobs import Jobs

State = Literal["queued", "running", "done", "failed", "cancelled"]

STAGE_TITLES: dict[str, dict[Language, str]] = {
    "photos": {"ko": "사진 확인", "en": "Looking at the photos"},
    "training": {"ko": "얼굴 학습", "en": "Learning the face"},
    "choosing": {"ko": "가장 닮은 모델 고르기", "en": "Choosing the best likeness"},
    "drawing": {"ko": "사진 만들기", "en": "Making the portraits"},
    "delivery": {"ko": "마무리", "en": "Finishing"},
    "mail": {"ko": "메일 보내기", "en": "Sending the mail"},
}
"""The stages of a job in their order."""

PICTURE_TITLES: dict[str, dict[Language, str]] = {
    "txt2img": {"ko": "밑그림", "en": "First draft"},
    "img2img": {"ko": "다듬기", "en": "Refined"},
    "upscale": {"ko": "선명하게", "en": "Enlarged"},
    "grade": {"ko": "색감", "en": "Colours"},
    "finish": {"ko": "완성", "en": "Finished"},
}
"""What the stages of one picture are called; an unknown one is shown by its name."""


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Words(_View):
    """A text in both languages."""

    ko: str = ""
    en: str = ""

    def of(self, language: Language) -> str:
        """The text in a language."""
        return self.ko if language == "ko" else self.en


class ErrorView(_View):
    """Why something was refused, or a job failed."""

    code: str
    """Stable, for programs."""
    message: Words
    """What went wrong."""
    hint: Words = Words()
    """What to do now; empty when nothing can be done."""


class PhotoView(_View):
    """One photo and what was said of it."""

    id: str
    album_id: str
    name: str
    """What the user's device called it. Any characters: escape it."""
    width: int
    height: int
    accepted: bool | None
    """None while it was not judged yet."""
    reason: Words
    """Why it was accepted or not."""
    advice: Words
    """What would make it better; empty when it is fine."""
    face: tuple[float, float, float, float] | None
    """Left, top, width and height of the face in shares (0..1) of the photo's sides."""
    thumb_url: str
    created_at: float
    """Seconds since 1970."""


class AlbumView(_View):
    """One person's photos."""

    id: str
    title: str
    """Typed by the user: escape it."""
    subject: Literal["person", "woman", "man"]
    created_at: float
    """Seconds since 1970."""
    consent_at: float | None
    """When the statement was agreed to; None = not yet."""
    consent_version: str | None
    keep_photos_until: float | None
    """When photos and model are deleted by themselves; None before the first job."""
    photos_deleted_at: float | None
    model_deleted_at: float | None
    photo_count: int
    accepted_count: int
    """Photos that can be used."""
    photos: tuple[PhotoView, ...]
    jobs: tuple[str, ...]
    """Identifiers, newest first."""


class PictureView(_View):
    """A portrait as it was after one of its stages."""

    stage: str
    title: Words
    url: str
    likeness: float | None
    """0..1; None where it was not measured."""


class PortraitView(_View):
    """One delivered picture."""

    id: str
    job_id: str
    number: int
    pose: str
    pose_title: Words
    tone: str
    tone_title: Words
    likeness: float
    """0..1."""
    width: int
    height: int
    favourite: bool
    url: str
    """The picture itself."""
    thumb_url: str
    download_url: str
    """The same, as a file to be saved."""
    stages: tuple[PictureView, ...]
    """Before and after, in order."""
    created_at: float
    """Seconds since 1970."""


class JobView(_View):
    """One job: where it is, and what came of it."""

    id: str
    album_id: str
    parent_id: str | None
    """The job it is a retouch of."""
    wishes: Wishes
    state: State
    stage: str
    stage_title: Words
    waiting: bool
    """Whether it waits in a queue."""
    position: int | None
    """In the queue, 1 = next; None when it does not wait."""
    fraction: float = Field(ge=0, le=1)
    """Of the whole job."""
    time_left_s: float | None
    """None while nobody can say."""
    done_pictures: int
    total_pictures: int
    preview_url: str | None
    """The newest preview; another address with each."""
    cancelling: bool
    """Whether it was asked to stop and has not yet."""
    error: ErrorView | None
    """Why it failed."""
    created_at: float
    """Seconds since 1970, as all times."""
    started_at: float | None
    finished_at: float | None
    keep_until: float | None
    """When its results are deleted by themselves."""
    deleted_at: float | None
    """When they were."""
    portrait_count: int
    zip_url: str | None
    """All pictures; None while there are none."""
    report_url: str | None


def photo_view(photo: Photo) -> PhotoView:
    """What is shown of a photo."""
    verdict = photo.verdict or {}
    face = verdict.get("face")
    return PhotoView(
        id=photo.id,
        album_id=photo.album_id,
        name=photo.shown_name,
        width=photo.width,
        height=photo.height,
        accepted=photo.accepted,
        reason=_words(verdict.get("reason")),
        advice=_words(verdict.get("advice")),
        face=tuple(face) if face else None,
        thumb_url=f"/files/photos/{photo.id}/thumb",
        created_at=photo.created_at,
    )


def album_view(studio: Studio, album: Album) -> AlbumView:
    """What is shown of an album, its photos in the order they came."""
    return album_views(studio, [album])[0]


def album_views(studio: Studio, albums: Sequence[Album]) -> list[AlbumView]:
    """The same of several, in two queries."""
    ids = [album.id for album in albums]
    photos: dict[str, list[PhotoView]] = {album_id: [] for album_id in ids}
    job_ids: dict[str, list[str]] = {album_id: [] for album_id in ids}
    with studio.db.session() as db:
        for photo in db.scalars(select(Photo).where(Photo.album_id.in_(ids)).order_by(Photo.created_at)):
            photos[photo.album_id].append(photo_view(photo))
        asked = select(Job.album_id, Job.id).where(Job.album_id.in_(ids)).order_by(Job.created_at.desc())
        for album_id, job_id in db.execute(asked):
            job_ids[album_id].append(job_id)
    return [_album_view(album, tuple(photos[album.id]), tuple(job_ids[album.id])) for album in albums]


def _album_view(album: Album, shown: tuple[PhotoView, ...], job_ids: tuple[str, ...]) -> AlbumView:
    return AlbumView(
        id=album.id,
        title=album.title,
        subject=album.subject,  # type: ignore[arg-type]  # checked when it was made
        created_at=album.created_at,
        consent_at=album.consent_at,
        consent_version=album.consent_version,
        keep_photos_until=album.keep_photos_until,
        photos_deleted_at=album.photos_deleted_at,
        model_deleted_at=album.model_deleted_at,
        photo_count=len(shown),
        accepted_count=sum(photo.accepted is True for photo in shown),
        photos=shown,
        jobs=job_ids,
    )


def job_view(studio: Studio, jobs: Jobs, job: Job) -> JobView:
    """What is shown of a job."""
    return job_views(studio, jobs, [job])[0]


def job_views(studio: Studio, jobs: Jobs, rows: Sequence[Job]) -> list[JobView]:
    """The same of several; their portraits are counted together."""
    asked = select(Portrait.job_id, func.count()).where(Portrait.job_id.in_([job.id for job in rows]))
    with studio.db.session() as db:
        counts = dict(db.execute(asked.group_by(Portrait.job_id)).all())
    return [_job_view(studio, jobs, job, counts.get(job.id, 0)) for job in rows]


def _job_view(studio: Studio, jobs: Jobs, job: Job, count: int) -> JobView:
    waits = job.state == "queued" or (job.state == "running" and job.waiting)
    report = bool(count) and (studio.layout.job(job.user_id, job.id) / "report.html").is_file()
    return JobView(
        id=job.id,
        album_id=job.album_id,
        parent_id=job.parent_id,
        wishes=Wishes.model_validate(job.wishes),
        state=job.state,  # type: ignore[arg-type]
        stage=job.stage,
        stage_title=_title(STAGE_TITLES, job.stage),
        waiting=waits,
        position=jobs.position(job.id) if waits else None,
        fraction=min(1.0, max(0.0, job.fraction)),
        time_left_s=job.time_left_s,
        done_pictures=job.done_pictures,
        total_pictures=job.total_pictures,
        preview_url=f"/files/jobs/{job.id}/preview/{job.preview}" if job.preview else None,
        cancelling=job.cancel_asked_at is not None and job.state in UNFINISHED,
        error=ErrorView.model_validate(job.error) if job.error else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        keep_until=job.keep_until,
        deleted_at=job.deleted_at,
        portrait_count=count,
        zip_url=f"/files/jobs/{job.id}/all.zip" if count else None,
        report_url=f"/files/jobs/{job.id}/report" if report else None,
    )


def portrait_view(portrait: Portrait) -> PortraitView:
    """What is shown of a portrait."""
    base = f"/files/portraits/{portrait.id}"
    poses, tones = _library()
    return PortraitView(
        id=portrait.id,
        job_id=portrait.job_id,
        number=portrait.number,
        pose=portrait.pose,
        pose_title=_title(poses, portrait.pose),
        tone=portrait.tone,
        tone_title=_title(tones, portrait.tone),
        likeness=portrait.likeness,
        width=portrait.width,
        height=portrait.height,
        favourite=portrait.favourite,
        url=base,
        thumb_url=f"{base}/thumb",
        download_url=f"{base}?download=1",
        stages=tuple(
            PictureView(
                stage=str(entry["stage"]),
                title=_title(PICTURE_TITLES, str(entry["stage"])),
                url=f"{base}/stages/{number}",
                likeness=entry.get("likeness"),
            )
            for number, entry in enumerate(portrait.stages, start=1)
        ),
        created_at=portrait.created_at,
    )


def portraits_of_job(studio: Studio, job: Job) -> list[PortraitView]:
    """All portraits of a job in their order."""
    with studio.db.session() as db:
        rows = db.scalars(select(Portrait).where(Portrait.job_id == job.id).order_by(Portrait.number)).all()
    return [portrait_view(row) for row in rows]


def jobs_of_user(
    studio: Studio,
    user_id: str,
    *,
    album_id: str | None = None,
    state: State | None = None,
    limit: int = 50,
) -> list[Job]:
    """A user's jobs, newest first; of one album, or in one state, if that is asked for."""
    query = select(Job).where(Job.user_id == user_id).order_by(Job.created_at.desc()).limit(limit)
    if album_id is not None:
        query = query.where(Job.album_id == album_id)
    if state is not None:
        query = query.where(Job.state == state)
    with studio.db.session() as db:
        return list(db.scalars(query))


def albums_of_user(studio: Studio, user_id: str) -> list[Album]:
    """A user's albums, newest first."""
    query = select(Album).where(Album.user_id == user_id).order_by(Album.created_at.desc())
    with studio.db.session() as db:
        return list(db.scalars(query))


def _words(texts: Any) -> Words:
    return Words(ko=str(texts.get("ko", "")), en=str(texts.get("en", ""))) if texts else Words()


def _title(titles: Mapping[str, dict[Language, str]], name: str) -> Words:
    return _words(titles.get(name) or {"ko": name, "en": name})


@cache
def _library() -> tuple[dict[str, dict[Language, str]], dict[str, dict[Language, str]]]:
    """Titles of poses and tones; the prompt library is read once a process."""
    from prompt_library import load_library

    library = load_library()

    def titles(shelf: Mapping[str, Any]) -> dict[str, dict[Language, str]]:
        return {name: {"ko": item.title.ko, "en": item.title.en} for name, item in shelf.items()}

    return titles(library.poses), titles(library.tones)
