"""The models folder, however it is named: on the command line, in the environment, on record, to doctor."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.cli._options import read_models_dir
from studio.connect import Target, connect
from studio.doctor import _place_check
from studio.errors import BadInput
from studio.runs import claim, models_dirs, owner
from studio.settings import Settings
from tests.stubs.sshd import start_sshd
from tests.stubs.webui import StubWebUI


def test_a_folder_must_be_there_and_an_address_is_asked_later(tmp_path: Path) -> None:
    assert read_models_dir(str(tmp_path)) == tmp_path
    assert read_models_dir(f"file://{tmp_path}") == tmp_path
    assert read_models_dir("sftp://me@gpu/srv/models") == "sftp://me@gpu/srv/models"
    for text in (str(tmp_path / "nowhere"), f"file://{tmp_path}/nowhere"):
        with pytest.raises(BadInput, match="--models-dir"):
            read_models_dir(text)


@pytest.mark.parametrize(
    "text", ["sftp://me:hunter2@gpu/x", "s3://key:hunter2@bucket", "sftp://gpu", "http://x/"]
)
def test_what_is_no_models_folder(text: str) -> None:
    with pytest.raises(BadInput, match=r"^--models-dir: ") as caught:
        read_models_dir(text)
    assert caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_an_address_stays_on_record_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    places = ["sftp://me@gpu/srv/models", tmp_path / "x" / ".." / "models"]
    claim(tmp_path / "out", tmp_path / "photos", "alice", publishes_in=places)
    record = owner(tmp_path / "out")
    assert record is not None
    assert models_dirs(record) == ("sftp://me@gpu/srv/models", str(tmp_path / "models"))


def test_a_connection_knows_the_address(tmp_path: Path) -> None:
    from studio.connect import parse_address

    with StubWebUI() as stub:
        target = Target((parse_address(stub.url),), "--webui")
        with connect(
            target, Settings(), sandbox_models=tmp_path, models_dir="sftp://me@gpu/srv/models"
        ) as connection:
            assert connection.models_dir == "sftp://me@gpu/srv/models"
            assert connection.publishes_in == ("sftp://me@gpu/srv/models",)


def test_doctor_asks_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    sshd = start_sshd(tmp_path / "sshd")
    for name, value in sshd.env.items():
        monkeypatch.setenv(name, value)
    try:
        there = _place_check("group", sshd.url(tmp_path / "models"))
        gone = _place_check("group", sshd.url(tmp_path / "nowhere"))
    finally:
        sshd.stop()
    away = _place_check("group", sshd.url(tmp_path / "models"))
    assert (there.status, gone.status, away.status) == ("ok", "missing", "missing")
    assert "Nothing listens" in away.detail
