"""Sends what is due: one claim, one conversation, one final state; in any number of processes at once."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from email.utils import parseaddr

from sqlalchemy.exc import OperationalError

from ..core import Studio
from ..data import Mail, User
from . import outbox
from .errors import ClaimLost, MailError, MailLater, MailNever, MailServerTrouble, MailUnclear
from .message import compose
from .smtp import MailServer, our_name

LOG = logging.getLogger(__name__)

_PAUSES_S = (60.0, 120.0, 300.0, 600.0, 1200.0, 2400.0, 3600.0)
"""Before each further attempt; the last one again and again."""
_DATABASE_PAUSES_S = (0.2, 2.0)
GIVE_UP_S = 24 * 3600.0
"""A mail older than this is not tried again."""


def deliver_due(studio: Studio, *, limit: int = 20) -> int:
    """Send what is due.

    Args:
        studio: The studio.
        limit: At most so many in this call.

    Returns:
        How many were sent.
    """
    for state, mails in zip(("sent again", "unclear"), outbox.take_over(studio), strict=True):
        if mails:
            LOG.warning("mails of a process that ended are %s: %s", state, ", ".join(mails))
    sent = 0
    with MailServer(studio.settings, our_name=our_name(studio.public_url)) as server:
        for mail_id in outbox.due(studio, limit):
            mail = outbox.claim(studio, mail_id)
            if mail is None:
                continue
            try:
                sent += send_mail_row(studio, mail, server)
            except MailServerTrouble:
                break
    return sent


def send_mail_row(studio: Studio, mail: Mail, server: MailServer) -> bool:
    """Send a claimed mail and write down what became of it.

    Returns:
        Whether it was sent.

    Raises:
        MailServerTrouble: Nothing can be sent now; the row waits.
    """
    try:
        _send(studio, mail, server)
    except ClaimLost:
        LOG.warning("mail %s (%s) was taken over by another process", mail.id, mail.template)
        return False
    except MailServerTrouble as error:
        _later(studio, mail, str(error))
        outbox.postpone_all(studio, _PAUSES_S[0])
        raise
    except MailLater as error:
        _later(studio, mail, str(error))
        return False
    except (MailNever, MailUnclear) as error:
        state = "unclear" if isinstance(error, MailUnclear) else "failed"
        _finish(studio, mail, state, error)
        return False
    _finish(studio, mail, "sent", None)
    return True


def _send(studio: Studio, mail: Mail, server: MailServer) -> None:
    until = mail.params.get("expires_at")
    if until is not None and float(until) <= time.time():
        raise MailNever("Its link has expired before it could be sent.")
    address = _address(studio, mail)
    message = compose(studio, mail, address)
    if not studio.settings.mails_are_sent:
        _write(studio, mail, message.as_bytes())
        return
    sender = parseaddr(studio.settings.mail_from)[1]
    server.give(sender, address, message.as_bytes(), before_data=lambda: outbox.begin_data(studio, mail))


def _address(studio: Studio, mail: Mail) -> str:
    address = mail.address
    if mail.user_id is not None:
        with studio.db.session() as db:
            user = db.get(User, mail.user_id)
        address = user.email if user is not None else None
    if not address:
        raise MailNever("There is nobody to send it to any more.")
    return address


def _write(studio: Studio, mail: Mail, data: bytes) -> None:
    """As a file of the outbox. Written again after a crash it is the same file: nobody gets two."""
    path = outbox.outbox_file(studio, mail.id)
    partial = path.with_suffix(".tmp")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(data)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise MailServerTrouble(f"The outbox cannot be written: {error.strerror}.") from error
    LOG.warning(
        "mail %s (%s) was not sent but written to %s: no SMTP server is set (SDWEBUI_SMTP_HOST)",
        mail.id,
        mail.template,
        path,
    )


def _later(studio: Studio, mail: Mail, why: str) -> None:
    wait_s = _PAUSES_S[min(mail.attempts, len(_PAUSES_S)) - 1]
    if time.time() + wait_s - mail.created_at > GIVE_UP_S:
        _finish(studio, mail, "failed", MailNever(f"Given up after {mail.attempts} attempts. {why}"))
        return
    LOG.warning("mail %s (%s) is tried again in %.0f s: %s", mail.id, mail.template, wait_s, why)
    outbox.put_back(studio, mail, wait_s=wait_s, error=why)


def _finish(studio: Studio, mail: Mail, state: str, error: MailError | None) -> None:
    why = "" if error is None else str(error)
    try:
        _insist(lambda: outbox.finish(studio, mail, state, error=why))
    except ClaimLost:
        LOG.warning("mail %s (%s) is %s, but another process has its row", mail.id, mail.template, state)
        return
    if error is None:
        LOG.info("mail %s (%s) was sent", mail.id, mail.template)
    else:
        LOG.error("mail %s (%s) is %s: %s", mail.id, mail.template, state, why)


def _insist(write: Callable[[], None]) -> None:
    """Write down the end of a mail even if the database's connection broke while it was being sent."""
    for pause_s in _DATABASE_PAUSES_S:
        try:
            return write()
        except OperationalError as error:
            LOG.warning("the end of a mail is written down again: %s", type(error.orig).__name__)
            time.sleep(pause_s)
    return write()
