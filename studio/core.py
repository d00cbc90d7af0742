"""The studio as one thing: settings, files, database, secret. Every service takes it first."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from .data import Database, Layout, database_url
from .errors import BadInput
from .service_settings import StudioSettings
from .settings import SANDBOX, split_urls

MIN_SECRET = 32


@dataclass(frozen=True)
class Studio:
    """Open it once a process. Thread-safe."""

    settings: StudioSettings
    layout: Layout
    db: Database
    secret: str
    """Signs links and cookies; never logged."""
    public_url: str
    """Address in mails, without a slash at the end."""
    sandbox: bool = False
    """Whether stand-ins are drawn and no portraits, which every page says."""

    @classmethod
    def open(
        cls,
        settings: StudioSettings,
        *,
        public_url: str | None = None,
        migrate: bool = True,
        sandbox: bool | None = None,
    ) -> Studio:
        """Open the data directory and the database.

        Args:
            settings: The operator's.
            public_url: Used when the settings name none.
            migrate: Whether the tables are brought to this version first.
            sandbox: Whether the stand-in for a WebUI draws; None = when the settings name no WebUI.

        Raises:
            BadInput: The data directory cannot be written, or the secret is too short.
        """
        layout = Layout(settings.data_dir.expanduser().resolve())
        try:
            layout.ensure()
            _make_private(settings, layout.root)
        except OSError as error:
            raise BadInput(
                f"The data directory {layout.root} cannot be written: {error.strerror}.",
                hint="Name another with SDWEBUI_DATA_DIR.",
            ) from error
        asked = settings.database_url.get_secret_value() if settings.database_url else None
        database = Database(database_url(asked, layout.root))
        if migrate:
            database.migrate()
        address = (settings.public_url or public_url or "http://127.0.0.1:8000").rstrip("/")
        if sandbox is None:
            sandbox = {url.lower() for url in split_urls(settings.url)} <= {SANDBOX}
        secret = _secret(settings, layout.root / "secret.key")
        return cls(settings, layout, database, secret, address, sandbox)

    def close(self) -> None:
        """Give the database's connections back."""
        self.db.close()

    @property
    def jobs_database_url(self) -> str:
        """Where DBOS keeps its workflows."""
        asked = self.settings.jobs_database_url
        if asked:
            return database_url(asked.get_secret_value(), self.layout.root)
        if self.db.engine.dialect.name == "sqlite":
            return f"sqlite:///{self.layout.root / 'jobs.sqlite'}"
        return self.db.url


def _make_private(settings: StudioSettings, root: Path) -> None:
    """Make the databases' files before SQLite does, which leaves their mode to the umask.

    The folder may be one that somebody else made, open to all. SQLite gives -wal and -shm the mode of the
    database (sqlite3 os_unix.c findCreateFileMode).
    """
    if settings.database_url is not None:
        return
    names = ["studio.sqlite", *(["jobs.sqlite"] if settings.jobs_database_url is None else [])]
    for name in names:
        os.close(os.open(root / name, os.O_RDWR | os.O_CREAT, 0o600))


def _secret(settings: StudioSettings, path: Path) -> str:
    if settings.secret is not None:
        value = settings.secret.get_secret_value()
        if len(value) < MIN_SECRET:
            raise BadInput(
                f"SDWEBUI_SECRET has fewer than {MIN_SECRET} characters.",
                hint="Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
            )
        return value
    try:
        # Made whole and then put in place: two processes that start at once agree on one.
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(secrets.token_urlsafe(48))
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from error
