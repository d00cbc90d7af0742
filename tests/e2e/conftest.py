"""The command line as people run it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = ROOT / "examples" / "photos"
FEW = ("01-portrait.jpg", "02-window-light.jpg", "05-close.jpg", "08-lamp-from-left.jpg")

ONE_SMALL_PORTRAIT = (
    "--set", "shots=1", "--set", "poses=[front]", "--set", "tones=[cool]", "--set", "stages.upscale.scale=1",
    "--set", "train.save_every_n_steps=600", "--set", "choose.pictures=1", "--set", "choose.weights=[0.8]",
    "--set", "choose.steps=4", "--set", "choose.width=256", "--set", "choose.height=320",
    "--set", "stages.img2img.steps=8", "--set", "stages.upscale.steps=8",
)  # fmt: skip
"""The quickest run that still goes through every stage, with two checkpoints to choose between."""


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without anybody's WebUI, and with the project importable."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SDWEBUI_")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | changes


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "sdwebui_client", *args]


def cli(*args: str, cwd: Path, timeout_s: float = 240, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end, with nobody at the keyboard."""
    return subprocess.run(
        command(*args),
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """`cli` without a process of its own, for what is the same in one: starting one takes seconds."""
    from studio.cli import main

    def run(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("SDWEBUI_")]:
                patch.delenv(name)
            for name, value in env.items():
                patch.setenv(name, value)
            patch.chdir(cwd)
            capsys.readouterr()
            code = main(list(args))
            said = capsys.readouterr()
        return subprocess.CompletedProcess(args, code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many photos as a training needs; looking at ten takes longer than the rest of most tests."""
    folder = tmp_path_factory.mktemp("photos") / "alice"
    folder.mkdir()
    for name in FEW:
        shutil.copy(PHOTOS / name, folder)
    return folder


@dataclass(frozen=True)
class Finished:
    """A run that was made once for all tests that only look at it."""

    photos: Path
    out: Path
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def finished(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    cwd = tmp_path_factory.mktemp("run")
    args = ("--user", str(few), "--webui", "sandbox", "--out", "out", "--seed", "7", *ONE_SMALL_PORTRAIT)
    done = cli("make-profile", *args, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return Finished(few, cwd / "out", done)


@pytest.fixture
def slow_sandbox(tmp_path: Path) -> Iterator[str]:
    """The URL of a sandbox whose steps take long enough to be interrupted in."""
    args = ("sandbox", "--port", "0", "--seconds-per-step", "0.05", "--models-dir", str(tmp_path / "models"))
    with subprocess.Popen(
        command(*args), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[\d.]+:\d+", line)
        assert found, line + process.stdout.read()
        try:
            yield found.group()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()  # leaving the block waits for it without end
