"""Sends a mail about a job once more, when an operator says so.

A mail that is done with has lost what it was filled with (links are secrets), so it is filled anew from its
job.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from .core import Studio
from .data import Job, Mail
from .errors import BadInput
from .jobs.telling import params_of


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
        "params": dict(params),
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


def _params(studio: Studio, mail: Mail) -> Mapping[str, Any]:
    if mail.template not in ("ready", "failed") or mail.job_id is None:
        raise BadInput(
            "The link of that mail is old by now.", hint="The person asks for another one on the page."
        )
    with studio.db.session() as db:
        job = db.get(Job, mail.job_id)
        if job is None or job.deleted_at is not None:
            raise BadInput("What that mail is about was deleted.")
        if job.state != {"ready": "done", "failed": "failed"}[mail.template]:
            raise BadInput(
                f"That job is {job.state} now.", hint=f"A mail that it is {mail.template} would be wrong."
            )
        params = params_of(db, studio, job)
    if params.get("expires_at", math.inf) < time.time():
        raise BadInput(
            "The link to these portraits is past its time.", hint="The person finds them on the page."
        )
    return params
