"""A consistent copy of the studio, taken while it runs.

A backup is a data directory: moved to where the studio looks, it is the studio of that moment. The databases
are copied first, both at one instant; files that are made afterwards are strays nobody asks for, while a row
whose file is missing would be a picture that cannot be shown.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .core import Studio
from .data import Flag
from .errors import BadInput
from .extras import project_version
from .metrics.counts import LAST_BACKUP

MANIFEST = "backup.json"
PART = ".part"
PREFIX = "studio-"
LEFT_OUT = frozenset({"tmp", "logs"})
"""Folders of the data directory that nobody misses."""
LOCK_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds; written into it as backup.json.

    Attributes:
        folder: its folder.
        databases: names of the copied databases; empty with PostgreSQL.
        files: how many files were copied or linked.
        linked: how many of them are shared with the backup before.
        size_bytes: of the files that were copied.
        seconds: how long it took.
    """

    folder: Path
    databases: tuple[str, ...]
    files: int
    linked: int
    size_bytes: int
    seconds: float


def back_up(studio: Studio, target: Path, *, keep: int = 0, files_only: bool = False) -> Backup:
    """Make one in a new folder of `target`.

    What has not changed since the last backup there is linked, not copied: a second one costs what is new.

    Args:
        studio: The studio; it may go on working.
        target: The folder of backups, not inside the data directory.
        keep: Delete older ones beyond so many; 0 keeps all. Backups hold people's photos: see
            docs/operations.md.
        files_only: For PostgreSQL, whose own tool dumps the database.

    Raises:
        BadInput: `target` cannot be used, or the database is PostgreSQL and `files_only` was not given.
    """
    start = time.time()
    databases = {} if files_only else _databases(studio)
    root = studio.layout.root
    target = target.expanduser().resolve()
    if target.is_relative_to(root):
        raise BadInput(f"{target} lies in the data directory.", hint="Choose a folder on another disk.")
    before = backups(target)
    folder = target / f"{PREFIX}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(start))}"
    part = folder.with_name(folder.name + PART)
    if folder.exists():
        raise BadInput(f"{folder} is there already.", hint="Wait a second.")
    try:
        part.mkdir(mode=0o700, parents=True)
        with _still(list(databases.values())):
            for name, source in databases.items():
                _copy_database(source, part / name)
        counted = _copy_files(root, part, before[-1] if before else None)
        made = Backup(folder, tuple(databases), *counted, seconds=round(time.time() - start, 1))
        _write_manifest(part, made, start)
        part.rename(folder)
    except OSError as error:
        where, why = error.filename or target, error.strerror or error
        raise BadInput(f"The backup could not be written: {where}: {why}.") from error
    except sqlite3.Error as error:
        raise BadInput(f"A database could not be copied: {error}.", hint="Look at the disk.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _remember(studio, start)
    for old in backups(target)[: -keep if keep else 0]:
        shutil.rmtree(old)
    return made


def backups(target: Path) -> list[Path]:
    """Finished backups in a folder, the oldest first."""
    if not target.is_dir():
        return []
    return sorted(path.parent for path in target.glob(f"{PREFIX}*/{MANIFEST}") if path.parent.suffix != PART)


def dump_command(url: str) -> str:
    """The pg_dump that belongs to a database's address; the password is left to ~/.pgpass or PGPASSWORD."""
    parts = urlsplit(url)
    where = [f"--host={parts.hostname}"] if parts.hostname else []
    where += [f"--port={parts.port}"] if parts.port else []
    where += [f"--username={parts.username}"] if parts.username else []
    return " ".join(
        ["pg_dump", "--format=custom", "--file=studio.dump", *where, parts.path.strip("/") or "studio"]
    )


def _databases(studio: Studio) -> dict[str, Path]:
    if studio.db.engine.dialect.name != "sqlite" or not studio.jobs_database_url.startswith("sqlite"):
        url = studio.db.engine.url.render_as_string(hide_password=True).replace(":***", "")
        raise BadInput(
            "The database is PostgreSQL, which has a tool of its own for a consistent copy.",
            hint=f"First: {dump_command(url)}\nThen:  the same command with --files-only.\n"
            "docs/operations.md has the whole procedure, and how to restore.",
        )
    found = {}
    for url in (studio.db.url, studio.jobs_database_url):
        path = Path(url.removeprefix("sqlite:///"))
        if path.is_file():
            found[path.name] = path
    return found


@contextmanager
def _still(paths: list[Path]) -> Iterator[None]:
    """Nobody writes to any of them inside: readers go on, writers wait (WAL)."""
    with ExitStack() as stack:
        for path in paths:
            connection = stack.enter_context(
                closing(sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None))
            )
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise BadInput(f"{path.name} is busy: {error}.", hint="Try again in a moment.") from error
            stack.callback(connection.rollback)
        yield


def _copy_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        (verdict,) = new.execute("PRAGMA quick_check").fetchone()
        # One file without -wal beside it: whoever copies the backup on cannot leave half of it behind.
        new.execute("PRAGMA journal_mode=DELETE")
    if verdict != "ok":
        raise BadInput(f"The copy of {source.name} is damaged: {verdict}.", hint="Look at the disk.")
    target.chmod(0o600)


def _copy_files(root: Path, part: Path, before: Path | None) -> tuple[int, int, int]:
    """All files but the databases: (files, how many of them linked, bytes copied)."""
    files = linked = copied = 0
    for path in _files(root):
        relative = path.relative_to(root)
        target = part / relative
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = before / relative if before is not None else None
        try:
            if old is not None and _same(path, old):
                os.link(old, target)
                linked += 1
            else:
                shutil.copy2(path, target)
                copied += target.stat().st_size
        except FileNotFoundError:
            # Deleted while we were on our way to it.
            target.unlink(missing_ok=True)
            continue
        files += 1
    return files, linked, copied


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        if here == root:
            folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in sorted(names):
            path = here / name
            is_database = here == root and name.partition("-")[0].endswith(".sqlite")
            if path.is_file() and not path.is_symlink() and not is_database:
                yield path


def _same(path: Path, old: Path) -> bool:
    try:
        ours, theirs = path.stat(), old.stat()
    except FileNotFoundError:
        return False
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _write_manifest(part: Path, made: Backup, start: float) -> None:
    content = {
        "schema": "sdwebui-studio-backup/1",
        "version": project_version(),
        "at": start,
        **{key: value for key, value in asdict(made).items() if key != "folder"},
    }
    with (part / MANIFEST).open("w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=2)
        stream.flush()
        os.fsync(stream.fileno())


def _remember(studio: Studio, at: float) -> None:
    with studio.db.session() as db:
        db.merge(Flag(key=LAST_BACKUP, at=at))
