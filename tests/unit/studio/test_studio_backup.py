"""A backup is the studio of one moment, taken while it works."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from studio import backup as module
from studio.accounts import create_user
from studio.backup import MANIFEST, back_up, backups, dump_command
from studio.core import Studio
from studio.data import Flag
from studio.errors import BadInput
from studio.service_settings import StudioSettings


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio.open(StudioSettings(data_dir=tmp_path / "data"))
    with sqlite3.connect(made.layout.root / "jobs.sqlite") as jobs:
        jobs.execute("PRAGMA journal_mode=WAL")
        jobs.execute("CREATE TABLE workflows (id INTEGER)")
    jobs.close()
    yield made
    made.close()


def put(studio: Studio, name: str, content: bytes = b"x") -> Path:
    path = studio.layout.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each backup a minute after the one before, without waiting for it."""
    moments = iter(range(1_800_000_000, 1_900_000_000, 60))
    monkeypatch.setattr(module.time, "time", lambda: float(next(moments)))


def test_a_backup_is_a_data_directory(studio: Studio, tmp_path: Path) -> None:
    create_user(studio, email="kim@example.org", password=None)
    put(studio, "users/0123456789/albums/ab/photos/x.jpg", b"photo")
    put(studio, "tmp/half.jpg")
    put(studio, "logs/studio.log")
    made = back_up(studio, tmp_path / "backups")
    assert made.databases == ("studio.sqlite", "jobs.sqlite")
    assert (made.folder / "users/0123456789/albums/ab/photos/x.jpg").read_bytes() == b"photo"
    assert not (made.folder / "tmp").exists()
    assert not (made.folder / "logs").exists()
    assert not list(made.folder.glob("*-wal"))
    assert made.folder.stat().st_mode & 0o077 == 0
    manifest = json.loads((made.folder / MANIFEST).read_text())
    assert (manifest["schema"], manifest["files"]) == ("sdwebui-studio-backup/1", made.files)
    restored = Studio.open(StudioSettings(data_dir=made.folder))
    try:
        assert restored.secret == studio.secret, "links and cookies stay good"
        with restored.db.session() as db:
            assert db.get(Flag, "backup") is None
            assert db.connection().exec_driver_sql("SELECT email FROM users").scalar() == "kim@example.org"
    finally:
        restored.close()
    with studio.db.session() as db:
        assert db.get(Flag, "backup") is not None, "the metrics tell how old it is"


def test_both_databases_are_of_one_moment(studio: Studio, tmp_path: Path) -> None:
    """Who writes to one and then to the other is never caught with the second ahead of the first."""
    stop, began = threading.Event(), threading.Event()

    def write() -> None:
        first = sqlite3.connect(studio.layout.root / "studio.sqlite", timeout=15)
        second = sqlite3.connect(studio.layout.root / "jobs.sqlite", timeout=15)
        first.execute("CREATE TABLE wrote (id INTEGER)")
        number = 0
        while not stop.is_set():
            number += 1
            for connection, table in ((first, "wrote"), (second, "workflows")):
                connection.execute(f"INSERT INTO {table} VALUES (?)", (number,))
                connection.commit()
            began.set()
        first.close()
        second.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert began.wait(30)
    try:
        counts = []
        for number in range(4):
            made = back_up(studio, tmp_path / f"backups-{number}")
            counts.append([newest(made.folder, *of) for of in (("studio", "wrote"), ("jobs", "workflows"))])
    finally:
        stop.set()
        writer.join()
    assert all(first - second in (0, 1) for first, second in counts), counts
    assert counts[-1][0] > 0


def newest(folder: Path, name: str, table: str) -> int:
    connection = sqlite3.connect(folder / f"{name}.sqlite")
    try:
        return int(connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0])
    finally:
        connection.close()


@pytest.mark.usefixtures("clock")
def test_what_did_not_change_is_linked(studio: Studio, tmp_path: Path) -> None:
    same, changed = put(studio, "users/a/same.jpg"), put(studio, "users/a/changed.jpg")
    gone = put(studio, "users/a/gone.jpg")
    first = back_up(studio, tmp_path / "b")
    changed.write_bytes(b"longer")
    gone.unlink()
    second = back_up(studio, tmp_path / "b")
    place = same.relative_to(studio.layout.root)
    assert (first.folder / place).stat().st_ino == (second.folder / place).stat().st_ino
    assert (first.folder / "users/a/changed.jpg").read_bytes() == b"x"
    assert (second.folder / "users/a/changed.jpg").read_bytes() == b"longer"
    assert (first.folder / "users/a/gone.jpg").exists()
    assert not (second.folder / "users/a/gone.jpg").exists()
    assert second.linked == 2, "same.jpg and secret.key"
    assert (studio.layout.root / place).stat().st_nlink == 1, "the studio's own files are not shared"


@pytest.mark.usefixtures("clock")
def test_old_ones_go(studio: Studio, tmp_path: Path) -> None:
    target = tmp_path / "b"
    made = [back_up(studio, target).folder for _ in range(3)]
    stranger = target / "studio-notes"
    stranger.mkdir()
    newest_one = back_up(studio, target, keep=2).folder
    assert backups(target) == [made[-1], newest_one]
    assert stranger.is_dir(), "what is no backup is left alone"
    back_up(studio, target, keep=0)
    assert len(backups(target)) == 3


def test_a_file_that_goes_meanwhile_does_not_break_it(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(studio, "users/a/goes.jpg")
    copy = module.shutil.copy2

    def vanish(source: Any, target: Any) -> Any:
        if Path(source).name == "goes.jpg":
            Path(source).unlink()
        return copy(source, target)

    monkeypatch.setattr(module.shutil, "copy2", vanish)
    made = back_up(studio, tmp_path / "b")
    assert not (made.folder / "users/a/goes.jpg").exists()


def test_a_full_disk_leaves_nothing_half(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    put(studio, "users/a/x.jpg")
    monkeypatch.setattr(module.shutil, "copy2", full)
    with pytest.raises(BadInput, match="No space left"):
        back_up(studio, tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []
    with studio.db.session() as db:
        assert db.get(Flag, "backup") is None


def test_a_damaged_database_is_noticed(studio: Studio, tmp_path: Path) -> None:
    jobs = studio.layout.root / "jobs.sqlite"
    connection = sqlite3.connect(jobs)
    connection.executemany("INSERT INTO workflows VALUES (?)", [(n,) for n in range(5000)])
    connection.commit()
    connection.close()
    with jobs.open("r+b") as stream:
        stream.seek(jobs.stat().st_size - 4096)
        stream.write(b"\xff" * 4096)
    with pytest.raises(BadInput, match=r"damaged|could not be copied"):
        back_up(studio, tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []


def test_not_into_itself(studio: Studio) -> None:
    with pytest.raises(BadInput, match="data directory"):
        back_up(studio, studio.layout.root / "backups")


def test_with_postgresql_it_says_how(studio: Studio, tmp_path: Path) -> None:
    url = "postgresql+psycopg://studio:hush@db.example.org:5433/studio"
    settings = StudioSettings(data_dir=studio.layout.root, database_url=SecretStr(url))
    other = Studio.open(settings, migrate=False)
    try:
        with pytest.raises(BadInput) as caught:
            back_up(other, tmp_path / "b")
    finally:
        other.close()
    assert dump_command(url) in caught.value.hint
    assert "--files-only" in caught.value.hint
    assert "hush" not in caught.value.hint + caught.value.message


@pytest.mark.parametrize(
    ("url", "arguments"),
    [("postgresql://u:p@h:1/d", "--host=h --port=1 --username=u d"), ("postgresql:///d", "d")],
)
def test_the_dump_command(url: str, arguments: str) -> None:
    assert dump_command(url) == f"pg_dump --format=custom --file=studio.dump {arguments}"


def test_files_only(studio: Studio, tmp_path: Path) -> None:
    put(studio, "users/a/x.jpg")
    made = back_up(studio, tmp_path / "b", files_only=True)
    assert made.databases == ()
    assert not list(made.folder.glob("*.sqlite"))
    assert (made.folder / "users/a/x.jpg").exists()
