"""The address of the database as operators mistype it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from studio.core import Studio
from studio.data import Database, Flag, database_url
from studio.errors import BadInput
from studio.service_settings import StudioSettings


def test_none_is_sqlite_in_the_data_directory(tmp_path: Path) -> None:
    assert database_url(None, tmp_path) == f"sqlite:///{tmp_path / 'studio.sqlite'}"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_gets_the_driver_we_ship(tmp_path: Path, scheme: str) -> None:
    assert database_url(f"{scheme}://u:p@h/n", tmp_path) == "postgresql+psycopg://u:p@h/n"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("mysql://u:hidden@h/n", "cannot use mysql"),
        ("somewhere", "cannot be read"),
        ("postgresql://u:hidden@h:port/n", "cannot be read"),
    ],
)
def test_another_address_is_refused_without_its_password(tmp_path: Path, asked: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        database_url(asked, tmp_path)
    assert "SDWEBUI_DATABASE_URL" in str(caught.value.hint)
    assert "hidden" not in f"{caught.value} {caught.value.hint}"


def test_a_database_that_does_not_answer_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
        port = nobody.getsockname()[1]
        database = Database(database_url(f"postgresql://u:hidden@127.0.0.1:{port}/n", tmp_path))
        with pytest.raises(BadInput, match=r"cannot be used: .*refused") as caught:
            database.migrate()
    assert "hidden" not in str(caught.value)
    database.close()


def test_a_file_that_cannot_be_opened_is_said_too(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'studio.sqlite'}")
    with pytest.raises(BadInput, match="unable to open"):
        database.migrate()
    database.close()


def test_nobody_else_on_the_machine_reads_the_databases(tmp_path: Path) -> None:
    """Also in a folder that was there before, open to all."""
    before = os.umask(0o022)
    try:
        tmp_path.chmod(0o755)
        studio = Studio.open(StudioSettings(data_dir=tmp_path))
        with studio.db.session() as db:
            db.add(Flag(key="x"))
            modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.glob("*.sqlite*")}
        studio.close()
    finally:
        os.umask(before)
    assert {"studio.sqlite", "studio.sqlite-wal", "jobs.sqlite"} <= set(modes)
    assert not any(modes.values())
