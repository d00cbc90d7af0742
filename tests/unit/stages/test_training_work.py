"""A finished training is found again as it was, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.training.work import FINISHED, load_finished, save_finished
from tests.unit.stages._training import checkpoint
from train_lora import TrainingRun


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "training"


@pytest.fixture
def run(folder: Path) -> TrainingRun:
    return TrainingRun(
        (checkpoint(folder, 20), checkpoint(folder / "deep", 40)),
        40,
        losses=((1, 0.25), (40, 0.125)),
        seconds={"training": 12.5},
        resumed_from=20,
        lighter={"gradient_checkpointing": True},
        command=("python", "train_network.py"),
        facts={"device": "cpu", "prediction": {"likely_min": 3}},
    )


@pytest.fixture
def saved(folder: Path, run: TrainingRun) -> TrainingRun:
    save_finished(folder, run)
    return run


def test_it_comes_back_as_it_was(folder: Path, saved: TrainingRun) -> None:
    assert load_finished(folder) == saved


def test_what_was_not_needed_stays_none(folder: Path, run: TrainingRun) -> None:
    plain = replace(run, resumed_from=None, lighter=None)
    save_finished(folder, plain)
    assert load_finished(folder) == plain


def test_a_folder_can_be_moved(folder: Path, saved: TrainingRun, tmp_path: Path) -> None:
    assert str(tmp_path) not in (folder / FINISHED).read_text("utf-8")
    moved = folder.rename(tmp_path / "elsewhere")
    found = load_finished(moved)
    assert found is not None
    assert [entry.artifact.sha256 for entry in found.checkpoints] == [
        entry.artifact.sha256 for entry in saved.checkpoints
    ]
    assert all(entry.artifact.path.is_relative_to(moved) for entry in found.checkpoints)


def test_nothing_is_found_where_nothing_was_finished(folder: Path, run: TrainingRun) -> None:
    assert load_finished(folder) is None
    assert load_finished(folder / "no folder") is None


def test_a_checkpoint_that_is_gone_means_training_again(folder: Path, saved: TrainingRun) -> None:
    saved.checkpoints[0].artifact.path.unlink()
    assert load_finished(folder) is None


def test_a_checkpoint_that_changed_means_training_again(folder: Path, saved: TrainingRun) -> None:
    path = saved.checkpoints[1].artifact.path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert load_finished(folder) is None


def test_a_checkpoint_that_was_cut_short_means_training_again(folder: Path, saved: TrainingRun) -> None:
    path = saved.final.path
    path.write_bytes(path.read_bytes()[:-1])
    assert load_finished(folder) is None


def changed(folder: Path, **values: Any) -> None:
    content = json.loads((folder / FINISHED).read_text("utf-8"))
    (folder / FINISHED).write_text(json.dumps(content | values), "utf-8")


@pytest.mark.parametrize(
    "values",
    [
        {"schema": "sdwebui-finished-training/2"},
        {"checkpoints": []},
        {"checkpoints": [{"step": 20}]},
        {"checkpoints": None},
        {"steps": "many"},
        {"losses": [[1]]},
    ],
)
def test_notes_of_another_kind_are_passed_over(
    folder: Path, saved: TrainingRun, values: dict[str, Any]
) -> None:
    changed(folder, **values)
    assert load_finished(folder) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1}'])
def test_damaged_notes_are_passed_over(folder: Path, saved: TrainingRun, text: str) -> None:
    (folder / FINISHED).write_text(text, "utf-8")
    assert load_finished(folder) is None
