"""What ends a run before it begins: exit status, words, and that nothing was started or written."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from studio.cli import main

from .conftest import PHOTOS, cli


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SDWEBUI_URL", "SDWEBUI_AUTH", "SDWEBUI_MODELS_DIR", "SDWEBUI_CA_FILE"):
        monkeypatch.delenv(name, raising=False)


def make_profile(*args: str, user: Path | str = PHOTOS) -> int:
    return main(["make-profile", "--user", str(user), *args])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--preset", "studio-sd51"], "studio-sd15"),
        (["--set", "stages.upscale.scal=2"], "scale"),
        (["--set", "shots=many"], "shots"),
        (["--set", "nonsense"], "--set"),
        (["--count", "0"], "--count"),
        (["--count", "1000"], "--count"),
        (["--seed", "-1"], "--seed"),
        (["--name", "a/b"], "--name"),
        (["--name", ""], "--name"),
        (["--lora", " "], "--lora"),
        (["--out", ""], "--out"),
        (["--webui", "gpu:7860"], "http://gpu:7860"),
        (["--webui", "http://gpu:x"], "--webui"),
        (["--webui", "sandbox", "--webui", "http://gpu:7860"], "sandbox"),
        (["--pose-from", "nowhere.jpg"], "--pose-from"),
        (["--api-auth-file", "nowhere"], "--api-auth-file"),
        (["--ca-file", "nowhere"], "--ca-file"),
        (["--models-dir", "nowhere"], "--models-dir"),
    ],
)
def test_bad_input_is_exit_2_and_leaves_no_trace(
    args: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = args if "--webui" in args else ["--webui", "sandbox", *args]
    assert make_profile(*chosen) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""
    assert [path.name for path in tmp_path.rglob("*.png")] == []


@pytest.mark.parametrize("what", ["missing", "empty", "file"])
def test_a_folder_that_is_none(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    user = tmp_path / "photos"
    if what == "empty":
        user.mkdir()
    if what == "file":
        user.touch()
    assert make_profile(user=user) == 2
    assert "photos" in capsys.readouterr().err


def test_an_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert make_profile("--out", "file/out", "--webui", "sandbox") == 2
    assert "file/out" in capsys.readouterr().err


def test_a_folder_without_photos_shows_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    assert make_profile("--webui", "sandbox", user=tmp_path / "photos") == 2
    captured = capsys.readouterr()
    assert "notes.txt" in captured.out
    assert "photos" in captured.err


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_named_webui_that_does_not_answer_is_exit_3_and_never_the_sandbox(how: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    args = ["--webui", url] if how == "option" else []
    env = {} if how == "option" else {"SDWEBUI_URL": url}
    done = cli("make-profile", "--user", str(PHOTOS), *args, cwd=tmp_path, **env)
    assert done.returncode == 3, done.stderr
    assert url in done.stderr
    assert "SANDBOX" not in done.stdout + done.stderr


def test_a_password_in_an_address_is_never_printed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://me:hunter2@127.0.0.1:{port}"
    done = cli(
        "make-profile", "--user", str(PHOTOS), "--webui", url, "--verbose", "--log-file", "log", cwd=tmp_path
    )
    assert done.returncode == 3
    assert "hunter2" not in done.stdout + done.stderr + (tmp_path / "log").read_text()
