"""Training on another machine: a real sshd on this one, a trainer that plays sd-scripts, real clients."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.stubs.sshd import Sshd, start_sshd
from tests.stubs.trainer import CHECKOUT, fake_base_model, fake_environment, fake_python
from tests.unit.train_lora.kohya_jobs import lives, small_dataset, wait_for
from train_lora import Dataset, TrainCancelled, TrainError, TrainProgress, TrainRecipe, make_recipe
from train_lora.backends.kohya.remote import SshKohyaTrainer
from train_lora.backends.kohya.remote_link import FOUND, LOST, Patience
from train_lora.ssh import SshAuth, parse_ssh_url

pytestmark = pytest.mark.extended
QUICK = Patience(first_wait_s=0.05, longest_wait_s=0.3)
CLIENT = """
import json, sys
from pathlib import Path
from tests.e2e.test_remote_training import train_as_client
train_as_client(*sys.argv[1:])
"""


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@dataclass
class Gpu:
    """The machine that trains."""

    sshd: Sshd
    folder: Path
    jobs: Path = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = self.folder / "jobs"
        self.plays()

    def plays(self, modes: str = "") -> None:
        """Choose how the trainer behaves: see tests/stubs/trainer."""
        python = self.folder / "python"
        python.write_text(
            f"#!/bin/sh\nPATH='{self.folder}/bin':$PATH FAKE_TRAINER='{modes}' "
            f"exec '{self.folder}/environment/bin/python' \"$@\"\n"
        )
        python.chmod(0o755)

    def has_gpu(self, free_mib: int) -> None:
        """Give it a GPU of 24 GiB, and a torch that is built for one."""
        fake_python(self.folder / "environment", packages={"torch": "2.6.0+cu128"})
        (self.folder / "bin").mkdir(exist_ok=True)
        tool = self.folder / "bin" / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\necho 'NVIDIA Test, 24576, {free_mib}, 8.9, GPU-1'\n")
        tool.chmod(0o755)

    def url(self, checkout: Path = CHECKOUT, **changes: str) -> str:
        query = {
            "python": f"{self.folder}/python",
            "base_model": f"{self.folder}/environment/base.safetensors",
            "tokenizers": f"{self.folder}/environment/tokenizers",
            "jobs": str(self.jobs),
        } | changes
        pairs = "&".join(f"{key}={quote(value)}" for key, value in query.items() if value)
        return f"{self.sshd.url(quote(str(checkout)), 'ssh')}?{pairs}"

    def trainer(self, checkout: Path = CHECKOUT, **changes: str) -> SshKohyaTrainer:
        return SshKohyaTrainer(
            parse_ssh_url(self.url(checkout, **changes)),
            SshAuth.from_env(self.sshd.env),
            patience=QUICK,
            poll_s=0.1,
        )

    def job(self) -> Path:
        (folder,) = self.jobs.glob("job-*")
        return folder

    def status(self) -> dict[str, Any]:
        found = list(self.jobs.glob("job-*/status.json"))
        content: dict[str, Any] = json.loads(found[0].read_bytes()) if found else {}
        return content

    def left(self) -> set[str]:
        """Everything that lies in the jobs folder."""
        return {path.relative_to(self.jobs).as_posix() for path in self.jobs.rglob("*") if path.is_file()}


@pytest.fixture
def gpu(sshd: Sshd, tmp_path: Path) -> Iterator[Gpu]:
    (tmp_path / "gpu").mkdir()
    fake_environment(tmp_path / "gpu" / "environment")
    machine = Gpu(sshd, tmp_path / "gpu")
    yield machine
    for path in machine.jobs.glob("job-*/status.json"):
        pid = json.loads(path.read_bytes())["supervisor_pid"]
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return small_dataset(tmp_path / "dataset")


def recipe(**changes: Any) -> TrainRecipe:
    settings = {"name": "alice", "steps": 6, "save_every_n_steps": 3, "resolution": 128, "network_dim": 4}
    return make_recipe(**settings | {"network_alpha": 2.0} | changes)


@dataclass
class Seen:
    """What was reported, and what is done at a step."""

    at_step: int = 10**9
    then: Callable[[], object] = lambda: None
    reports: list[TrainProgress] = field(default_factory=list)

    def __call__(self, progress: TrainProgress) -> None:
        self.reports.append(progress)
        if progress.step >= self.at_step:
            self.at_step = 10**9
            self.then()

    @property
    def messages(self) -> list[str]:
        return [report.message for report in self.reports]


@dataclass
class Token:
    cancelled: bool = False

    def set(self) -> None:
        self.cancelled = True


def test_a_whole_training(gpu: Gpu, dataset: Dataset, tmp_path: Path) -> None:
    rights: list[int] = []

    def look() -> None:
        rights.extend(stat.S_IMODE(path.stat().st_mode) for path in (gpu.job(), *gpu.job().rglob("*")))

    gpu.plays("step_s=0.1")
    seen = Seen(2, look)
    trainer = gpu.trainer()
    assert trainer.check(recipe()) == []
    run = trainer.train(dataset, recipe(), tmp_path / "out", on_progress=seen)

    assert [checkpoint.step for checkpoint in run.checkpoints] == [3, 6]
    assert run.final.path == tmp_path / "out" / "alice.safetensors"
    assert run.final.trigger == "ohwx person"
    assert run.steps == 6
    assert len(run.losses) > 0
    steps = [report.step for report in seen.reports]
    assert steps == sorted(steps)
    assert steps[-1] == 6
    assert "uploading the pictures, 6/6" in seen.messages
    assert rights
    assert all(right & 0o077 == 0 for right in rights)
    assert list(gpu.jobs.iterdir()) == []
    kept = {path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")}
    assert kept == {"alice-step00000003.safetensors", "alice.safetensors"}
    assert str(gpu.folder) not in " ".join(run.command)


def test_the_base_model_is_known_by_its_header_and_stays_there(gpu: Gpu, tmp_path: Path) -> None:
    identity = gpu.trainer().identity()
    assert identity["name"] == "base"
    assert identity["family"] == "sd15"
    fake_base_model(gpu.folder / "environment" / "base.safetensors", "sdxl")
    other = gpu.trainer().identity()
    assert other["family"] == "sdxl"
    assert other["header_sha256"] != identity["header_sha256"]
    assert str(gpu.folder) not in json.dumps(dict(identity))


def test_a_broken_connection_does_not_break_the_training(gpu: Gpu, dataset: Dataset, tmp_path: Path) -> None:
    gpu.plays("step_s=0.3")
    seen = Seen(2, gpu.sshd.drop_connections)
    run = gpu.trainer().train(dataset, recipe(), tmp_path / "out", on_progress=seen)
    assert [checkpoint.step for checkpoint in run.checkpoints] == [3, 6]
    assert seen.messages.index(LOST) < seen.messages.index(FOUND)
    assert list(gpu.jobs.iterdir()) == []


def train_as_client(url: str, env: str, folder: str, out: str) -> None:
    """What the killed client runs; also used by the test below to go on."""
    trainer = SshKohyaTrainer(
        parse_ssh_url(url), SshAuth.from_env(json.loads(env)), patience=QUICK, poll_s=0.1
    )
    dataset = small_dataset(Path(folder))
    trainer.train(dataset, recipe(steps=60, save_every_n_steps=20), Path(out))


def test_a_killed_client_is_not_missed_and_the_next_call_goes_on(gpu: Gpu, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    gpu.plays(f"hold={go_on}")
    out = tmp_path / "out"
    client = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CLIENT,
            gpu.url(),
            json.dumps(gpu.sshd.env),
            str(tmp_path / "theirs"),
            str(out),
        ],
        cwd=Path(__file__).parents[2],
    )
    wait_for(lambda: gpu.status().get("state") == "running", seconds=60)
    client.kill()
    client.wait()
    supervisor = gpu.status()["supervisor_pid"]
    trained = gpu.status()["pid"]
    assert lives(supervisor)

    dataset = small_dataset(tmp_path / "ours")
    seen = Seen(1, go_on.touch)
    run = gpu.trainer().train(dataset, recipe(steps=60, save_every_n_steps=20), out, on_progress=seen)
    assert [checkpoint.step for checkpoint in run.checkpoints] == [20, 40, 60]
    assert run.resumed_from is None
    assert "the training is under way: following it" in seen.messages
    assert not lives(trained)
    assert list(gpu.jobs.iterdir()) == []


def test_cancelling_ends_it_there_and_leaves_nothing(gpu: Gpu, dataset: Dataset, tmp_path: Path) -> None:
    gpu.plays("step_s=0.5,no_term")
    token = Token()
    pids: list[int] = []

    def stop() -> None:
        pids.append(gpu.status()["pid"])
        token.set()

    with pytest.raises(TrainCancelled, match="removed from"):
        gpu.trainer().train(
            dataset, recipe(steps=600), tmp_path / "out", on_progress=Seen(1, stop), cancel=token
        )
    assert not lives(pids[0])
    assert list(gpu.jobs.iterdir()) == []


def test_ctrl_c_is_cancelling(gpu: Gpu, dataset: Dataset, tmp_path: Path) -> None:
    gpu.plays("step_s=0.5")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gpu.trainer().train(dataset, recipe(steps=600), tmp_path / "out", on_progress=Seen(1, interrupt))
    assert list(gpu.jobs.iterdir()) == []


def test_a_second_client_follows_the_first(gpu: Gpu, dataset: Dataset, tmp_path: Path) -> None:
    gpu.plays("step_s=0.3")
    second = Seen()
    runs: list[Any] = []

    def follow() -> None:
        runs.append(gpu.trainer().train(dataset, recipe(), tmp_path / "second", on_progress=second))

    thread = threading.Thread(target=follow)
    first = Seen()
    first.at_step, first.then = 0, thread.start
    run = gpu.trainer().train(dataset, recipe(), tmp_path / "first", on_progress=first)
    thread.join(60)
    assert [checkpoint.artifact.sha256 for checkpoint in runs[0].checkpoints] == [
        checkpoint.artifact.sha256 for checkpoint in run.checkpoints
    ]
    notes = [text for text in first.messages + second.messages if "started this very training" in text]
    assert len(notes) == 1
    assert list(gpu.jobs.iterdir()) == []


def test_a_second_client_in_the_same_folder_is_told(gpu: Gpu, dataset: Dataset, tmp_path: Path) -> None:
    gpu.plays("step_s=0.2")
    told: list[str] = []

    def again() -> None:
        with pytest.raises(TrainError) as caught:
            gpu.trainer().train(dataset, recipe(), tmp_path / "out")
        told.append(caught.value.message)

    gpu.trainer().train(dataset, recipe(), tmp_path / "out", on_progress=Seen(1, again))
    assert "is training in" in told[0]


def test_a_failed_training_leaves_its_logs_and_no_photo(gpu: Gpu, dataset: Dataset, tmp_path: Path) -> None:
    gpu.plays("exit_at=2")
    with pytest.raises(TrainError, match="something broke"):
        gpu.trainer().train(dataset, recipe(), tmp_path / "out")
    left = gpu.left()
    assert any(name.endswith("/stderr.log") for name in left)
    assert not [name for name in left if name.endswith((".png", ".txt", ".toml", ".npz"))]
    gpu.plays()
    run = gpu.trainer().train(dataset, recipe(), tmp_path / "out")
    assert run.steps == 6
    assert list(gpu.jobs.iterdir()) == []


def test_a_training_that_was_killed_there_goes_on_from_its_state(
    gpu: Gpu, dataset: Dataset, tmp_path: Path
) -> None:
    gpu.plays("kill_at=4")
    with pytest.raises(TrainError):
        gpu.trainer().train(dataset, recipe(), tmp_path / "out")
    assert not [name for name in gpu.left() if name.endswith(".png")]
    run = gpu.trainer().train(dataset, recipe(), tmp_path / "out")
    assert run.resumed_from == 3
    assert [checkpoint.step for checkpoint in run.checkpoints] == [3, 6]
    assert list(gpu.jobs.iterdir()) == []


def test_short_memory_is_met_with_the_lighter_settings(gpu: Gpu, dataset: Dataset, tmp_path: Path) -> None:
    gpu.plays("oom")
    lighter = recipe(lighter={"gradient_checkpointing": True})
    run = gpu.trainer().train(dataset, lighter, tmp_path / "out")
    assert run.lighter == {"gradient_checkpointing": True}
    assert list(gpu.jobs.iterdir()) == []


def test_what_is_missing_is_told_before_anything_is_sent(gpu: Gpu, dataset: Dataset, tmp_path: Path) -> None:
    def problems(trainer: SshKohyaTrainer, **changes: Any) -> str:
        return " ".join(trainer.check(recipe(**changes)))

    assert "has no sd-scripts in" in problems(gpu.trainer(tmp_path / "nowhere"))
    assert "has no Python at /no/python" in problems(gpu.trainer(python="/no/python"))
    assert "names no base model" in problems(gpu.trainer(base_model=""))
    assert "no base model gone.safetensors" in problems(gpu.trainer(base_model="/gone.safetensors"))
    assert "SDXL" in problems(gpu.trainer(), family="sdxl", text_encoder_lr=0.0)
    with pytest.raises(TrainError, match="gone"):
        gpu.trainer(base_model="/gone.safetensors").train(dataset, recipe(), tmp_path / "out")
    assert not gpu.jobs.exists() or gpu.left() == set()


def test_a_busy_gpu_is_told_unless_it_is_this_training_that_keeps_it_busy(
    gpu: Gpu, dataset: Dataset, tmp_path: Path
) -> None:
    gpu.has_gpu(free_mib=20_000)
    go_on = tmp_path / "go-on"
    gpu.plays(f"hold={go_on}")
    long = recipe(steps=40, save_every_n_steps=20)
    second = Seen()
    runs: list[Any] = []

    def follow() -> None:
        runs.append(gpu.trainer().train(dataset, long, tmp_path / "second", on_progress=second))

    thread = threading.Thread(target=follow)

    def look_again() -> None:
        gpu.has_gpu(free_mib=300)
        assert gpu.trainer().check(long) == []
        thread.start()
        wait_for(lambda: second.messages)
        go_on.touch()

    gpu.trainer().train(dataset, long, tmp_path / "first", on_progress=Seen(1, look_again))
    thread.join(60)
    assert runs[0].steps == 40
    (problem,) = gpu.trainer().check(recipe())
    assert "only 0.3 GiB of memory free" in problem
    with pytest.raises(TrainError, match="memory free"):
        gpu.trainer().train(dataset, recipe(), tmp_path / "third")


def test_a_host_that_is_not_there_is_told_at_once(gpu: Gpu) -> None:
    target = parse_ssh_url(f"ssh://nobody@127.0.0.1:1{CHECKOUT}?base_model=/m.safetensors")
    begun = time.monotonic()
    (problem,) = SshKohyaTrainer(target, SshAuth.from_env(gpu.sshd.env)).check(recipe())
    assert "127.0.0.1" in problem
    assert time.monotonic() - begun < 10
