"""`train-lora` as people run it, with a trainer that says and writes what the real one was recorded to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PHOTOS, cli, command, environment
from tests.stubs.trainer import fake_environment
from train_lora import read_artifact

SIX = ("01-portrait.jpg", "02-window-light.jpg", "04-phone-upright.jpg", "05-close.jpg", "06-overcast.png",
       "08-lamp-from-left.jpg")  # fmt: skip
"""As many photos as are needed for one to be held out."""
SHORT = ("--set", "train.steps=40", "--set", "train.save_every_n_steps=10", "--consent")

LAST_OF_A_STATE = "*-state/random_states_0.pkl"
"""A state without it is not gone on from."""


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return fake_environment(tmp_path_factory.mktemp("trainer"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, trainer: dict[str, str]) -> None:
    """What the fake trainer takes must not be remembered as what this machine can do."""
    trainer["XDG_CACHE_HOME"] = str(tmp_path / "cache")


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "alice"
    folder.mkdir()
    for name in SIX:
        shutil.copy(PHOTOS / name, folder)
    return folder


def train(
    cwd: Path,
    trainer: dict[str, str],
    *args: str,
    photos: Path,
    start: Callable[..., subprocess.CompletedProcess[str]] = cli,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    return start(
        "train-lora", "--user", str(photos), "--name", "alice", "--out", "out", "--no-webui", *SHORT, *args,
        cwd=cwd, **{**trainer, **env},
    )  # fmt: skip


@pytest.mark.slow
def test_from_photos_to_a_file_with_every_tensor_and_a_report(
    tmp_path: Path, trainer: dict[str, str], six: Path, here: Callable[..., Any]
) -> None:
    done = train(tmp_path, trainer, photos=six)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    for words in ("6 photos accepted", "1 photo is kept out of it", "training, step 40 of 40", "loss"):
        assert words in said
    assert any(block in said for block in "▁▂▃▄▅▆▇█")

    artifact = read_artifact(tmp_path / "out" / "alice.safetensors")
    assert not artifact.sandbox
    assert artifact.trigger
    assert len(artifact.photos) == 5  # the one that was held out is not in it
    record = json.loads((tmp_path / "out" / "training.json").read_text("utf-8"))
    assert record["trainer"]["name"] == "sd-scripts"
    assert record["steps"] == 40
    assert record["prediction"]["likely_min"] >= 0
    assert "alice" in (tmp_path / "out" / "training-report.html").read_text("utf-8")
    # Captions, folders and the person's name stay out of the file.
    head = (tmp_path / "out" / "alice.safetensors").read_bytes()[:200_000]
    for personal in (b"examples", str(tmp_path).encode(), b"ss_tag_frequency", b"ss_dataset_dirs"):
        assert personal not in head

    again = train(tmp_path, trainer, photos=six, start=here)
    assert again.returncode == 0
    assert "was trained before" in again.stdout
    assert "training, step" not in again.stdout


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_leaves_nobody_behind(
    tmp_path: Path, trainer: dict[str, str], few: Path
) -> None:
    args = command("train-lora", "--user", str(few), "--name", "alice", "--out", "out", "--no-webui", *SHORT)
    env = environment(**trainer, FAKE_TRAINER="step_s=0.15,child")
    states = tmp_path / "out" / ".work" / "training"
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(args, cwd=tmp_path, env=env, stdout=log, stderr=log)
        wait_for(lambda: list(states.rglob(LAST_OF_A_STATE)), 90)
        process.kill()
        process.wait(30)
    wait_for(lambda: not processes_with(str(tmp_path)), 30)

    done = train(tmp_path, trainer, photos=few)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "out" / "training.json").read_text("utf-8"))
    assert record["resumed_from"] in (10, 20, 30)


@pytest.mark.slow
def test_ctrl_c_ends_the_trainer_and_says_how_to_go_on(
    tmp_path: Path, trainer: dict[str, str], few: Path
) -> None:
    args = command("train-lora", "--user", str(few), "--name", "alice", "--out", "out", "--no-webui", *SHORT)
    env = environment(**trainer, FAKE_TRAINER="step_s=0.15,no_term")
    with (tmp_path / "log.txt").open("w+") as log:
        process = subprocess.Popen(args, cwd=tmp_path, env=env, stdout=log, stderr=log, process_group=0)
        wait_for(lambda: list((tmp_path / "out" / ".work" / "training").rglob("*-state")), 90)
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    said = (tmp_path / "log.txt").read_text("utf-8")
    assert code == 130, said
    assert "run it again to continue" in said
    assert "train-lora --user" in said
    wait_for(lambda: not processes_with(str(tmp_path)), 30)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "words"),
    [("quiet", "model saved"), ("tensors=12", "alice"), ("nan_at=3", "learning rate"), ("exit_at=3", "")],
)
def test_a_training_that_only_looks_finished_is_none(
    tmp_path: Path, trainer: dict[str, str], few: Path, here: Callable[..., Any], mode: str, words: str
) -> None:
    done = train(tmp_path, trainer, photos=few, start=here, FAKE_TRAINER=mode)
    assert done.returncode == 3, done.stdout + done.stderr
    assert not (tmp_path / "out" / "alice.safetensors").exists()
    assert "Traceback" not in done.stderr
    assert words in done.stderr or mode == "tensors=12"
    assert len(done.stderr.strip().splitlines()) >= 2  # what happened, and what to do


def test_a_newcomer_gets_the_next_command(tmp_path: Path) -> None:
    done = cli(
        "train-lora", "--user", str(PHOTOS), "--no-webui", "--consent", "--out", "out",
        cwd=tmp_path, SD_SCRIPTS_DIR=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 3
    assert "SD_SCRIPTS_DIR" in done.stderr
    assert "v0.10.1" in done.stderr


@pytest.mark.slow
def test_an_sdxl_file_is_refused_for_sd15_settings(
    tmp_path: Path, trainer: dict[str, str], few: Path, here: Callable[..., Any]
) -> None:
    from tests.stubs.trainer import fake_base_model

    model = fake_base_model(tmp_path / "xl.safetensors", "sdxl")
    done = train(tmp_path, trainer, "--base-model", str(model), photos=few, start=here)
    assert done.returncode == 3
    assert "SDXL" in done.stderr
    assert "xl.safetensors" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--webui", "sandbox"), "contradict"),
        (("--set", "train.stepz=3"), "steps"),
        (("--preset", "sd15-fats"), "sd15-fast"),
        (("--trainer", "onetrainer"), "sd-scripts"),
        (("--base-model", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--name", "지민"), "letters"),
    ],
)
def test_slips_are_told_at_once(
    tmp_path: Path, trainer: dict[str, str], here: Callable[..., Any], args: tuple[str, ...], words: str
) -> None:
    done = train(tmp_path, trainer, *args, photos=PHOTOS, start=here)
    assert done.returncode in (2, 3)
    assert words in done.stderr
    assert not (tmp_path / "out" / "alice.safetensors").exists()


@pytest.mark.slow
def test_a_dry_run_says_how_long_and_makes_nothing(
    tmp_path: Path, trainer: dict[str, str], six: Path
) -> None:
    done = train(tmp_path, trainer, "--dry-run", "--json", photos=six)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("5 to train on", "40 steps", "minute"):
        assert words in done.stderr
    told = json.loads(done.stdout)
    assert told["schema"] == "sdwebui-training-plan/1"
    assert {"what": "base model", "found": "base"} in told["rows"]
    assert told["problems"] == []
    assert not (tmp_path / "out").exists()


def wait_for(happened: object, seconds: float) -> None:
    """Wait until a call is true.

    Raises:
        AssertionError: It did not become so in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happened():  # type: ignore[operator]
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def processes_with(text: str) -> list[int]:
    """Processes whose command line holds a text, but this one."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in line:
            found.append(int(folder.name))
    return found
