"""Brings the database to this version's tables: the steps in `studio/data/migrations`, in order, each once.

After a change in `models.py`:

    python -m studio.data.migrate new "What changes."      writes the next one; read it before you commit it
    python -m studio.data.migrate first                    writes the first one again: only while nobody keeps
                                                           data in a studio yet

and then `ruff format studio/data/migrations`.

There are no downgrades: docs/operations.md says how to go back to a backup.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table, text

from ..errors import BadInput
from .models import Base

if TYPE_CHECKING:
    from alembic.config import Config

    from .database import Database

HEAD = "0001"
"""The newest migration. Known here, so that a start that has nothing to do need not load alembic."""
FOLDER = Path(__file__).parent / "migrations"
_VERSIONS = "alembic_version"
_LOCK = 0x73747564696F
"""Key of the lock on PostgreSQL: "studio" in ASCII."""


def upgrade(database: Database) -> None:
    """Make the tables what this version of the studio needs; what is in them is kept.

    All or nothing. Several processes may start at once: one does it, the others wait and find it done.

    Args:
        database: SQLite or PostgreSQL.

    Raises:
        BadInput: The database was made by a newer version of the studio, or is another program's.
    """
    with database.engine.connect() as connection:
        if current(connection) == HEAD:
            return
    with database.engine.connect() as connection:
        _lock(connection)
        found = current(connection)
        if found != HEAD:
            _migrate(connection, found)
        connection.commit()


def current(connection: Connection) -> str | None:
    """The migration a database is at; None when it has no tables yet."""
    if not inspect(connection).has_table(_VERSIONS):
        return None
    version: str | None = connection.scalar(select(column("version_num")).select_from(table(_VERSIONS)))
    return version


def config(connection: Connection) -> Config:
    """What alembic needs to know, for one connection."""
    from alembic.config import Config

    made = Config(stdout=io.StringIO())
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    else:
        # pysqlite begins a transaction before the first INSERT only: tables would be made outside of any.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    alembic = config(connection)
    known = {script.revision for script in ScriptDirectory.from_config(alembic).walk_revisions()}
    if found is not None and found not in known:
        raise BadInput(
            f"The database is at migration {found}, which this version of the studio does not know.",
            hint="A newer version used it. Install that one again, or go back to a backup of the database.",
        )
    ours = set(Base.metadata.tables)
    if found is None and (taken := ours.intersection(inspect(connection).get_table_names())):
        raise BadInput(
            f"The database holds tables that are not the studio's: {', '.join(sorted(taken))}.",
            hint="Give the studio a database of its own.",
        )
    command.upgrade(alembic, "head")


def write(message: str, *, first: bool = False) -> Path:
    """Write a migration that makes of the tables so far what `models.py` says.

    Args:
        message: What changes.
        first: Write the first one again instead; all others must be gone.

    Returns:
        The new file.
    """
    from alembic import command

    from .database import Database

    versions = sorted((FOLDER / "versions").glob("v[0-9]*.py"))
    if first:
        if len(versions) > 1:
            raise BadInput("There are migrations after the first one.", hint="Write a new one instead.")
        for path in versions:
            path.unlink()
        versions = []
    number = f"{len(versions) + 1:04}"
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'so-far.sqlite'}")
        with database.engine.connect() as connection:
            alembic = config(connection)
            if versions:
                command.upgrade(alembic, "head")
            alembic.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
            made = command.revision(alembic, message, autogenerate=True, rev_id=number)
        database.close()
    assert made is not None
    assert not isinstance(made, list)
    path = Path(made.path)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "# ###" not in line))
    return path


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["first"]:
            write("All tables.", first=True)
        case ["new", message]:
            write(message)
            sys.stdout.write(f"Set HEAD in {__file__} to its number.\n")
        case _:
            sys.exit(__doc__)
