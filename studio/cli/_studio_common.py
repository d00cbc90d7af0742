"""What the `studio` commands share: opening the studio, finding rows, printing tables."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import BadInput
from ._state import make_console
from ._words import duration

if TYPE_CHECKING:
    from ..core import Studio
    from ..jobs import Jobs
    from ..service_settings import StudioSettings

F = TypeVar("F", bound=Callable[..., Any])
DATA_DIR = "studio.cli.data_dir"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def studio_settings() -> StudioSettings:
    """The environment, with the group's --data-dir."""
    from ..service_settings import load_settings

    given = click.get_current_context().meta.get(DATA_DIR)
    return load_settings(data_dir=Path(given) if given else None)


@contextmanager
def opened(*, create: bool = False) -> Iterator[Studio]:
    """The studio of the environment.

    Args:
        create: Whether a studio may be made where there is none; otherwise a mistyped folder is said.

    Raises:
        BadInput: There is none, or its tables are of another version.
    """
    import logging

    from ..core import Studio
    from ..logs import configure_logs

    settings = studio_settings()
    configure_logs(settings, process="admin", level=logging.WARNING)
    root = settings.data_dir.expanduser()
    if not create and settings.database_url is None and not (root / "studio.sqlite").is_file():
        raise BadInput(
            f"There is no studio in {root}.",
            hint="Name its folder with SDWEBUI_DATA_DIR or `studio --data-dir DIR`; `serve` makes one.",
        )
    studio = Studio.open(settings, migrate=False)
    try:
        _look_at_version(studio, create=create)
        yield studio
    finally:
        studio.close()


def _look_at_version(studio: Studio, *, create: bool) -> None:
    """Never migrate under a studio that runs: only a new database gets its tables here."""
    from sqlalchemy.exc import SQLAlchemyError

    from ..data import migrate

    try:
        with studio.db.engine.connect() as connection:
            found = migrate.current(connection)
    except SQLAlchemyError as error:
        raise BadInput(
            f"The database does not answer ({type(error).__name__}).",
            hint="`studio check` looks closer; SDWEBUI_DATABASE_URL names it.",
        ) from error
    if found is None and create:
        studio.db.migrate()
    elif found != migrate.HEAD:
        raise BadInput(
            f"The database is at migration {found}; this program needs {migrate.HEAD}.",
            hint="`serve` brings an older one up to date when it starts; make a backup first.",
        )


@contextmanager
def opened_jobs() -> Iterator[tuple[Studio, Jobs]]:
    """The studio and its queues."""
    with opened() as studio:
        from ..jobs import Jobs

        jobs = Jobs(studio)
        try:
            yield studio, jobs
        finally:
            jobs.close()


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Rows as JSON (all of them) or as a table (the columns that are asked for).

    Args:
        rows: Values by name; names that end in `_at` are times, in `_s` seconds.
        columns: Of the table.
        as_json: Which of the two.
        empty: What is said when there is no row; not in JSON.
    """
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not rows:
        click.echo(empty)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False, pad_edge=False)
    for name in columns:
        table.add_column(_title(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(name, row[name])) for name in columns))
    make_console(stderr=False).print(table)


def cell(name: str, value: Any) -> str:
    """One value as a person reads it."""
    if value is None:
        return "-"
    if name.endswith("_at"):
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(value))
    if name.endswith("_s"):
        return duration(value)
    if name in ("fraction", "busy_share"):
        return f"{value:.0%}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _title(name: str) -> str:
    return name.removesuffix("_at").removesuffix("_s").replace("_", " ")


def ask(question: str, *, yes: bool) -> None:
    """Have a person confirm.

    Raises:
        BadInput: Nobody is there to ask, and --yes was not given.
    """
    import sys

    if yes:
        return
    if not (sys.stdin is not None and sys.stdin.isatty()):
        raise BadInput(f"This needs a yes: {question}", hint="Nobody is there to ask; add --yes.")
    click.confirm(question, abort=True, err=True)
