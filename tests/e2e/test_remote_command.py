"""`train-lora` and `doctor` with --trainer ssh://… as people run them, over a real sshd on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PHOTOS, cli, command, environment
from tests.e2e.test_remote_training import Gpu
from tests.stubs.sshd import Sshd, start_sshd
from tests.stubs.trainer import fake_environment
from tests.unit.train_lora.kohya_jobs import lives, wait_for
from train_lora import read_artifact

pytestmark = pytest.mark.extended
SHORT = ("--set", "train.steps=40", "--set", "train.save_every_n_steps=20", "--consent", "--no-webui")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture
def gpu(sshd: Sshd, tmp_path: Path) -> Iterator[Gpu]:
    """A host whose jobs folder has a name that a careless shell would take apart."""
    folder = tmp_path / "gpu"
    folder.mkdir()
    fake_environment(folder / "environment")
    machine = Gpu(sshd, folder)
    machine.jobs = folder / "-jobs of 'me' $(touch owned) & ü+"
    yield machine
    if (pid := machine.status().get("supervisor_pid")) and lives(pid):
        os.kill(pid, signal.SIGKILL)


def train_args(gpu: Gpu, photos: Path) -> tuple[str, ...]:
    address = gpu.url(jobs=str(gpu.jobs))
    return (
        "train-lora", "--user", str(photos), "--name", "alice", "--out", "out", "--trainer", address, *SHORT,
    )  # fmt: skip


def variables(gpu: Gpu, home: Path) -> dict[str, str]:
    return {**gpu.sshd.env, "XDG_CACHE_HOME": str(home / "cache")}


@pytest.mark.long
def test_a_killed_client_is_not_missed_and_the_same_command_takes_its_training_up(
    gpu: Gpu, tmp_path: Path, few: Path
) -> None:
    go_on = tmp_path / "go-on"
    gpu.plays(f"hold={go_on}")
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command(*train_args(gpu, few)), cwd=tmp_path, env=environment(**variables(gpu, tmp_path)),
            stdout=log, stderr=log,
        )  # fmt: skip
        wait_for(lambda: gpu.status().get("state") == "running" or process.poll() is not None, seconds=120)
        said = (tmp_path / "log.txt").read_text("utf-8")
        assert process.poll() is None, said
        process.kill()
        process.wait(30)
    before = gpu.status()
    assert lives(before["supervisor_pid"])
    assert lives(before["pid"])

    gpu.plays("exit_at=1")  # whoever started it anew would fail
    with (tmp_path / "second.txt").open("wb") as log:
        process = subprocess.Popen(
            command(*train_args(gpu, few)), cwd=tmp_path, env=environment(**variables(gpu, tmp_path)),
            stdout=log, stderr=log,
        )  # fmt: skip
        follows = "the training is under way: following it"
        wait_for(
            lambda: follows in (tmp_path / "second.txt").read_text("utf-8") or process.poll() is not None,
            seconds=120,
        )
        go_on.touch()
        code = process.wait(120)
    said = (tmp_path / "second.txt").read_text("utf-8")
    assert code == 0, said
    assert follows in said
    assert "training, step 40 of 40" in said
    assert not lives(before["pid"])
    record = json.loads((tmp_path / "out" / "training.json").read_text("utf-8"))
    assert record["steps"] == 40
    assert record["resumed_from"] is None
    artifact = read_artifact(tmp_path / "out" / "alice.safetensors")
    assert not artifact.sandbox
    assert len(artifact.photos) == 4
    # Nothing of the person stays on the host, and nothing of the host in what is handed over.
    assert list(gpu.jobs.iterdir()) == []
    assert not list(gpu.folder.rglob("owned"))
    assert str(gpu.folder) not in json.dumps(record)

    again = cli(*train_args(gpu, few), cwd=tmp_path, **variables(gpu, tmp_path))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "was trained before" in again.stdout


def test_ctrl_c_ends_it_on_the_host_and_leaves_no_photo_there(gpu: Gpu, tmp_path: Path, few: Path) -> None:
    gpu.plays("step_s=0.5,no_term")
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command(*train_args(gpu, few)), cwd=tmp_path, env=environment(**variables(gpu, tmp_path)),
            stdout=log, stderr=log, process_group=0,
        )  # fmt: skip
        wait_for(lambda: gpu.status().get("state") == "running" or process.poll() is not None, seconds=120)
        trained = gpu.status()["pid"]
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    said = (tmp_path / "log.txt").read_text("utf-8")
    assert code == 130, said
    assert "Traceback" not in said
    assert not lives(trained)
    assert list(gpu.jobs.iterdir()) == []


def doctor(gpu: Gpu, cwd: Path, address: str, start: Callable[..., Any] = cli, **env: str) -> tuple[int, str]:
    done = start(
        "doctor", "--webui", "sandbox", "--trainer", address,
        cwd=cwd, **{**variables(gpu, cwd), **env},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_doctor_looks_at_the_host_and_changes_nothing_there(gpu: Gpu, tmp_path: Path) -> None:
    gpu.has_gpu(free_mib=20_000)
    code, said = doctor(gpu, tmp_path, gpu.url(jobs=str(gpu.jobs)))
    assert code == 0, said
    assert "ready to train sd15" in said
    assert not gpu.jobs.exists()


def test_doctor_says_what_the_host_lacks(gpu: Gpu, tmp_path: Path, here: Callable[..., Any]) -> None:
    code, said = doctor(gpu, tmp_path, gpu.url(base_model="/gone.safetensors"), here)
    assert code == 3, said
    assert "gone.safetensors" in said
    (tmp_path / "empty").touch()
    code, said = doctor(gpu, tmp_path, gpu.url(), here, SDWEBUI_SSH_KNOWN_HOSTS=str(tmp_path / "empty"))
    assert code == 3, said
    assert "has no host key of it" in said
    assert "ssh-keyscan" in said


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ssh://me:hunter2@127.0.0.1/x", "password"),
        ("ssh://me:hun/hunter2@127.0.0.1/x", "password"),
        ("ssh://127.0.0.1/x?cuda=1", "cuda"),
        ("ssh://127.0.0.1", "where sd-scripts"),
    ],
)
def test_a_wrong_address_is_told_before_a_photo_is_read(
    gpu: Gpu, tmp_path: Path, here: Callable[..., Any], address: str, words: str
) -> None:
    args = ("train-lora", "--user", str(PHOTOS), "--name", "alice", "--out", "out", "--trainer", address)
    done = here(*args, *SHORT, cwd=tmp_path, **variables(gpu, tmp_path))
    assert done.returncode in (2, 3)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
