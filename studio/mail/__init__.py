"""Mails: a row first (`post`), sent by whoever is free (`deliver_due`), and never twice.

What a template needs in `params`; a link is secret and is emptied with the others once the mail is sent:

    confirm, sign-in, reset   link, expires_at (seconds since 1970)
    have-account              link (the page to sign in on)
    ready                     link, count (portraits), expires_at; optional: sandbox (bool)
    failed                    message {"ko", "en"}; optional: hint {"ko", "en"}, link (the page)
    account-deleted           nothing; post it before the user's row goes

Any may carry `details`, {"ko": [...], "en": [...]}: sentences put below the others.
"""

from __future__ import annotations

from .errors import MailError, MailLater, MailNever, MailServerTrouble, MailUnclear
from .message import compose, message_id
from .outbox import erase_mails, outbox_file, post
from .sending import deliver_due, send_mail_row
from .smtp import check_mail_settings
from .words import TEMPLATES

__all__ = [
    "TEMPLATES",
    "MailError",
    "MailLater",
    "MailNever",
    "MailServerTrouble",
    "MailUnclear",
    "check_mail_settings",
    "compose",
    "deliver_due",
    "erase_mails",
    "message_id",
    "outbox_file",
    "post",
    "send_mail_row",
]
