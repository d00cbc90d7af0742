"""What each screen's template is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from prompt_library import load_library

from ...access import portrait_of
from ...data import Portrait, Receipt
from ...views import PortraitView, album_view, album_views, job_view, job_views, portrait_view
from ...wishes import MAX_PORTRAITS, Wishes
from .figures import pose_figure
from .place import Step

if TYPE_CHECKING:
    from .scene import Scene

STAGES = ("photos", "training", "choosing", "drawing", "delivery")
"""Shown as steps; the mail is no step anybody waits for."""
_AFTER_TRAINING = ("choosing", "drawing", "delivery", "mail")


def _photos(scene: Scene) -> dict[str, Any]:
    from ...consent_texts import CONSENT

    settings = scene.studio.settings
    view = album_view(scene.studio, scene.album) if scene.album else None
    return {
        "view": view,
        "unjudged": any(photo.accepted is None for photo in view.photos) if view else False,
        "ready": _ready(scene),
        "consent_version": CONSENT.version,
        "consent_text": CONSENT.text(scene.language, settings),
        "agreed": view is not None and (view.consent_version or "").split(" ")[0] == CONSENT.version,
        "max_mb": settings.max_upload_mb,
        "max_photos": settings.max_photos,
    }


def _wishes(scene: Scene) -> dict[str, Any]:
    from ...estimate import estimate

    if scene.album is None:
        return {
            "wishes": Wishes.model_validate({}),
            "ready": _ready(scene),
            "estimate": None,
            **_choices(scene),
        }
    wishes = Wishes.model_validate(scene.album.wishes or {})
    ready = _ready(scene)
    price = estimate(scene.studio, scene.user.id, scene.album.id, wishes) if ready is None else None
    return {"wishes": wishes, "ready": ready, "estimate": price, **_choices(scene)}


def _job(scene: Scene) -> dict[str, Any]:
    job = scene.job
    others = [other for other in scene.jobs if job is None or other.id != job.id][:8]
    if job is None:
        return {"view": None, "others": others}
    view = job_view(scene.studio, scene.services, job)
    return {"view": view, "others": others, "stages": STAGES, "reached": _reached(view.stage, view.state)}


def _gallery(scene: Scene) -> dict[str, Any]:
    rows = [job for job in scene.album_jobs() if job.state == "done"]
    portraits = _portraits(scene, [job.id for job in rows])
    views = job_views(scene.studio, scene.services, [job for job in rows if portraits.get(job.id)])
    return {"sets": [(view, portraits[view.id]) for view in views]}


def _portrait(scene: Scene) -> dict[str, Any]:
    from stages.id_photos import ID_FORMATS

    assert scene.job is not None
    view = portrait_view(portrait_of(scene.studio, scene.user.id, scene.place.id or ""))
    parent = Wishes.model_validate(scene.job.wishes)
    return {
        "view": view,
        "formats": ID_FORMATS,
        "parent": parent,
        "gone": scene.album is None or scene.album.photos_deleted_at is not None,
        **_choices(scene),
    }


def _data(scene: Scene) -> dict[str, Any]:
    from ..receipts import receipt_lines

    albums = []
    for album, view in zip(scene.albums, album_views(scene.studio, scene.albums), strict=True):
        jobs = [job for job in scene.jobs if job.album_id == album.id]
        portraits = _portraits(scene, [job.id for job in jobs])
        trained = any(job.state == "done" or job.stage in _AFTER_TRAINING for job in jobs)
        albums.append(
            {
                "row": album,
                "view": view,
                "model": trained and album.model_deleted_at is None,
                "sets": [(job, portraits[job.id]) for job in jobs if portraits.get(job.id)],
            }
        )
    query = select(Receipt).where(Receipt.user_id == scene.user.id).order_by(Receipt.at.desc()).limit(20)
    with scene.studio.db.session() as db:
        receipts = [(row, receipt_lines(row, scene.language)) for row in db.scalars(query)]
    return {"kept": albums, "receipts": receipts}


def _portraits(scene: Scene, job_ids: list[str]) -> dict[str, list[PortraitView]]:
    found: dict[str, list[PortraitView]] = {}
    query = select(Portrait).where(Portrait.job_id.in_(job_ids)).order_by(Portrait.number)
    with scene.studio.db.session() as db:
        for row in db.scalars(query):
            found.setdefault(row.job_id, []).append(portrait_view(row))
    return found


def _choices(scene: Scene) -> dict[str, Any]:
    library = load_library()
    return {
        "library": library,
        "poses": [(name, pose, pose_figure(name)) for name, pose in library.poses.items()],
        "max_count": MAX_PORTRAITS,
        "mark": scene.studio.settings.visible_mark,
    }


def _ready(scene: Scene) -> dict[str, str] | None:
    """Why no job can begin, in the page's language; None when one can."""
    from ...albums import album_ready

    if scene.album is None:
        return {"text": "", "hint": ""}
    refusal = album_ready(scene.studio, scene.album)
    if refusal is None:
        return None
    return {"text": refusal.texts[scene.language], "hint": refusal.hints[scene.language]}


def _reached(stage: str, state: str) -> int:
    """How many of the steps are behind."""
    if state == "done" or stage not in STAGES:
        return len(STAGES)
    return STAGES.index(stage)


SCREENS: Mapping[Step, Callable[[Scene], dict[str, Any]]] = {
    "photos": _photos,
    "wishes": _wishes,
    "job": _job,
    "gallery": _gallery,
    "portrait": _portrait,
    "data": _data,
}
