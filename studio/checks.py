"""Looks whether a studio can work: settings, disk, database, mail, WebUIs, workers. Changes nothing."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from . import overview
from .core import Studio
from .data import LIVING
from .errors import BadInput, StudioError
from .service_settings import DAY_S

LOW_DISK_BYTES = 5 * 10**9
"""Below this a job or two more fit: a training and its pictures take a few GB."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: what, in a word or two.
        verdict: "bad" means that the studio does not work; "doubt" that it may not be as meant.
        said: what was found.
        hint: what to do, or "".
    """

    what: str
    verdict: Literal["good", "doubt", "bad"]
    said: str
    hint: str = ""


def check_studio(studio: Studio) -> Iterator[Finding]:
    """Look at everything, one after the other; a check that breaks is a finding too."""
    looks: tuple[Callable[[Studio], Iterator[Finding]], ...] = (
        _data_dir,
        _secret,
        _address,
        _database,
        _mail,
        _webuis,
        _workers,
        _metrics,
        _backup,
        _marks,
    )
    for look in looks:
        yield from look(studio)


def _data_dir(studio: Studio) -> Iterator[Finding]:
    root = studio.layout.root
    probe = root / f".check-{os.getpid()}"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        yield Finding("data directory", "bad", f"{root} cannot be written: {error.strerror}.")
        return
    if stat.S_IMODE(root.stat().st_mode) & 0o077:
        yield Finding(
            "data directory", "doubt", f"{root} can be read by others.", f"It holds photos: chmod 700 {root}"
        )
    free = shutil.disk_usage(root).free
    said = f"{root}: {free / 1e9:.1f} GB free"
    if free < LOW_DISK_BYTES:
        yield Finding(
            "data directory", "doubt", f"{said}.", "Shorten SDWEBUI_RESULTS_DAYS, or get a larger disk."
        )
    else:
        yield Finding("data directory", "good", f"{said}.")


def _secret(studio: Studio) -> Iterator[Finding]:
    if studio.settings.secret is not None:
        yield Finding("secret", "good", "SDWEBUI_SECRET is set.")
        return
    path = studio.layout.root / "secret.key"
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield Finding("secret", "bad", f"{path} can be read by others.", f"chmod 600 {path}")
    else:
        yield Finding("secret", "good", f"{path}, readable for its owner alone.")


def _address(studio: Studio) -> Iterator[Finding]:
    settings = studio.settings
    host = urlsplit(studio.public_url).hostname or ""
    if settings.public_url is None:
        yield Finding(
            "address",
            "doubt",
            f"SDWEBUI_PUBLIC_URL is not set; links in mails begin with {studio.public_url}.",
            "Set it to what people type: https://studio.example.org",
        )
    elif urlsplit(studio.public_url).scheme != "https" and host not in ("127.0.0.1", "localhost", "::1"):
        yield Finding(
            "address",
            "doubt",
            f"{studio.public_url} is not https: passwords and photos go over the network readably.",
            "docs/operations.md, TLS and reverse proxy.",
        )
    else:
        yield Finding("address", "good", studio.public_url)
    if settings.public_url and not settings.trusted_proxies and urlsplit(studio.public_url).scheme == "https":
        yield Finding(
            "address",
            "doubt",
            "SDWEBUI_TRUSTED_PROXIES is empty: to the studio all people come from the proxy's address.",
            "Name the proxy's address, for example 127.0.0.1.",
        )


def _database(studio: Studio) -> Iterator[Finding]:
    from .data import migrate

    where = studio.db.engine.url.render_as_string(hide_password=True)
    try:
        with studio.db.engine.connect() as connection:
            version = migrate.current(connection)
    except SQLAlchemyError as error:
        yield Finding(
            "database", "bad", f"{where} does not answer ({type(error).__name__}).", "SDWEBUI_DATABASE_URL"
        )
        return
    if version != migrate.HEAD:
        yield Finding(
            "database",
            "bad",
            f"{where} is at migration {version}; this program needs {migrate.HEAD}.",
            "`serve` brings an older one up to date when it starts; make a backup first.",
        )
    else:
        yield Finding("database", "good", where)


def _mail(studio: Studio) -> Iterator[Finding]:
    from .mail import MailServerTrouble, check_mail_settings
    from .mail.smtp import MailServer, our_name

    settings = studio.settings
    try:
        check_mail_settings(settings)
        if not settings.mails_are_sent:
            yield Finding(
                "mail",
                "doubt",
                f"No server is set; mails are written into {studio.layout.outbox}.",
                "Set SDWEBUI_SMTP_HOST.",
            )
            return
        with MailServer(settings, our_name=our_name(studio.public_url)) as server:
            server.connect()
    except (BadInput, MailServerTrouble) as error:
        hint = error.hint if isinstance(error, StudioError) else "docs/operations.md, Mail."
        yield Finding("mail", "bad", str(error), hint)
        return
    said = "signed in at" if settings.smtp_username else "spoke with"
    yield Finding("mail", "good", f"{said} {settings.smtp_host}:{settings.smtp_port}.")


def _webuis(studio: Studio) -> Iterator[Finding]:
    from sdwebui_client import WebUI, WebUIError

    from .connect import parse_address
    from .settings import SANDBOX, Settings, split_urls

    urls = [text for text in split_urls(studio.settings.url) if text.lower() != SANDBOX]
    if not urls:
        yield Finding(
            "WebUIs",
            "doubt",
            "SDWEBUI_URL names none: `serve` works with the sandbox, whose pictures are no portraits.",
            "Where each worker is told its WebUI with --webui, nothing is wrong.",
        )
    common = Settings.from_env()
    for text in urls:
        address = parse_address(text, "SDWEBUI_URL")
        try:
            with WebUI(
                address.url,
                username=address.username or common.username,
                password=address.password if address.username else common.password,
                verify=str(common.ca_file) if common.ca_file else True,
                retries=0,
            ) as webui:
                found = webui.capabilities()
        except WebUIError as error:
            yield Finding("WebUIs", "bad", f"{address.url}: {error}", str(getattr(error, "hint", "") or ""))
        else:
            yield Finding("WebUIs", "good", f"{address.url}: {found.flavour} {found.version}")


def _workers(studio: Studio) -> Iterator[Finding]:
    try:
        rows = overview.workers(studio)
    except SQLAlchemyError:
        return  # said by the check of the database
    alive = [row for row in rows if row["state"] in LIVING]
    for row in rows:
        if row["state"] == "silent":
            yield Finding(
                "workers",
                "doubt",
                f"{row['id']} on {row['host']} was not heard of for {row['heartbeat_age_s']:.0f} s.",
                "Start it again; meanwhile another worker of its role takes its job over.",
            )
    roles = {row["role"] for row in alive}
    for role in ("generate", "train"):
        if not roles & {role, "all"}:
            yield Finding(
                "workers",
                "doubt",
                f"No worker of role {role} runs: such work waits.",
                "Start `serve` or `worker`.",
            )
    if alive:
        yield Finding("workers", "good", ", ".join(f"{row['id']} ({row['role']})" for row in alive))
    versions = {row["version"] for row in alive}
    if len(versions) > 1:
        yield Finding(
            "workers",
            "doubt",
            f"They are of different versions: {', '.join(sorted(versions))}.",
            "docs/operations.md, Upgrade.",
        )


def _metrics(studio: Studio) -> Iterator[Finding]:
    token = studio.settings.metrics_token
    if token is None:
        yield Finding("metrics", "good", "/metrics answers this machine only.")
    elif len(token.get_secret_value()) < 16:
        yield Finding("metrics", "doubt", "SDWEBUI_METRICS_TOKEN is short.", "Make it 32 characters.")
    else:
        yield Finding("metrics", "good", "/metrics asks for its token.")


def _backup(studio: Studio) -> Iterator[Finding]:
    from .data import Flag
    from .metrics.counts import LAST_BACKUP

    try:
        with studio.db.session() as db:
            last = db.get(Flag, LAST_BACKUP)
    except SQLAlchemyError:
        return  # said by the check of the database
    if last is None:
        yield Finding("backup", "doubt", "There never was one.", "`studio backup DIR`, once a day.")
    elif time.time() - last.at > 2 * DAY_S:
        yield Finding("backup", "doubt", "The last one is more than two days old.", "`studio backup DIR`")


def _marks(studio: Studio) -> Iterator[Finding]:
    cert, key = studio.settings.c2pa_cert_file, studio.settings.c2pa_key_file
    if cert is None and key is None:
        return
    for name, path in (("SDWEBUI_C2PA_CERT_FILE", cert), ("SDWEBUI_C2PA_KEY_FILE", key)):
        if path is None:
            yield Finding("C2PA", "bad", f"{name} is not set, but the other one is.")
        elif not path.is_file():
            yield Finding("C2PA", "bad", f"{name}: there is no file {path}.")
        else:
            yield Finding("C2PA", "good", f"{name}: {path}")
