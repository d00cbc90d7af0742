"""Sends a mail about a job once more, when an operator says so.

A mail that is done with has lost what it was filled with (links are secrets), so it is filled anew from its
job.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import func, select, update

from .accounts import results_link
from .core import Studio
from .data import Job, Mail, Portrait
from .errors import BadInput
from .service_settings import DAY_S


def send_again(studio: Studio, mail: Mail) -> None:
    """Let an unclear or failed mail wait to be sent once more.

    Raises:
        BadInput: It is neither; or what it was about is no longer so; or it held a link to sign in.
    """
    if mail.state not in ("unclear", "failed"):
        raise BadInput(f"That mail is {mail.state}.", hint="Only unclear and failed ones are sent again.")
    params = _params(studio, mail)
    fresh: dict[str, Any] = {
        "state": "waiting",
        "params": params,
        "attempts": 0,
        "next_at": time.time(),
        "last_error": "",
        "claim": None,
        "claimed_at": None,
        "data_at": None,
    }
    with studio.db.session() as db:
        changed = db.execute(update(Mail).where(Mail.id == mail.id, Mail.state == mail.state).values(**fresh))
        if not changed.rowcount:  # type: ignore[attr-defined]  # an UPDATE's result has it
            raise BadInput(
                "Somebody else changed that mail just now.", hint="Look again: `studio mails list`"
            )


def _params(studio: Studio, mail: Mail) -> dict[str, Any]:
    if mail.template not in ("ready", "failed") or mail.job_id is None:
        raise BadInput(
            "The link of that mail is old by now.", hint="The person asks for another one on the page."
        )
    with studio.db.session() as db:
        job = db.get(Job, mail.job_id)
        portraits = db.scalar(select(func.count()).where(Portrait.job_id == mail.job_id)) or 0
    if job is None or job.deleted_at is not None:
        raise BadInput("What that mail is about was deleted.")
    if mail.template == "failed":
        if job.state != "failed" or not job.error:
            raise BadInput(f"That job is {job.state} now.", hint="A mail that it failed would be wrong.")
        return {"message": job.error["message"], "hint": job.error.get("hint", {}), "link": studio.public_url}
    expires_at = (job.finished_at or time.time()) + studio.settings.link_days * DAY_S
    if job.state != "done" or expires_at < time.time():
        raise BadInput(
            "The link to these portraits is past its time.", hint="The person finds them on the page."
        )
    return {"link": results_link(studio, job), "count": portraits, "expires_at": expires_at}
