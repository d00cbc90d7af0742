"""Opens the studio's database: SQLite in WAL mode by default, PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from ..errors import BadInput

BUSY_TIMEOUT_MS = 15_000
"""How long a writer of SQLite waits for another."""


def database_url(asked: str | None, root: Path) -> str:
    """The SQLAlchemy URL: the asked one with a driver we ship, or the SQLite file of the data directory.

    Raises:
        BadInput: It is no URL, or one of another database. The URL is not repeated: it holds a password.
    """
    if not asked:
        return f"sqlite:///{root / 'studio.sqlite'}"
    for prefix in ("postgresql://", "postgres://"):
        if asked.startswith(prefix):
            asked = "postgresql+psycopg://" + asked.removeprefix(prefix)
    try:
        kind = make_url(asked).get_backend_name()
    except (ArgumentError, ValueError):
        kind = ""
    if kind not in ("postgresql", "sqlite"):
        raise BadInput(
            f"The studio cannot use {kind} as its database."
            if kind
            else "The database's URL cannot be read.",
            hint="SDWEBUI_DATABASE_URL is postgresql://USER:PASSWORD@HOST/NAME, special characters of the "
            "password percent-encoded; without it SQLite is used.",
        )
    return asked


class Database:
    """Sessions on one database. Thread-safe."""

    def __init__(self, url: str, **engine_options: Any) -> None:
        self.url = url
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 20}
        # An error's text ends up in logs: what was written (addresses, hashes) must not.
        options["hide_parameters"] = True
        self.engine: Engine = create_engine(url, **{**options, **engine_options})
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back by an error. Rows stay readable afterwards."""
        with self._sessions.begin() as session:
            yield session

    def migrate(self) -> None:
        """Bring the tables to the newest version; what is there is kept.

        Raises:
            BadInput: The database does not answer or does not let us in, or is not ours (`migrate.upgrade`).
        """
        from .migrate import upgrade

        try:
            upgrade(self)
        except OperationalError as error:
            said = str(error.orig).strip().splitlines()
            raise BadInput(
                f"The database cannot be used: {said[0] if said else type(error.orig).__name__}",
                hint="Does it run, and is SDWEBUI_DATABASE_URL right?"
                if self.engine.dialect.name != "sqlite"
                else "Is the disk full, or the data directory another user's?",
            ) from error

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What was deleted is gone from the file too, not only from the tables.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()
