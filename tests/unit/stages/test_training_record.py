"""What is written down of a training: enough for the report, and no path of anybody."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.choosing import Choice
from stages.choosing.choice import Compared
from stages.store import Store
from stages.training.record import training_record
from tests.unit.stages._training import Trainer, checkpoint
from train_lora import Dataset, DatasetItem, TrainingRun, make_recipe

KEPT_OUT: Any = SimpleNamespace(sha256="c" * 64)
PICTURES = {"001.png": b"one", "002.png": b"two"}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    folder = tmp_path / "dataset"
    folder.mkdir()
    for name, data in PICTURES.items():
        (folder / name).write_bytes(data)
    items = tuple(
        DatasetItem(name, f"ohwx person {name}", "a", "b", 512, 640, kind="face") for name in PICTURES
    )
    return Dataset(
        folder, items, "m" * 64, "ohwx person", 512, regularisation=("reg/1.png",), held_out=(KEPT_OUT,)
    )


@pytest.fixture
def run(tmp_path: Path) -> TrainingRun:
    return TrainingRun(
        (checkpoint(tmp_path / "out", 40),),
        40,
        losses=((1, 0.123456789), (40, 0.1)),
        seconds={"preparing": 1.26, "training": 12.34},
        command=("python", "train_network.py"),
        facts={"device": "cuda", "prediction": {"likely_min": 3.0}},
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def written(
    store: Store, run: TrainingRun, dataset: Dataset, trainer: Trainer, **rest: Any
) -> dict[str, Any]:
    recipe = make_recipe(name="person", trigger="ohwx person", steps=40)
    record = training_record(store, trainer, run, dataset, recipe, rest.get("choice"))
    return json.loads(json.dumps(record))  # type: ignore[no-any-return]


def test_it_names_who_trained_on_what_and_how(
    store: Store, run: TrainingRun, dataset: Dataset, tmp_path: Path
) -> None:
    record = written(store, run, dataset, Trainer())
    assert record["trainer"] == {
        "name": "sd-scripts", "version": "v0.10.1", "command": ["python", "train_network.py"],
        "facts": {"device": "cuda"},
    }  # fmt: skip
    assert record["base_model"] == {"name": "base", "sha256": "ab", "family": "sd15"}
    assert (record["trigger"], record["family"], record["sandbox"]) == ("ohwx person", "sd15", False)
    assert record["settings"]["steps"] == 40
    assert "name" not in record["settings"], "every training's name is the same; the LoRA's is given later"
    assert record["steps"] == 40
    assert record["losses"] == [[1, 0.12346], [40, 0.1]]
    assert record["seconds"] == {"preparing": 1.3, "training": 12.3}
    assert record["prediction"] == {"likely_min": 3.0}
    assert (record["resumed_from"], record["lighter"], record["choice"]) == (None, None, None)
    assert str(tmp_path) not in json.dumps(record)


def test_the_training_pictures_are_kept_for_the_report(
    store: Store, run: TrainingRun, dataset: Dataset
) -> None:
    record = written(store, run, dataset, Trainer())
    items = record["dataset"]["items"]
    for path in dataset.dir.iterdir():
        path.unlink()
    assert {item["image"]: store.get(item["picture"]) for item in items} == PICTURES
    assert [item["caption"] for item in items] == ["ohwx person 001.png", "ohwx person 002.png"]
    assert (items[0]["width"], items[0]["height"], items[0]["kind"]) == (512, 640, "face")
    assert record["dataset"]["manifest_sha256"] == "m" * 64
    assert (record["dataset"]["resolution"], record["dataset"]["regularisation"]) == (512, 1)
    assert record["dataset"]["held_out"] == ["c" * 64]


def test_what_went_differently_is_told(store: Store, run: TrainingRun, dataset: Dataset) -> None:
    odd = replace(run, resumed_from=20, lighter={"gradient_checkpointing": True})
    choice = Choice(40, 0.7, "why", (), Compared(2, held_out=True))
    record = written(store, odd, dataset, Trainer(), choice=choice)
    assert record["resumed_from"] == 20
    assert record["lighter"] == {"gradient_checkpointing": True}
    assert (record["choice"]["step"], record["choice"]["weight"]) == (40, 0.7)


def test_a_stand_in_has_no_base_model_and_no_forecast(
    store: Store, run: TrainingRun, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "identity", lambda self: {})
    record = written(store, run, dataset, Trainer(sandbox=True))
    assert record["sandbox"] is True
    assert record["base_model"] is None
    assert record["prediction"] is None
