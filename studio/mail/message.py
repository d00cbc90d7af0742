"""From a row to the mail as it is sent: headers, a text and a page of the same sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import Studio
from ..data import Mail
from .errors import MailNever
from .words import FRAME, MARKS, WORDS

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
_KOREA = timezone(timedelta(hours=9))
"""Korea's time, the same all year; other readers are told the day in UTC."""
_SEVEN_BIT = SMTP.clone(cte_type="7bit")
"""Not every server says that it takes more (RFC 6152)."""
_SHORT_S = 3 * 3600.0
"""Links that live shorter are told in minutes, longer ones by their last day."""


@dataclass(frozen=True, slots=True)
class Content:
    """What one mail says, ready to be laid out."""

    language: str
    subject: str
    before: tuple[str, ...]
    button: str
    link: str
    after: tuple[str, ...]
    frame: Mapping[str, str]
    home: str
    """The studio's address."""


def compose(studio: Studio, mail: Mail, address: str) -> EmailMessage:
    """Write the mail.

    Args:
        studio: For the sender and the studio's address.
        mail: The row.
        address: To whom.

    Raises:
        MailNever: It cannot be written: a parameter is missing or an address is none.
    """
    try:
        content = fill(studio, mail)
        message = EmailMessage(policy=_SEVEN_BIT)
        name, sender = parseaddr(studio.settings.mail_from)
        message["From"] = Address(name, addr_spec=sender)
        message["To"] = Address(addr_spec=address)
        message["Subject"] = " ".join(content.subject.split())
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = message_id(studio, mail)
        # RFC 3834: holiday notes are not to be sent in answer.
        message["Auto-Submitted"] = "auto-generated"
        layouts = _layouts()
        message.set_content(layouts.get_template("mail.txt").render(mail=content))
        message.add_alternative(layouts.get_template("mail.html").render(mail=content), subtype="html")
        # Last: what begins with Content- goes to the first part when the second is added.
        message["Content-Language"] = content.language
    except (ValueError, LookupError, TypeError, MessageError) as error:
        # The error's own text may hold the address.
        raise MailNever(f"The mail cannot be written ({type(error).__name__}).") from error
    return message


def message_id(studio: Studio, mail: Mail) -> str:
    """The same for every attempt: whoever gets a mail twice, or looks for one, knows it by this."""
    host = parseaddr(studio.settings.mail_from)[1].rpartition("@")[2] or "localhost"
    return f"<{mail.id}@{host}>"


def fill(studio: Studio, mail: Mail) -> Content:
    """The sentences of a row.

    Raises:
        LookupError: A parameter is missing, or there is no such template.
    """
    params, words, frame = mail.params, WORDS[mail.language][mail.template], FRAME[mail.language]
    count = int(params.get("count", 0))
    facts = {
        "count": count,
        "portraits": "One portrait is ready." if count == 1 else f"{count} portraits are ready.",
        "valid": _valid(mail),
        "message": _said(params.get("message"), mail.language),
        "hint": _said(params.get("hint"), mail.language),
    }
    after = [text.format_map(facts) for text in words.after]
    after += [str(line) for line in (params.get("details") or {}).get(mail.language, ())]
    if mail.template == "ready":
        after.append(_marks(studio, mail))
    before = (text.format_map(facts) for text in words.before)
    link = str(params.get("link") or (studio.public_url if words.button else ""))
    return Content(
        language=mail.language,
        subject=words.subject.format_map(facts),
        before=tuple(text for text in before if text),
        button=words.button,
        link=link,
        after=tuple(after),
        frame=frame,
        home=studio.public_url,
    )


def _said(texts: Any, language: str) -> str:
    if isinstance(texts, Mapping):
        return str(texts.get(language) or texts.get("en") or "")
    return str(texts or "")


def _valid(mail: Mail) -> str:
    """How long the link works, told from when it was asked for: the same in every attempt."""
    until = mail.params.get("expires_at")
    if until is None:
        return ""
    frame, lives_s = FRAME[mail.language], float(until) - mail.created_at
    if lives_s < _SHORT_S:
        return frame["minutes"].format(minutes=max(1, math.floor(lives_s / 60 + 0.5)))
    if mail.language == "ko":
        day = datetime.fromtimestamp(float(until), _KOREA)
        return frame["until"].format(date=f"{day.year}년 {day.month}월 {day.day}일")
    day = datetime.fromtimestamp(float(until), UTC)
    return frame["until"].format(date=f"{day.day} {day:%B %Y} (UTC)")


def _marks(studio: Studio, mail: Mail) -> str:
    settings, words = studio.settings, MARKS[mail.language]
    said = [words["sandbox"]] if mail.params.get("sandbox") else []
    said.append(words["metadata"])
    if settings.c2pa_cert_file is not None:
        said.append(words["c2pa"])
    if settings.visible_mark != "off":
        said.append(words["visible-always" if settings.visible_mark == "required" else "visible"])
    return " ".join(said)


@lru_cache(maxsize=1)
def _layouts() -> Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
