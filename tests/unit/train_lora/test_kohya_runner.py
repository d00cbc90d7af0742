"""A training through the real runner and supervisor, with a fake sd-scripts: what comes of each end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stubs.trainer import fake_environment
from tests.unit.train_lora.kohya_jobs import kill, lives, small_dataset, status_of, wait_for
from train_lora import Dataset, TrainCancelled, TrainError, TrainRecipe, make_recipe
from train_lora.artifact import read_header
from train_lora.backends import TrainingRun
from train_lora.backends.kohya import KohyaTrainer, Limits, find_setup
from train_lora.backends.kohya.drive import drive
from train_lora.backends.kohya.machine import training_lock
from train_lora.errors import ArtifactError
from train_lora.progress import TrainProgress

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are watched by /proc")

ROOT = Path(__file__).parents[3]
LIGHTER = {"gradient_checkpointing": True}


def small_recipe(**changes: object) -> TrainRecipe:
    settings = {
        "steps": 6,
        "save_every_n_steps": 2,
        "resolution": 128,
        "network_dim": 2,
        "network_alpha": 1.0,
    }
    return make_recipe(name="alice", **{**settings, **changes})


class Workplace:
    """A fake installation, a dataset, and a folder to train into."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.out_dir = folder / "out"
        self.job = self.out_dir / ".job"
        self.env = fake_environment(folder)
        self.dataset: Dataset = small_dataset(folder / "dataset")
        self.seen: list[TrainProgress] = []
        self._folder, self._monkeypatch = folder, monkeypatch

    def trainer(self, limits: Limits | None = None) -> KohyaTrainer:
        return KohyaTrainer(find_setup(self.env), limits=limits)

    def play(self, modes: str) -> None:
        """How the trainer is to behave."""
        self._monkeypatch.setenv("FAKE_TRAINER", modes)

    def train(self, modes: str = "", *, limits: Limits | None = None, **changes: object) -> TrainingRun:
        self.play(modes)
        self.seen = []
        return self.trainer(limits).train(
            self.dataset, small_recipe(**changes), self.out_dir, on_progress=self.seen.append
        )

    @property
    def messages(self) -> list[str]:
        return list(dict.fromkeys(progress.message for progress in self.seen))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    return Workplace(tmp_path, monkeypatch)


# ---- it succeeds


def test_a_training_leaves_checked_checkpoints_and_nothing_else(work: Workplace) -> None:
    run = work.train()
    assert [checkpoint.step for checkpoint in run.checkpoints] == [2, 4, 6]
    assert [checkpoint.artifact.path.name for checkpoint in run.checkpoints] == [
        "alice-step00000002.safetensors",
        "alice-step00000004.safetensors",
        "alice.safetensors",
    ]
    assert run.final.trainer.startswith("sd-scripts")
    assert run.final.family == "sd15"
    assert run.final.trigger == "ohwx person"
    assert run.final.settings["dataset_sha256"] == "manifest"
    assert len(run.final.photos) == 3
    assert (run.steps, run.resumed_from, run.lighter) == (6, None, None)
    assert [step for step, _ in run.losses] == [1, 2, 3, 4, 5, 6]
    left = {path.name for path in work.out_dir.iterdir()}
    assert left == {checkpoint.artifact.path.name for checkpoint in run.checkpoints} | {".training.lock"}


def test_a_file_has_all_tensors_and_nothing_personal(work: Workplace) -> None:
    metadata, tensors = read_header(work.train().final.path)
    assert len(tensors) == 792
    assert not {"ss_tag_frequency", "ss_dataset_dirs"} & metadata.keys()
    assert str(work.out_dir) not in json.dumps(metadata)


def test_personal_metadata_stays_when_asked(work: Workplace) -> None:
    metadata, _ = read_header(work.train(keep_metadata=True).final.path)
    assert "ss_tag_frequency" in metadata


def test_progress_goes_through_the_phases_and_never_back(work: Workplace) -> None:
    run = work.train("step_s=0.05")
    phases = list(dict.fromkeys(progress.phase for progress in work.seen))
    assert phases == ["preparing", "caching", "training", "saving"]
    steps = [progress.step for progress in work.seen]
    assert steps == sorted(steps)
    assert steps[-1] == 6
    assert all(progress.steps == 6 for progress in work.seen)
    assert work.seen[-1].loss == pytest.approx(0.117)
    assert work.seen[-1].seconds_per_step == 0.5
    assert {progress.eta_s for progress in work.seen if progress.phase == "training" and progress.step} == {
        2.0
    }
    assert set(run.seconds) == set(phases)
    assert "saved alice-step00000002.safetensors" in work.messages


def test_the_record_tells_the_machine_but_no_path(work: Workplace) -> None:
    run = work.train()
    told = json.dumps([run.command, run.facts], default=str)
    assert str(work.out_dir.parent) not in told
    assert "train_network.py" in run.command
    assert run.facts["device"] == "cpu"
    assert run.facts["precision"] == "no"
    assert run.facts["torch"]["version"] == "2.6.0"


def test_the_last_checkpoint_alone_when_no_others_are_wanted(work: Workplace) -> None:
    run = work.train(save_every_n_steps=None)
    assert [checkpoint.step for checkpoint in run.checkpoints] == [6]


def test_pictures_that_vanish_while_it_trains_are_not_missed(work: Workplace) -> None:
    def vanish(progress: TrainProgress) -> None:
        if progress.phase == "training" and work.dataset.dir.exists():
            shutil.rmtree(work.dataset.dir)

    work.play("step_s=0.1")
    run = work.trainer().train(work.dataset, small_recipe(), work.out_dir, on_progress=vanish)
    assert not work.dataset.dir.exists()
    assert run.checkpoints[-1].step == 6


def test_pictures_that_changed_before_are_refused(work: Workplace) -> None:
    (work.dataset.dir / "002.png").write_bytes(b"another")
    with pytest.raises(TrainError, match=r"002\.png is gone, or has changed"):
        work.train()


def test_a_changed_recipe_begins_anew(work: Workplace) -> None:
    with pytest.raises(TrainError):
        work.train("exit_at=5")
    assert (work.job / "out" / "alice-step00000004-state").is_dir()
    run = work.train("", seed=7)
    assert run.resumed_from is None
    assert [step for step, _ in run.losses] == [1, 2, 3, 4, 5, 6]


# ---- it goes on


def test_a_killed_trainer_is_gone_on_with(work: Workplace) -> None:
    with pytest.raises(TrainError) as failed:
        work.train("kill_at=5")
    assert "last saved state" in failed.value.hint
    run = work.train()
    assert run.resumed_from == 4
    assert "going on from step 4" in work.messages
    assert [step for step, _ in run.losses] == [1, 2, 3, 4, 5, 6]
    assert [checkpoint.step for checkpoint in run.checkpoints] == [2, 4, 6]
    assert work.seen[-1].step == 6


@pytest.mark.slow
def test_it_goes_on_twice(work: Workplace) -> None:
    for step in (3, 5, 9):
        with pytest.raises(TrainError):
            work.train(f"exit_at={step}", steps=10)
    run = work.train(steps=10)
    assert run.resumed_from == 8
    assert [step for step, _ in run.losses] == list(range(1, 11))


@pytest.mark.slow
def test_a_state_that_was_cut_short_is_passed_over(work: Workplace) -> None:
    with pytest.raises(TrainError):
        work.train("exit_at=5")
    (work.job / "out" / "alice-step00000004-state" / "random_states_0.pkl").unlink()
    shutil.copytree(
        work.job / "out" / "alice-step00000004-state", work.job / "out" / "alice-step00000002-state"
    )
    earlier = work.job / "out" / "alice-step00000002-state"
    (earlier / "random_states_0.pkl").write_bytes(b"random")
    (earlier / "train_state.json").write_text(json.dumps({"current_epoch": 1, "current_step": 2}))
    assert work.train().resumed_from == 2


@pytest.mark.slow
def test_a_training_killed_before_its_last_file_is_not_done_again(work: Workplace) -> None:
    with pytest.raises(TrainError):
        work.train("end_s=600", limits=Limits(stall_s=2.0))
    since = len(work.seen)
    run = work.train()
    assert since
    assert run.checkpoints[-1].step == 6
    assert run.final.path.name == "alice.safetensors"
    assert not any(progress.phase == "training" for progress in work.seen)


def test_a_finished_training_is_only_collected(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    from train_lora.backends.kohya import drive as module

    def full(*given: object, **named: object) -> Any:
        raise TrainError("No space left on device.")

    with monkeypatch.context() as broken:
        broken.setattr(module, "collect", full)
        with pytest.raises(TrainError, match="No space left"):
            work.train()
    run = work.train("exit_at=1")  # it would fail, if it were started
    assert [checkpoint.step for checkpoint in run.checkpoints] == [2, 4, 6]


# ---- it fails


@pytest.mark.parametrize(
    ("modes", "says"),
    [
        ("exit_at=3", "something broke"),
        ("quiet", "model saved"),
        ("kill_at=1", "killed|crashed|memory"),
        ("nan_at=3", "no number"),
        ("disk_full", "disk|space"),
        ("oom", "memory"),
    ],
)
def test_a_failure_is_an_error_and_no_file(work: Workplace, modes: str, says: str) -> None:
    with pytest.raises(TrainError, match=says) as failed:
        work.train(modes)
    assert failed.value.hint
    assert not list(work.out_dir.glob("*.safetensors"))
    assert status_of(work.job)["state"] in ("exited", "killed")


@pytest.mark.slow
@pytest.mark.parametrize("step_s", [0, 0.3])  # it is through before anybody looks, or ended in the middle
def test_what_was_saved_after_the_loss_was_lost_is_not_gone_on_with(work: Workplace, step_s: float) -> None:
    with pytest.raises(TrainError, match="no number"):
        work.train(f"nan_at=3,step_s={step_s}")
    run = work.train()
    assert run.resumed_from in (None, 2)
    assert [step for step, _ in run.losses] == [1, 2, 3, 4, 5, 6]


def test_exit_code_0_without_pictures_is_a_failure(work: Workplace) -> None:
    recipe = small_recipe()
    work.play("")
    empty = Dataset(work.dataset.dir.with_name("none"), work.dataset.items, "m", "ohwx person", 128)
    empty.dir.mkdir()
    setup = work.trainer().setup
    from train_lora.backends.kohya.command import KohyaPaths
    from train_lora.backends.kohya.runner import LocalHost

    host = LocalHost(work.job, setup.python)
    paths = KohyaPaths(
        str(setup.python), str(setup.sd_scripts), str(setup.base_model), str(empty.dir), host.job_dir
    )
    with pytest.raises(TrainError):
        drive(host, empty, recipe, paths, work.out_dir, own_dataset=False)


@pytest.mark.parametrize("modes", ["half", "tensors=3"])
def test_a_file_that_is_not_whole_is_refused(work: Workplace, modes: str) -> None:
    with pytest.raises(ArtifactError, match="not the LoRA that was to be trained"):
        work.train(modes)
    assert not list(work.out_dir.glob("*.safetensors"))
    run = work.train()
    assert [checkpoint.step for checkpoint in run.checkpoints][-1] == 6
    assert all(len(read_header(checkpoint.artifact.path)[1]) == 792 for checkpoint in run.checkpoints)


def test_a_last_file_that_vanished_is_trained_again(work: Workplace) -> None:
    with pytest.raises(ArtifactError):
        work.train("half", save_every_n_steps=4)
    run = work.train(save_every_n_steps=4)
    assert [checkpoint.step for checkpoint in run.checkpoints] == [4, 6]
    assert run.resumed_from == 4


def test_standing_still_is_noticed(work: Workplace) -> None:
    with pytest.raises(TrainError, match="stood still"):
        work.train("stall_at=3", limits=Limits(stall_s=1.0))


def test_a_time_limit_is_kept(work: Workplace) -> None:
    with pytest.raises(TrainError, match="time limit"):
        work.train("step_s=0.2", limits=Limits(time_s=1.0), steps=600)


def test_without_enough_memory_the_lighter_settings_are_tried_once(work: Workplace) -> None:
    run = work.train("oom", lighter=LIGHTER)
    assert run.lighter == LIGHTER
    assert any("lighter" in message for message in work.messages)
    assert run.checkpoints[-1].step == 6


@pytest.mark.slow
def test_an_interrupted_lighter_training_stays_lighter(work: Workplace) -> None:
    with pytest.raises(TrainError):
        work.train("oom,exit_at=3", lighter=LIGHTER)
    run = work.train("oom", lighter=LIGHTER)
    assert run.lighter == LIGHTER
    assert run.resumed_from == 2


def test_lighter_settings_are_not_tried_for_anything_else(work: Workplace) -> None:
    with pytest.raises(TrainError, match="something broke"):
        work.train("exit_at=2", lighter=LIGHTER)


# ---- it is stopped


class StopAt:
    """Asks for a stop at a step."""

    def __init__(self, step: int) -> None:
        self._step = step
        self.since: float | None = None

    def __call__(self, progress: TrainProgress) -> None:
        if progress.step >= self._step and self.since is None:
            self.since = time.monotonic()

    @property
    def cancelled(self) -> bool:
        return self.since is not None


@pytest.mark.slow
def test_a_cancel_ends_everything_and_keeps_the_states(work: Workplace) -> None:
    work.play("step_s=0.3,child,no_term")
    stop = StopAt(3)
    with pytest.raises(TrainCancelled, match="goes on from the last saved state"):
        work.trainer().train(work.dataset, small_recipe(), work.out_dir, on_progress=stop, cancel=stop)
    assert stop.since is not None
    assert time.monotonic() - stop.since < 10  # about one second on an idle machine
    child = int((work.job / "out" / "child.pid").read_text())
    assert not lives(child)
    assert not lives(status_of(work.job)["pid"])
    assert work.train().resumed_from in (2, 4)


def test_an_exception_in_a_report_ends_the_training(work: Workplace) -> None:
    def break_off(progress: TrainProgress) -> None:
        if progress.phase == "training":
            raise KeyboardInterrupt

    work.play("step_s=0.3")
    with pytest.raises(KeyboardInterrupt):
        work.trainer().train(work.dataset, small_recipe(), work.out_dir, on_progress=break_off)
    assert not lives(status_of(work.job)["pid"])


def _client(work: Workplace, modes: str) -> subprocess.Popen[bytes]:
    """A process of its own that trains."""
    code = (
        "import os, sys; from pathlib import Path; from tests.unit.train_lora import test_kohya_runner as t; "
        "from tests.unit.train_lora.kohya_jobs import *; import dataclasses; "
        f"d = t.Dataset(Path({str(work.dataset.dir)!r}), t._items(Path({str(work.dataset.dir)!r})), "
        "'manifest', 'ohwx person', 128); "
        f"t.KohyaTrainer(t.find_setup(os.environ)).train(d, t.small_recipe(), Path({str(work.out_dir)!r}))"
    )
    environment = {**os.environ, **work.env, "FAKE_TRAINER": modes}
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stderr=subprocess.PIPE)


def _items(folder: Path) -> Any:
    from train_lora.dataset import DatasetItem

    return tuple(
        DatasetItem(path.name, "photo of ohwx person", _sha256(path), f"photo{number}", 128, 128)
        for number, path in enumerate(sorted(folder.glob("*.png")), start=1)
    )


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def _started(work: Workplace, ready: Callable[[], Any]) -> dict[str, Any]:
    wait_for(ready, seconds=60)
    status = status_of(work.job)
    assert status["state"] == "running"
    return status


@pytest.mark.slow
def test_kill_9_of_the_client_leaves_nothing_and_loses_nothing(work: Workplace) -> None:
    client = _client(work, "step_s=0.3,child,stray")
    with client:
        status = _started(
            work, (work.job / "out" / "alice-step00000002-state" / "random_states_0.pkl").exists
        )
        child = int((work.job / "out" / "child.pid").read_text())
        assert lives(status["pid"])
        assert lives(child)
        client.kill()
        pids = (status["pid"], status["supervisor_pid"], child)
        wait_for(lambda: not any(lives(pid) for pid in pids))
    assert status_of(work.job)["reason"] == "parent gone"
    run = work.train()
    assert run.resumed_from in (2, 4)


@pytest.mark.slow
def test_kill_9_of_the_supervisor_ends_the_training(work: Workplace) -> None:
    client = _client(work, "step_s=0.3,child")
    with client:
        status = _started(work, (work.job / "out" / "child.pid").exists)
        child = int((work.job / "out" / "child.pid").read_text())
        kill(status["supervisor_pid"])
        wait_for(lambda: not any(lives(pid) for pid in (status["pid"], child)))
        _, said = client.communicate(timeout=60)
    assert client.returncode != 0
    assert b"killed together with its watchdog" in said


@pytest.mark.slow
def test_kill_9_of_both_at_once_is_cleared_up_by_the_next(work: Workplace) -> None:
    client = _client(work, "step_s=0.3,child")
    with client:
        status = _started(work, (work.job / "out" / "child.pid").exists)
        child = int((work.job / "out" / "child.pid").read_text())
        kill(status["supervisor_pid"])
        client.kill()
        wait_for(lambda: not lives(status["pid"]))
    work.train()
    assert not lives(child)


def test_two_trainings_into_one_folder_are_refused(work: Workplace) -> None:
    with training_lock(work.out_dir, "alice"), pytest.raises(TrainError) as refused:
        work.train()
    assert f"Process {os.getpid()} (alice, since" in refused.value.message
    assert work.train().steps == 6
