"""One conversation with the mail server: verified TLS, and a clear answer to "does it have the mail?"."""

from __future__ import annotations

import ipaddress
import re
import smtplib
import ssl
from collections.abc import Callable
from email.utils import parseaddr
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from ..errors import BadInput
from ..service_settings import StudioSettings
from .errors import MailLater, MailNever, MailServerTrouble, MailUnclear

TIMEOUT_S = 30.0
"""For each answer of the server but the last."""
ACCEPT_TIMEOUT_S = 120.0
"""For its answer to the whole mail: it may look through it first."""
_NOT_THE_MAILS_FAULT = frozenset({421, 530, 534, 535, 538})
_ADDRESS = re.compile(r"[^\s<>:;,\"']+@[^\s<>:;,\"']+")


def check_mail_settings(settings: StudioSettings) -> None:
    """Say at start what would make every mail fail.

    Raises:
        BadInput: The sender's address is none, a password would go over the network readably, or the CA
            file cannot be read.
    """
    if "@" not in parseaddr(settings.mail_from)[1]:
        raise BadInput(
            "SDWEBUI_MAIL_FROM has no e-mail address.", hint="For example: Studio <studio@example.org>"
        )
    if settings.smtp_host is None:
        return
    if settings.smtp_security == "none" and not _this_machine(settings.smtp_host):
        raise BadInput(
            "SDWEBUI_SMTP_SECURITY=none is for a mail server on this machine only.",
            hint="Use starttls (port 587) or tls (port 465); SDWEBUI_SMTP_CA_FILE names an authority of "
            "your own.",
        )
    if settings.smtp_username and settings.smtp_password is None:
        raise BadInput(
            "SDWEBUI_SMTP_USERNAME is set and SDWEBUI_SMTP_PASSWORD is not.",
            hint="Set SDWEBUI_SMTP_PASSWORD, or SDWEBUI_SMTP_PASSWORD_FILE.",
        )
    try:
        _tls(settings)
    except (OSError, ssl.SSLError) as error:
        raise BadInput(f"SDWEBUI_SMTP_CA_FILE cannot be used: {error}.") from error


class MailServer:
    """A connection, opened when the first mail is given and kept for the next."""

    def __init__(self, settings: StudioSettings, *, our_name: str) -> None:
        self._settings, self._our_name = settings, our_name
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            try:
                smtp.quit()
            except (OSError, smtplib.SMTPException):
                smtp.close()

    def connect(self) -> None:
        """Connect and sign in now, to see whether that works.

        Raises:
            MailServerTrouble: It does not.
        """
        self._ready()

    def give(self, sender: str, recipient: str, mail: bytes, *, before_data: Callable[[], None]) -> None:
        """Hand one mail over.

        Args:
            sender: Envelope sender.
            recipient: Envelope recipient; ASCII, as accounts keep addresses.
            mail: The whole message with CRLF line ends.
            before_data: Called when the server has agreed to both and before it is given anything of the
                mail. What it raises ends the conversation.

        Raises:
            MailLater, MailNever, MailServerTrouble: The server does not have it.
            MailUnclear: It may have it.
        """
        smtp = self._ready()
        try:
            _judge(*smtp.mail(sender), recipient)
            _judge(*smtp.rcpt(recipient), recipient)
            before_data()
            code, text = smtp.docmd("DATA")
            if code != 354:
                _judge(code, text, recipient)
                raise MailServerTrouble(f"The mail server answered {code} to DATA.")
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise MailServerTrouble(_reason(error, recipient)) from error
        except BaseException:
            self._reset()
            raise
        self._body(smtp, mail, recipient)

    def _body(self, smtp: smtplib.SMTP, mail: bytes, recipient: str) -> None:
        if not mail.endswith(b"\r\n"):
            mail += b"\r\n"
        try:
            if smtp.sock is not None:
                smtp.sock.settimeout(ACCEPT_TIMEOUT_S)
            # RFC 5321, 4.5.2: a line that begins with a dot gets another.
            smtp.send(re.sub(rb"(?m)^\.", b"..", mail) + b".\r\n")
            code, text = smtp.getreply()
            if smtp.sock is not None:
                smtp.sock.settimeout(TIMEOUT_S)
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise MailUnclear(
                f"The connection broke while the mail server had it ({type(error).__name__})."
            ) from error
        except BaseException:
            self._drop()
            raise
        _judge(code, text, recipient)

    def _ready(self) -> smtplib.SMTP:
        if self._smtp is None:
            try:
                check_mail_settings(self._settings)
                self._smtp = self._open()
            except BadInput as error:
                raise MailServerTrouble(error.message) from error
            except (OSError, smtplib.SMTPException, ValueError) as error:
                raise MailServerTrouble(_reason(error, "")) from error
        return self._smtp

    def _open(self) -> smtplib.SMTP:
        settings = self._settings
        host, port = str(settings.smtp_host), settings.smtp_port
        smtp: smtplib.SMTP
        if settings.smtp_security == "tls":
            smtp = smtplib.SMTP_SSL(host, port, self._our_name, timeout=TIMEOUT_S, context=_tls(settings))
        else:
            smtp = smtplib.SMTP(host, port, self._our_name, timeout=TIMEOUT_S)
        try:
            if settings.smtp_security == "starttls":
                smtp.ehlo_or_helo_if_needed()
                smtp.starttls(context=_tls(settings))
            smtp.ehlo_or_helo_if_needed()
            if settings.smtp_username and settings.smtp_password is not None:
                smtp.login(settings.smtp_username, settings.smtp_password.get_secret_value())
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _reset(self) -> None:
        """Ready for the next mail; a connection that cannot be made ready is dropped."""
        try:
            if self._smtp is None or self._smtp.rset()[0] != 250:
                self._drop()
        except (OSError, smtplib.SMTPException):
            self._drop()

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


def our_name(public_url: str) -> str:
    """What we call ourselves to a mail server (RFC 5321, 4.1.4): the studio's host, or an address literal."""
    host = urlsplit(public_url).hostname or "localhost"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _tls(settings: StudioSettings) -> ssl.SSLContext:
    """Checks the certificate and the host's name; an own authority replaces the system's."""
    ca = settings.smtp_ca_file
    return ssl.create_default_context(cafile=None if ca is None else str(ca))


def _this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _judge(code: int, text: bytes, recipient: str) -> None:
    if 200 <= code < 300:
        return
    said = f"{code} {_without_addresses(text.decode('utf-8', 'replace'), recipient)}"
    if code in _NOT_THE_MAILS_FAULT:
        raise MailServerTrouble(f"The mail server answered: {said}")
    if 500 <= code < 600:
        raise MailNever(f"The mail server refused it: {said}")
    raise MailLater(f"The mail server asks to try again later: {said}")


def _reason(error: BaseException, recipient: str) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = (
            error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else str(error)
        )
        return f"The mail server answered: {error.smtp_code} {_without_addresses(said, recipient)}"
    return f"The mail server cannot be used: {_without_addresses(str(error), recipient)}"


def _without_addresses(text: str, recipient: str) -> str:
    """Servers repeat the address, or its first part, in what they say; logs and rows are to hold neither."""
    text = _ADDRESS.sub("(address)", " ".join(text.split()))
    local = recipient.rpartition("@")[0]
    if local:
        text = re.sub(rf"(?<!\w){re.escape(local)}(?!\w)", "(address)", text, flags=re.IGNORECASE)
    return text[:300]
