"""The mail that says how a job ended, asked for in the transaction that ends it: the one if and only if the
other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..core import Studio
from ..data import Job, Portrait, User
from ..service_settings import DAY_S

if TYPE_CHECKING:
    from collections.abc import Mapping


def tell(db: Session, studio: Studio, job: Job) -> None:
    """Ask for the mail of a job that was done, or failed; the same one however often."""
    from ..mail import post

    user = db.get(User, job.user_id)
    template = {"done": "ready", "failed": "failed"}.get(job.state)
    if user is None or template is None:
        return
    params = params_of(db, studio, job)
    key = f"job:{job.id}:{job.attempt}:{template}"
    post(studio, key=key, user=user, template=template, params=params, job_id=job.id, db=db)


def params_of(db: Session, studio: Studio, job: Job) -> Mapping[str, Any]:
    """What the mail of a job that is done, or failed, is filled with."""
    return _failed(studio, job) if job.state == "failed" else _ready(db, studio, job)


def _ready(db: Session, studio: Studio, job: Job) -> Mapping[str, Any]:
    from ..accounts import results_link

    assert job.finished_at is not None
    return {
        "link": results_link(studio, job),
        "count": db.scalar(select(func.count()).where(Portrait.job_id == job.id)) or 0,
        "expires_at": job.finished_at + studio.settings.link_days * DAY_S,
        "sandbox": _drawn_by_stand_in(studio, job),
    }


def _drawn_by_stand_in(studio: Studio, job: Job) -> bool:
    """Whether the sandbox drew any of the job's pictures, as its run says."""
    try:
        run = json.loads((studio.layout.job(job.user_id, job.id) / "run.json").read_text("utf-8"))
    except FileNotFoundError:
        return studio.sandbox
    webui = run["webui"]
    return any(server["sandbox"] for server in webui.get("servers", [webui]))


def _failed(studio: Studio, job: Job) -> Mapping[str, Any]:
    error: dict[str, Any] = job.error or {}
    nothing = {"ko": "", "en": ""}
    return {
        "message": error.get("message", nothing),
        "hint": error.get("hint", nothing),
        "link": f"{studio.public_url}/",
    }
