"""What an operator sets for the studio: environment `SDWEBUI_…`, or `SDWEBUI_…_FILE` for each secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import BadInput

DAY_S = 86_400.0
"""Seconds; settings count days."""
_SECRETS = ("secret", "database_url", "jobs_database_url", "smtp_password", "metrics_token")


class StudioSettings(BaseSettings):
    """Read once at start. Every field is documented in docs/operations.md; a test compares."""

    model_config = SettingsConfigDict(env_prefix="SDWEBUI_", extra="ignore", frozen=True)

    data_dir: Path = Field(default_factory=lambda: user_data_path("sdwebui-client") / "studio")
    """Everything the studio keeps."""
    secret: SecretStr | None = None
    """Signs links and cookies, at least 32 characters; None makes DATA/secret.key."""
    database_url: SecretStr | None = None
    """`postgresql://user:password@host/name`; None = SQLite in the data directory."""
    jobs_database_url: SecretStr | None = None
    """DBOS's; None = the same PostgreSQL (in its schema `dbos`), or DATA/jobs.sqlite."""
    public_url: str | None = None
    """The address in mails, `https://studio.example.org`; None = the one that is listened on."""
    trusted_proxies: str = ""
    """Addresses of reverse proxies whose X-Forwarded-* headers are believed, separated by commas."""

    url: str = ""
    """WebUIs, as for make-profile; empty = the sandbox, started by the studio."""
    models_dir: str = ""
    """The WebUI's models folder or its address, as for make-profile."""

    smtp_host: str | None = None
    """None writes mails as files into DATA/outbox, and says so."""
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """The certificate is verified with both; `none` is for a relay on this machine only."""
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_ca_file: Path | None = None
    """PEM of the authority of the mail server's certificate; None = the system's."""
    mail_from: str = "Portrait studio <studio@localhost>"

    sign_up: Literal["open", "closed"] = "open"
    """Whether strangers may make an account; an operator always can."""
    confirm_email: bool | None = None
    """Whether the address must be proved before a job begins; None = yes when mails are really sent."""
    session_days: int = Field(30, ge=1, le=365)
    photos_days: int = Field(30, ge=1, le=3650)
    """Photos and trained models are deleted so many days after the album's last job."""
    results_days: int = Field(90, ge=1, le=3650)
    """Portraits are deleted so many days after they were made."""
    link_days: int = Field(7, ge=1, le=90)
    """How long the link in a mail shows the portraits."""

    max_photos: int = Field(40, ge=4, le=500)
    """Photos of one album."""
    max_upload_mb: int = Field(30, ge=1, le=500)
    """One photo's file."""
    max_pixels_mp: int = Field(80, ge=1, le=500)
    """One photo, megapixels; looked at before it is decoded."""
    quota_jobs: int = Field(3, ge=1)
    """Jobs of one user that may wait or run at once."""
    quota_portraits_month: int = Field(200, ge=1)
    """Portraits of one user in 30 days."""

    visible_mark: Literal["on", "off", "required"] = "on"
    """A small visible mark on delivered pictures: drawn unless the user says no; never; always."""
    c2pa_cert_file: Path | None = None
    """PEM chain of the operator's certificate for C2PA manifests; needs the extra [c2pa]."""
    c2pa_key_file: Path | None = None

    heartbeat_s: float = Field(2.0, gt=0, le=60)
    dead_after_s: float = Field(20.0, gt=0, le=3600)
    """A worker silent for so long is dead; its jobs are taken over."""
    metrics_token: SecretStr | None = None
    """Bearer token of /metrics; None = only this machine may read them."""
    log_format: Literal["console", "json"] = "console"

    @property
    def mails_are_sent(self) -> bool:
        """Whether there is an SMTP server."""
        return self.smtp_host is not None

    @property
    def must_confirm(self) -> bool:
        """Whether an unproved address may not begin a job."""
        return self.mails_are_sent if self.confirm_email is None else self.confirm_email


def load_settings(**overrides: object) -> StudioSettings:
    """Read the environment; `SDWEBUI_X_FILE` names a file whose content is the secret `SDWEBUI_X`.

    Args:
        overrides: Values of the command line; None means not given.

    Raises:
        BadInput: A value that cannot be meant, naming the variable.
    """
    given: dict[str, object] = {name: value for name, value in overrides.items() if value is not None}
    for name in _SECRETS:
        path = os.environ.get(f"SDWEBUI_{name.upper()}_FILE", "").strip()
        if path and name not in given:
            given[name] = _read_secret(name, Path(path).expanduser())
    try:
        return StudioSettings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [
            f"SDWEBUI_{'_'.join(str(part) for part in entry['loc']).upper()}: {entry['msg']}"
            for entry in error.errors(include_input=False)
        ]
        raise BadInput("\n".join(lines), hint="docs/operations.md lists every setting.") from None


def _read_secret(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadInput(f"SDWEBUI_{name.upper()}_FILE: {path}: {error.strerror}.") from error
