"""What is measured of a training is kept for the next one on the same machine, and for no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdwebui_client import CancelToken
from stages.choosing import ChooseParams
from stages.training import forecast as module
from stages.training.forecast import StopWatch, calibrate, forecast, recall, remember
from tests.unit.stages._training import MACHINE, Trainer
from train_lora import (
    Dataset,
    DatasetItem,
    TrainError,
    TrainingRun,
    TrainProgress,
    TrainRecipe,
    make_recipe,
)
from train_lora.calibration import MIN_STEPS, Calibration, calibration_key

STEP_S = 0.5


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This user's cache folder, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that goes on by half a second with every look at it."""
    now = [1000.0]

    def monotonic() -> float:
        now[0] += STEP_S
        return now[0]

    class Time:
        pass

    Time.monotonic = staticmethod(monotonic)  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "time", Time)
    return now


def recipe(**changes: Any) -> TrainRecipe:
    given = {"name": "person", "steps": 400, "save_every_n_steps": 100, "resolution": 512} | changes
    return make_recipe(**given)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    items = tuple(DatasetItem(f"{i}.png", "ohwx", "a", "b", 512, 512) for i in range(4))
    return Dataset(tmp_path / "dataset", items, "m" * 64, "ohwx person", 512)


def steps_of(asked: TrainRecipe) -> list[TrainProgress]:
    """A trainer's reports: the phases, then every step."""
    steps = asked.steps or 0
    before = [TrainProgress(0, steps, None, None, "", phase) for phase in ("preparing", "caching")]
    return [*before, *(TrainProgress(step, steps, 0.1, None, "", "training") for step in range(steps + 1))]


def measured(**changes: Any) -> Calibration:
    marks = [(step, step * 0.25) for step in range(40)]
    found = Calibration.of_run(recipe(), marks, seconds={"preparing": 8.0, "caching": 2.0}, pictures=4)
    return replace(found, **changes)


# ---- kept and found


def test_a_measurement_is_found_again() -> None:
    assert recall(recipe(), MACHINE) is None
    remember(measured(), recipe(), MACHINE)
    assert recall(recipe(), MACHINE) == measured()
    assert recall(recipe(steps=900, seed=3), MACHINE) == measured(), "length and seed do not matter"


@pytest.mark.parametrize(
    ("changes", "machine"),
    [
        ({"resolution": 768}, MACHINE),
        ({"family": "sdxl"}, MACHINE),
        ({"batch_size": 4}, MACHINE),
        ({}, {**MACHINE, "gpus": [{"name": "another GPU"}]}),
        ({}, {**MACHINE, "host": "there"}),
        ({}, None),
    ],
)
def test_another_training_or_machine_knows_nothing_of_it(
    changes: dict[str, Any], machine: dict[str, Any] | None
) -> None:
    remember(measured(), recipe(), MACHINE)
    assert recall(recipe(**changes), machine) is None


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"schema": "sdwebui-calibration/9"}'])
def test_a_damaged_measurement_is_none_and_is_made_anew(cache: Path, data: bytes) -> None:
    remember(measured(), recipe(), MACHINE)
    (path,) = cache.rglob("*.json")
    assert path.name == calibration_key(recipe(), MACHINE)
    path.write_bytes(data)
    assert recall(recipe(), MACHINE) is None
    remember(measured(), recipe(), MACHINE)
    assert recall(recipe(), MACHINE) == measured()
    assert list(path.parent.iterdir()) == [path]


def test_a_cache_that_cannot_be_written_does_not_matter(cache: Path) -> None:
    cache.write_text("a file where the folder would be")
    remember(measured(), recipe(), MACHINE)
    assert recall(recipe(), MACHINE) is None


# ---- the forecast


def test_a_measured_machine_is_predicted_more_narrowly() -> None:
    trainer = Trainer()
    before = forecast(recipe(), 8, trainer, None)
    remember(measured(), recipe(), MACHINE)
    after = forecast(recipe(), 8, trainer, None)
    assert (before.calibrated, after.calibrated) == (False, True)
    assert after.high / after.low < before.high / before.low
    assert after.steps == 400
    # 0.25 s a step, and what comes before the first.
    assert after.likely == pytest.approx((400 * 0.25 + 8) / 60, rel=0.2)


@pytest.mark.parametrize(("every", "checkpoints"), [(100, 4), (150, 3), (400, 1), (None, 1)])
def test_choosing_is_part_of_it(monkeypatch: pytest.MonkeyPatch, every: int | None, checkpoints: int) -> None:
    asked: list[Any] = []
    inner = module.predict

    def predict(*given: Any, **named: Any) -> Any:
        asked.append(named["choosing"])
        return inner(*given, **named)

    monkeypatch.setattr(module, "predict", predict)
    choose = ChooseParams(pictures=2, weights=(0.7, 0.8), finalists=1, steps=12)
    remember(measured(picture_s=6.0), recipe(save_every_n_steps=every), MACHINE)
    one = forecast(recipe(save_every_n_steps=every), 8, Trainer(), choose)
    none = forecast(recipe(save_every_n_steps=every), 8, Trainer(), None)
    generations, nothing = asked
    # Every checkpoint once, the finalist at the other weight too.
    assert generations.pictures == 2 * (checkpoints + 1)
    assert (generations.width, generations.height, generations.steps) == (*choose.size("sd15"), 12)
    assert nothing is None
    assert one.likely > none.likely


# ---- measuring


def test_a_few_steps_measure_the_machine_and_leave_nothing(dataset: Dataset, tmp_path: Path) -> None:
    trainer, seen = Trainer(steps_of), list[TrainProgress]()
    folder = tmp_path / "measured"
    calibrate(recipe(), dataset, trainer, folder, on_progress=seen.append, cancel=CancelToken())
    (short,) = trainer.trained
    assert short.steps is not None
    assert MIN_STEPS < short.steps < 40
    assert short.save_every_n_steps is None
    assert len(seen) == len(steps_of(short))
    assert not folder.exists()
    found = recall(recipe(), MACHINE)
    assert found is not None
    assert found.seconds_per_step == pytest.approx(STEP_S)
    assert found.load_s == 4.0


def test_a_machine_is_measured_once(dataset: Dataset, tmp_path: Path) -> None:
    trainer = Trainer(steps_of)
    for _ in range(2):
        calibrate(
            recipe(), dataset, trainer, tmp_path / "m", on_progress=lambda _: None, cancel=CancelToken()
        )
    assert len(trainer.trained) == 1


def test_the_sandbox_is_not_measured(dataset: Dataset, tmp_path: Path, cache: Path) -> None:
    trainer = Trainer(steps_of, sandbox=True)
    calibrate(recipe(), dataset, trainer, tmp_path / "m", on_progress=lambda _: None, cancel=CancelToken())
    assert trainer.trained == []
    assert not list(cache.rglob("*.json"))


def test_what_fails_leaves_nothing_and_is_told(dataset: Dataset, tmp_path: Path, cache: Path) -> None:
    trainer = Trainer(steps_of, fails=True)
    with pytest.raises(TrainError, match="no memory"):
        calibrate(
            recipe(), dataset, trainer, tmp_path / "m", on_progress=lambda _: None, cancel=CancelToken()
        )
    assert not (tmp_path / "m").exists()
    assert not list(cache.rglob("*.json"))


# ---- the stop watch


def keep(watch: StopWatch, dataset: Dataset, trainer: Trainer, **run: Any) -> None:
    watch.keep(trainer, recipe(), dataset, TrainingRun((), 400, seconds={"preparing": 4.0}, **run))


def test_only_steps_that_were_done_count(dataset: Dataset, clock: list[float]) -> None:
    watch = StopWatch()
    for report in steps_of(recipe(steps=60)):
        watch.seen(report)
        watch.seen(report)  # a second report of a step is no step
        clock[0] += 1.0
    keep(watch, dataset, Trainer())
    found = recall(recipe(), MACHINE)
    assert found is not None
    assert found.steps == 57
    assert found.seconds_per_step == pytest.approx(1.0 + STEP_S)


@pytest.mark.parametrize("steps", [0, 5, 22])
def test_a_short_run_tells_nothing(dataset: Dataset, steps: int) -> None:
    watch = StopWatch()
    for report in steps_of(recipe(steps=max(steps, 1)))[: steps + 2]:
        watch.seen(report)
    keep(watch, dataset, Trainer())
    assert recall(recipe(), MACHINE) is None


def test_a_lighter_training_is_remembered_as_the_lighter_one(dataset: Dataset) -> None:
    watch, lighter = StopWatch(), {"gradient_checkpointing": True}
    for report in steps_of(recipe(steps=60)):
        watch.seen(report)
    keep(watch, dataset, Trainer(), lighter=lighter)
    assert recall(recipe(), MACHINE) is None
    assert recall(recipe(**lighter), MACHINE) is not None


def test_a_stand_in_measures_nothing(dataset: Dataset) -> None:
    watch = StopWatch()
    for report in steps_of(recipe(steps=60)):
        watch.seen(report)
    keep(watch, dataset, Trainer(sandbox=True))
    assert recall(recipe(), MACHINE) is None
