"""A real SMTP server (aiosmtpd) with certificates of its own, that can be told to misbehave."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

USERNAME, PASSWORD = "studio", "a password of the tests"


@dataclass
class Postbox:
    """What the server got, and how it is to answer. `answers`: command -> reply, used up one by one."""

    envelopes: list[Any] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)
    hold_at: str | None = None
    """ "RCPT" or "DATA": where the conversation stands still until `go_on`."""
    held: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    drop_after_data: bool = False
    """Take the mail, and break the connection instead of answering."""
    logins: list[tuple[str, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)

    @property
    def mails(self) -> list[EmailMessage]:
        return [
            message_from_bytes(envelope.content, policy=policy.default)  # type: ignore[misc]
            for envelope in self.envelopes
        ]

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        self.secure.append(server.transport.get_extra_info("ssl_object") is not None)
        said = self._answer("MAIL")
        if said.startswith("250"):
            envelope.mail_from = address
        return said

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        await self._hold("RCPT")
        said = self._answer("RCPT")
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await self._hold("DATA")
        said = self._answer("DATA")
        if said.startswith("250"):
            self.envelopes.append(envelope)
        if self.drop_after_data:
            server.transport.abort()
        return said

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        login = (data.login.decode(), data.password.decode())
        self.logins.append(login)
        return AuthResult(success=login == (USERNAME, PASSWORD), handled=False)

    def _answer(self, command: str) -> str:
        waiting = self.answers.get(command)
        said = waiting.pop(0) if waiting else "250 OK"
        self.said.append(f"{command} {said}")
        return said

    async def _hold(self, command: str) -> None:
        if self.hold_at == command:
            self.held.set()
            while not self.go_on.is_set():
                await asyncio.sleep(0.01)


class SmtpStub:
    """A server on a free port.

    Args:
        security: "starttls", "tls" or "none".
        certificate: Of `make_certificate`; needed with TLS.
        login: Whether only `USERNAME` with `PASSWORD` may send.
    """

    def __init__(
        self, security: str = "none", *, certificate: Certificate | None = None, login: bool = False
    ) -> None:
        self.postbox = Postbox()
        context = None
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate.pem)
        options: dict[str, Any] = {"hostname": "127.0.0.1", "port": 0}
        if login:
            options |= {
                "authenticator": self.postbox.authenticate,
                # aiosmtpd 1.4.6 does not see that a connection was encrypted from its beginning.
                "auth_required": security == "starttls",
                "auth_require_tls": security == "starttls",
            }
        if security == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        elif security == "tls":
            options["ssl_context"] = context
        controller = _Controller(self.postbox, **options)
        controller.start()
        self._controller: _Controller | None = controller
        self.host, self.port = "127.0.0.1", int(controller.port)

    def stop(self) -> None:
        """A second time does nothing."""
        self.postbox.go_on.set()
        controller, self._controller = self._controller, None
        if controller is not None:
            controller.stop()


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # aiosmtpd 1.4.6 knocks at the port it was given, which is 0 here.
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@dataclass(frozen=True)
class Certificate:
    """`pem` holds key and certificate; `authority` is the file that vouches for it."""

    pem: Path
    authority: Path


def make_certificate(folder: Path, *, host: str = "127.0.0.1", name: str = "server") -> Certificate:
    """A certificate for one host, by an authority of its own."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ours = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())

    def builder(subject: str, public: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named("Authority of the tests"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    authority = (
        builder("Authority of the tests", authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(ours, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    try:
        known: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        known = x509.DNSName(host)
    certificate = (
        builder(host, key.public_key())
        .add_extension(x509.SubjectAlternativeName([known]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ours), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = folder / f"{name}.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    vouching = folder / f"{name}-authority.pem"
    vouching.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    return Certificate(pem, vouching)


def wait_for(event: threading.Event, seconds: float = 20.0) -> None:
    """Until the server has come to where it was told to hold."""
    end = time.monotonic() + seconds
    while not event.wait(0.05):
        assert time.monotonic() < end, "nobody came that far"
