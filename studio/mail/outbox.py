"""The rows: posted once a key, claimed by one process, and what becomes of a claim whose process died.

    waiting ──claim──> sending ──data──> (the server has it) ──> sent
       ^                  │                      │
       └── died before ───┘                      └── died after ──> unclear

Every step is one UPDATE that names the state it comes from, so two processes cannot both take it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from ..core import Studio
from ..data import Mail, User, new_id
from .errors import ClaimLost
from .words import TEMPLATES

CLAIM_S = 300.0
"""A claim older than this is of a process that died; longer than any one conversation with a server takes."""
_FINAL: dict[str, Any] = {"params": {}, "address": None}
"""What is emptied once a mail is done with: links are secrets, an address is personal data."""


def post(
    studio: Studio,
    *,
    key: str,
    user: User,
    template: str,
    params: Mapping[str, Any],
    job_id: str | None = None,
    db: Session | None = None,
) -> Mail:
    """Ask for a mail; it is sent by the next `deliver_due`, in the user's language.

    Args:
        studio: The studio.
        key: What it is about, for example `job:ID:ready`. A second one of the same key is the first.
        user: To whom.
        template: One of `TEMPLATES`.
        params: What it is filled with, see the package's docstring; JSON.
        job_id: The job it is about.
        db: A transaction to be part of, so that the mail is asked for if and only if that is committed.

    Returns:
        The row: the new one, or the one there was.

    Raises:
        ValueError: No such template, or a parameter is missing.
    """
    _check(template, params)
    # The account's row, and with it every mail of it, is gone before this one is sent.
    gone = template == "account-deleted"
    values = {
        "id": new_id(),
        "key": key,
        "user_id": None if gone else user.id,
        "address": user.email if gone else None,
        "job_id": job_id,
        "template": template,
        "language": user.language if user.language in ("ko", "en") else "en",
        "params": dict(params),
    }
    if db is not None:
        return _insert(db, values)
    with studio.db.session() as own:
        return _insert(own, values)


def _check(template: str, params: Mapping[str, Any]) -> None:
    if template not in TEMPLATES:
        raise ValueError(f"there is no mail {template!r}; there are {', '.join(TEMPLATES)}")
    missing = [name for name in TEMPLATES[template] if name not in params]
    if missing:
        raise ValueError(f"the mail {template!r} needs {', '.join(missing)}")
    link = params.get("link")
    if link is not None and not str(link).startswith(("http://", "https://")):
        raise ValueError(f"the link of the mail {template!r} is no web address")


def _insert(db: Session, values: dict[str, Any]) -> Mail:
    make = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    db.execute(make(Mail).values(**values).on_conflict_do_nothing(index_elements=["key"]))
    return db.scalars(select(Mail).where(Mail.key == values["key"])).one()


def due(studio: Studio, limit: int) -> list[str]:
    """Identifiers of the mails to be sent now, the longest waiting first."""
    with studio.db.session() as db:
        found = select(Mail.id).where(Mail.state == "waiting", Mail.next_at <= time.time())
        return list(db.scalars(found.order_by(Mail.next_at).limit(limit)))


def claim(studio: Studio, mail_id: str) -> Mail | None:
    """Take a waiting mail; None when another process was faster."""
    mine, now = new_id(), time.time()
    with studio.db.session() as db:
        changed = db.execute(
            update(Mail)
            .where(Mail.id == mail_id, Mail.state == "waiting", Mail.next_at <= now)
            .values(state="sending", claim=mine, claimed_at=now, data_at=None, attempts=Mail.attempts + 1)
        )
        if _count(changed) != 1:
            return None
        return db.get(Mail, mail_id, populate_existing=True)


def begin_data(studio: Studio, mail: Mail) -> None:
    """Note, before the server is given the mail, that it is about to have it.

    Raises:
        ClaimLost: The claim was taken over meanwhile.
    """
    _change(studio, mail, (Mail.state == "sending",), {"data_at": time.time()})


def finish(studio: Studio, mail: Mail, state: str, *, error: str = "") -> None:
    """The last state of a mail: "sent", "failed" or "unclear".

    Raises:
        ClaimLost: The claim was taken over meanwhile.
    """
    values: dict[str, Any] = {"state": state, "last_error": error, **_FINAL}
    if state == "sent":
        values["sent_at"] = time.time()
    # A row that was thought unclear is cleared up by the process that turns out to be alive.
    _change(studio, mail, (Mail.state.in_(("sending", "unclear")),), values)


def put_back(studio: Studio, mail: Mail, *, wait_s: float, error: str) -> None:
    """Try again later; raises as `finish`."""
    values = {
        "state": "waiting",
        "next_at": time.time() + wait_s,
        "last_error": error,
        "claim": None,
        "claimed_at": None,
        "data_at": None,
    }
    _change(studio, mail, (Mail.state == "sending",), values)


def postpone_all(studio: Studio, wait_s: float) -> None:
    """Let every mail that is due wait: the server's trouble is everybody's."""
    now = time.time()
    with studio.db.session() as db:
        db.execute(
            update(Mail)
            .where(Mail.state == "waiting", Mail.next_at < now + wait_s)
            .values(next_at=now + wait_s)
        )


def take_over(studio: Studio) -> tuple[list[str], list[str]]:
    """See to claims of processes that died.

    Returns:
        Identifiers of those that wait again, and of those that became unclear.
    """
    old = (Mail.state == "sending", Mail.claimed_at < time.time() - CLAIM_S)
    with studio.db.session() as db:
        # Called every second or so by every worker: a write lock is not taken for nothing.
        if db.scalar(select(Mail.id).where(*old).limit(1)) is None:
            return [], []
        back = {"state": "waiting", "claim": None, "claimed_at": None}
        again = update(Mail).where(*old, Mail.data_at.is_(None)).values(**back)
        broke = "The process that sent it ended while the mail server had it."
        lost = update(Mail).where(*old, Mail.data_at.is_not(None))
        unclear = lost.values(state="unclear", last_error=broke, **_FINAL)
        return (
            list(db.scalars(again.returning(Mail.id))),
            list(db.scalars(unclear.returning(Mail.id))),
        )


def outbox_file(studio: Studio, mail_id: str) -> Path:
    """Where a mail lies as a file while there is no SMTP server."""
    return studio.layout.outbox / f"{mail_id}.eml"


def erase_mails(studio: Studio, user_id: str) -> int:
    """Delete a user's mails: the files of the outbox, then the rows.

    Returns:
        How many.
    """
    with studio.db.session() as db:
        rows = list(db.scalars(select(Mail).where(Mail.user_id == user_id)))
        for row in rows:
            outbox_file(studio, row.id).unlink(missing_ok=True)
            db.delete(row)
    return len(rows)


def _change(
    studio: Studio, mail: Mail, where: tuple[ColumnElement[bool], ...], values: Mapping[str, Any]
) -> None:
    with studio.db.session() as db:
        changed = db.execute(
            update(Mail).where(Mail.id == mail.id, Mail.claim == mail.claim, *where).values(**values)
        )
        if _count(changed) != 1:
            raise ClaimLost(f"mail {mail.id} was taken over")


def _count(result: Any) -> int:
    return int(result.rowcount)
