"""The job folder's memory, its files, and the reports made of a log."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.train_lora.kohya_jobs import small_dataset
from train_lora import Dataset, TrainError, TrainProgress, make_recipe
from train_lora.backends.kohya.collect import saved_files
from train_lora.backends.kohya.job import (
    Job,
    copy_dataset,
    job_key,
    merged,
    newest_state,
    read_job,
)
from train_lora.backends.kohya.log import CheckpointSaved, ModelSaved, Moved, PhaseBegan, Said, Stepped
from train_lora.backends.kohya.reporter import Reporter
from train_lora.backends.kohya.runner import LocalHost

FACTS: dict[str, Any] = {
    "base_model": {"bytes": 10, "mtime": 1.0},
    "sd_scripts": {"script_sha256": "aa"},
}


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path / "job", Path(sys.executable))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return small_dataset(tmp_path / "dataset")


# ---- job.json


def test_a_job_is_read_back() -> None:
    job = Job("key", lighter=True, from_step=400, losses=((200, 0.1), (400, 0.09)))
    assert read_job(job.to_json()) == job


@pytest.mark.parametrize(
    "raw",
    [None, b"", b"{", b"[]", b'{"schema": "kohya-job/0"}', b'{"schema": "kohya-job/1"}',
     b'{"schema": "kohya-job/1", "key": "k", "losses": [], "more": 1}'],
)  # fmt: skip
def test_anything_else_is_no_job(raw: bytes | None) -> None:
    assert read_job(raw) is None


def test_another_training_has_another_key(dataset: Dataset) -> None:
    recipe = make_recipe(name="alice")
    key = job_key(dataset, recipe, FACTS, "/m.safetensors")
    assert key == job_key(dataset, recipe, {**FACTS, "gpus": [1]}, "/m.safetensors")
    others = [
        job_key(replace(dataset, manifest_sha256="other"), recipe, FACTS, "/m.safetensors"),
        job_key(dataset, make_recipe(name="alice", seed=1), FACTS, "/m.safetensors"),
        job_key(dataset, recipe, FACTS, "/n.safetensors"),
        job_key(dataset, recipe, {**FACTS, "base_model": {"bytes": 11, "mtime": 1.0}}, "/m.safetensors"),
        job_key(dataset, recipe, {**FACTS, "base_model": {"bytes": 10, "mtime": 2.0}}, "/m.safetensors"),
        job_key(dataset, recipe, {**FACTS, "sd_scripts": {"script_sha256": "bb"}}, "/m.safetensors"),
    ]
    assert len({key, *others}) == 7


def test_the_newest_whole_state_is_taken() -> None:
    states = [
        {"step": 200, "dir": "/a", "problem": None},
        {"step": 1000, "dir": "/c", "problem": "cut short"},
        {"step": 400, "dir": "/b", "problem": None},
    ]
    found = newest_state(states)
    assert found is not None
    assert (found.state_dir, found.step) == ("/b", 400)
    assert newest_state(states[1:2]) is None
    assert newest_state([]) is None


def test_losses_of_several_starts_become_one_curve() -> None:
    earlier = [(1, 0.5), (2, 0.4), (3, 0.3)]
    later = [(3, 0.31), (4, 0.2)]
    assert merged(earlier, later, from_step=2) == ((1, 0.5), (2, 0.4), (3, 0.31), (4, 0.2))


def test_a_long_curve_is_thinned_but_keeps_its_ends() -> None:
    points = [(step, 1.0 / step) for step in range(1, 5001)]
    thin = merged(points[:2000], points[2000:], from_step=2000)
    assert len(thin) == 400
    assert (thin[0], thin[-1]) == (points[0], points[-1])
    assert list(thin) == sorted(thin)


# ---- the folder


def test_a_dataset_is_copied_without_what_is_not_its_own(host: LocalHost, dataset: Dataset) -> None:
    (dataset.dir / "reg").mkdir()
    (dataset.dir / "reg" / "001.png").write_bytes(b"somebody else")
    (dataset.dir / "reg" / "001.txt").write_text("photo of a person")
    (dataset.dir / "001_0128x0128_sd.npz").write_bytes(b"latents")
    (dataset.dir / ".hidden").touch()
    (dataset.dir / "dropped-in.png").write_bytes(b"a picture the trainer would take too")
    copy_dataset(host, replace(dataset, regularisation=("reg/001.png",)))
    copied = {path.relative_to(host.job_dir).as_posix() for path in Path(host.job_dir).rglob("*.*")}
    assert {"dataset/001.png", "dataset/001.txt", "dataset/reg/001.png"} <= copied
    assert not any(name.endswith((".npz", ".hidden", "dropped-in.png")) for name in copied)


def test_a_lost_picture_is_told(host: LocalHost, dataset: Dataset) -> None:
    (dataset.dir / "003.png").unlink()
    with pytest.raises(TrainError, match=r"003\.png is gone"):
        copy_dataset(host, dataset)


def test_a_caption_that_was_edited_is_told(host: LocalHost, dataset: Dataset) -> None:
    (dataset.dir / "002.txt").write_text("photo of somebody else")
    with pytest.raises(TrainError, match=r"002\.txt is gone, or has changed"):
        copy_dataset(host, dataset)


def test_files_are_for_their_owner_only(host: LocalHost) -> None:
    host.put_file("dataset/001.png", b"a face")
    folder = Path(host.job_dir)
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "dataset" / "001.png").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("rel", ["/etc/x", "../x", "a/../../x"])
def test_nothing_is_written_outside(host: LocalHost, rel: str) -> None:
    with pytest.raises(ValueError, match="leaves the job folder"):
        host.put_file(rel, b"")


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    host = LocalHost(tmp_path / "file" / "job", Path(sys.executable))
    with pytest.raises(TrainError, match="cannot be written"):
        host.put_file("job.json", b"")


def test_an_empty_folder_has_nothing_to_tell(host: LocalHost, tmp_path: Path) -> None:
    assert host.status() is None
    assert host.read_file("job.json") is None
    assert host.read_log("stdout.log", 0) == b""
    assert host.list_out() == ()
    host.cancel()
    host.remove("out")
    host.remove_tree()
    with pytest.raises(TrainError):
        host.fetch("out/x", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_logs_are_read_on_from_where_one_was(host: LocalHost) -> None:
    host.put_file("stdout.log", b"one two")
    assert host.read_log("stdout.log", 4) == b"two"
    assert host.read_log("stdout.log", 7) == b""


@pytest.mark.parametrize("raw", [b"", b"half {", b"[]", b'{"pid": 1}'])
def test_a_damaged_status_is_none(host: LocalHost, raw: bytes) -> None:
    host.put_file("status.json", raw)
    assert host.status() is None


def test_a_status_of_the_machines_earlier_life_kills_nobody(host: LocalHost) -> None:
    import os

    running = {"state": "running", "pid": os.getpid(), "pid_start": 0, "supervisor_pid": 2**22 + 1}
    host.put_file("status.json", json.dumps({**running, "boot": "another"}).encode())
    status = host.status()
    assert status is not None
    assert (status["state"], status["reason"]) == ("killed", "supervisor gone")


def test_saved_files_are_told_by_step(host: LocalHost) -> None:
    for name in (
        "alice.safetensors",
        "alice-step00000002.safetensors",
        "alice-step00000004.safetensors",
        "alice-step00000006.safetensors",
        "alice-step00000099.safetensors",
        "malice-step00000002.safetensors",
        "alice-step00000002-state/model.safetensors",
    ):
        host.put_file(f"out/{name}", b"")
    assert saved_files(host, "alice", 6) == {
        2: "alice-step00000002.safetensors",
        4: "alice-step00000004.safetensors",
        6: "alice.safetensors",
    }


# ---- reports


def test_events_become_reports() -> None:
    seen: list[TrainProgress] = []
    reporter = Reporter(10, seen.append)
    reporter.take(
        [
            PhaseBegan("preparing"),
            Moved("preparing", 3, 9),
            PhaseBegan("caching"),
            Moved("caching", 1, 9),
            PhaseBegan("training"),
            Stepped(1, 10, 0.5, 2.0, 18.0),
            CheckpointSaved("/home/me/job/out/alice-step00000001.safetensors"),
            Said("warning", "learning rate is too low"),
            ModelSaved(),
        ]
    )
    assert [(progress.phase, progress.message) for progress in seen] == [
        ("preparing", "loading the model"),
        ("preparing", "reading the pictures, 3/9"),
        ("caching", "encoding the pictures"),
        ("caching", "encoding the pictures, 1/9"),
        ("training", "training"),
        ("training", "training"),
        ("training", "saved alice-step00000001.safetensors"),
        ("saving", "checking what was saved"),
    ]
    assert seen[5] == TrainProgress(1, 10, 0.5, 18.0, "training", "training", 2.0)
    assert seen[7].eta_s is None
    assert reporter.said == ["warning: learning rate is too low"]
    reporter.close()
    assert list(reporter.seconds) == ["preparing", "caching", "training", "saving"]


def test_steps_never_go_back() -> None:
    seen: list[TrainProgress] = []
    reporter = Reporter(10, seen.append)
    reporter.start_at(4)
    reporter.take([Stepped(5, 10, None, None, None), Stepped(1, 10, 0.5, 2.0, 18.0)])
    assert [progress.step for progress in seen] == [5, 5]


def test_nobody_needs_to_listen() -> None:
    Reporter(10, None).take([Stepped(1, 10, 0.5, 2.0, 18.0)])
