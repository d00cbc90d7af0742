"""The link in a mail that shows a job's portraits to whoever holds it, for some days."""

from __future__ import annotations

import hashlib
import time

from itsdangerous import BadData, URLSafeSerializer

from ..core import Studio
from ..data import Job, User
from ..service_settings import DAY_S

MAX_TOKEN = 200
"""Characters; ours have about 70."""


def results_link(studio: Studio, job: Job) -> str:
    """The address of a job's portraits, signed; the same each time it is asked for."""
    return f"{studio.public_url}/r/{_signer(studio).dumps(job.id)}"


def open_results_link(studio: Studio, token: str) -> Job | None:
    """The job of a link.

    Returns:
        None when we did not sign it, more than `link_days` after the job was finished, once its results were
        deleted, and while the account is disabled.
    """
    if len(token) > MAX_TOKEN or not token.isascii():
        return None
    try:
        job_id = _signer(studio).loads(token)
    except BadData:
        return None
    with studio.db.session() as db:
        job = db.get(Job, job_id) if isinstance(job_id, str) else None
        user = db.get(User, job.user_id) if job is not None else None
    if job is None or user is None or user.disabled_at is not None:
        return None
    if job.state != "done" or job.finished_at is None or job.deleted_at is not None:
        return None
    return job if time.time() < job.finished_at + studio.settings.link_days * DAY_S else None


def _signer(studio: Studio) -> URLSafeSerializer:
    # The name keeps these signatures apart from all others made with the same secret.
    return URLSafeSerializer(
        studio.secret, salt="studio.results-link", signer_kwargs={"digest_method": hashlib.sha256}
    )
