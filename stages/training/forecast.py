"""How long a training will take, from what earlier trainings on the same machine took.

What is measured lies in the user's cache folder, one small file for each machine, family and set of settings.
It says nothing of anybody's photos.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train_lora import Dataset, TrainerBackend, TrainError, TrainingRun, TrainProgress, TrainRecipe
from train_lora.calibration import Calibration, calibration_key, calibration_recipe
from train_lora.cost import Generations, Prediction, predict
from train_lora.progress import Cancel

if TYPE_CHECKING:
    from ..choosing import ChooseParams


def forecast(
    recipe: TrainRecipe, photos: int, backend: TrainerBackend, choose: ChooseParams | None
) -> Prediction:
    """Predict the minutes of a training.

    Args:
        recipe: How it is trained.
        photos: Photos that are trained on.
        backend: Who trains; its machine decides.
        choose: How the checkpoint is chosen; None when it is not.
    """
    machine = backend.machine()
    return predict(
        recipe,
        photos,
        machine,
        recall(recipe, machine),
        choosing=_generations(recipe, photos, choose) if choose else None,
    )


def _generations(recipe: TrainRecipe, photos: int, choose: ChooseParams) -> Generations:
    every, steps = recipe.save_every_n_steps, recipe.total_steps(photos)
    checkpoints = -(-steps // every) if every else 1
    width, height = choose.size(recipe.family)
    return Generations(choose.jobs(checkpoints), width, height, choose.steps)


def calibrate(
    recipe: TrainRecipe,
    dataset: Dataset,
    backend: TrainerBackend,
    folder: Path,
    *,
    on_progress: Callable[[TrainProgress], None],
    cancel: Cancel,
) -> None:
    """Measure the machine with a few steps of the very training, unless it was measured before.

    Args:
        recipe: The training; only its length is cut.
        dataset: Its pictures.
        backend: Who trains.
        folder: For what the steps leave behind; removed again.
        on_progress: Told how far it is.
        cancel: Stops it.

    Raises:
        TrainError: It did not work; the training itself would not either.
    """
    if backend.sandbox or recall(recipe, backend.machine()) is not None:
        return
    watch, short = StopWatch(), calibration_recipe(recipe)

    def relay(progress: TrainProgress) -> None:
        watch.seen(progress)
        on_progress(progress)

    try:
        run = backend.train(dataset, short, folder, on_progress=relay, cancel=cancel)
        watch.keep(backend, short, dataset, run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class StopWatch:
    """Notes when each step was seen, to measure the machine by."""

    def __init__(self) -> None:
        self._marks: list[tuple[int, float]] = []

    def seen(self, progress: TrainProgress) -> None:
        """A report of the trainer."""
        if progress.phase == "training" and (not self._marks or progress.step > self._marks[-1][0]):
            self._marks.append((progress.step, time.monotonic()))

    def keep(self, backend: TrainerBackend, recipe: TrainRecipe, dataset: Dataset, run: TrainingRun) -> None:
        """Remember what the machine can do. A run too short to tell anything is passed over."""
        if backend.sandbox:
            return
        ran = recipe.model_copy(update=dict(run.lighter)) if run.lighter else recipe
        with contextlib.suppress(TrainError):
            measured = Calibration.of_run(
                ran,
                self._marks,
                seconds=run.seconds,
                pictures=len(dataset.items) + len(dataset.regularisation),
                checkpoints=len(run.checkpoints),
            )
            remember(measured, ran, backend.machine())


def recall(recipe: TrainRecipe, machine: Mapping[str, Any] | None) -> Calibration | None:
    """What was measured on this machine; None when nothing was, or its file is damaged."""
    try:
        return Calibration.from_json((_folder() / calibration_key(recipe, machine)).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def remember(measured: Calibration, recipe: TrainRecipe, machine: Mapping[str, Any] | None) -> None:
    """Keep a measurement. Where that cannot be written, the next forecast is as wide as this one."""
    path = _folder() / calibration_key(recipe, machine)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(measured.to_json(), "utf-8")
        part.replace(path)


def _folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("sdwebui-client") / "calibrations"
