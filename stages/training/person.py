"""One person's LoRA: trained unless it was before, the best checkpoint and weight chosen by likeness."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from train_lora import (
    Checkpoint,
    Dataset,
    PhotoSet,
    TrainerBackend,
    TrainingRun,
    TrainProgress,
    TrainRecipe,
    build_dataset,
    make_recipe,
)

from ..canonical import digest, sha256_hex
from ..engine import Engine, Made, Outcome, StageCall
from ..errors import StageError
from ..events import LoraChosen, Note, TrainingPlanned, TrainingProgress
from ..servers import ServerSet
from .files import with_weight
from .forecast import StopWatch, calibrate, forecast
from .record import training_record
from .work import load_finished, save_finished

if TYPE_CHECKING:
    from train_lora.dataset import RegularisationImage

    from ..choosing import Choice, ChooseParams
    from ..presets import TrainParams

STAGE = "train"
VERSION = 2
_SHOT = "person"
_NAME = "person"
"""Every training's own name: what the LoRA is called is decided when it is published."""

Publish = Callable[[Checkpoint, str], AbstractContextManager[str]]
"""Puts a checkpoint on every server under a temporary name, and takes it away again."""


@dataclass(frozen=True)
class PersonTraining:
    """What decides the LoRA."""

    settings: TrainParams
    choose: ChooseParams | None
    """How the best checkpoint is found; None takes the last one."""
    family: Literal["sd15", "sdxl"]
    trigger: str
    subject: str
    """"person", "woman", …: for the pictures by which the choice is made."""
    checkpoint: str | None
    """The model those pictures are drawn with; None = the one the server has loaded."""
    vae: str | None = None
    """Likewise, as in a preset for portraits."""
    clip_skip: int = 1


@dataclass(frozen=True)
class Trained:
    """The LoRA, and how it came to be."""

    path: Path
    sha256: str
    weight: float | None
    """The chosen weight; None when nothing was chosen."""
    record: Mapping[str, Any]
    """As in training.json, without what is only known afterwards."""
    cached: bool


class Trainer:
    """Trains and chooses. Use once."""

    def __init__(
        self,
        engine: Engine,
        photos: PhotoSet,
        what: PersonTraining,
        backend: TrainerBackend,
        *,
        work: Path,
        servers: ServerSet | None,
        publish: Publish | None,
        captioner: Callable[[bytes], str] | None = None,
        regularisation: tuple[RegularisationImage, ...] = (),
        measure_first: bool = False,
        dataset_dir: Path | None = None,
    ) -> None:
        """
        Args:
            engine: Keeps what is finished.
            photos: The accepted photos.
            what: What decides the LoRA.
            backend: Trains.
            work: Where dataset, training and file are put together.
            servers: Make the pictures the choice is made by; None when there are none.
            publish: Puts a checkpoint on them for that.
            captioner: The WebUI's interrogator, if the settings ask for it.
            regularisation: Pictures of other people, if the settings ask for them.
            measure_first: Time a few steps before the training, so that the forecast is narrow.
            dataset_dir: Where the dataset is put together; None = `dataset` in the work folder.
        """
        self._engine, self._photos, self._what, self._backend = engine, photos, what, backend
        self._work, self._servers, self._publish = work, servers, publish
        self._captioner, self._regularisation = captioner, regularisation
        self._measure_first = measure_first
        self._dataset_dir = dataset_dir or work / "dataset"

    def train_only(self) -> tuple[TrainingRun, Dataset]:
        """Train, or find the finished training, without choosing: a later `go` chooses its checkpoint.

        Raises:
            StageError: The trainer lacks something; everything is named at once.
            TrainError: The training failed.
        """
        dataset, recipe = self._dataset(), recipe_of(self._what)
        folder = training_folder(self._work, self._call(dataset))
        folder.mkdir(parents=True, exist_ok=True)
        return load_finished(folder) or self._train(dataset, recipe, folder), dataset

    def go(self) -> Trained:
        """Train and choose, or find what was made from the same photos with the same settings.

        Raises:
            StageError: The trainer lacks something; everything is named at once.
            TrainError: The training failed.
            WebUIError: A server, while the choice was made; the training is kept.
        """
        dataset = self._dataset()
        if dataset.held_out_why:
            self._engine.emit(Note(dataset.held_out_why))
        recipe = recipe_of(self._what)
        call = self._call(dataset)
        folder = training_folder(self._work, call)
        outcome = self._engine.local(call, lambda: self._make(dataset, recipe, folder))
        if not self._may_choose_later:
            # The chosen one is in the store, and not before now; the others would only take room.
            shutil.rmtree(folder, ignore_errors=True)
        record = outcome.payload
        choice = record.get("choice") or {}
        return Trained(
            path=self._file(outcome),
            sha256=outcome.record.outputs["lora"],
            weight=choice.get("weight"),
            record=record,
            cached=outcome.cached,
        )

    def _dataset(self) -> Dataset:
        settings = self._what.settings
        return build_dataset(
            self._photos,
            self._dataset_dir,
            trigger=self._what.trigger,
            caption_template=settings.caption_template,
            size=settings.resolution,
            half_body_share=settings.half_body_share,
            max_upscale=settings.max_upscale,
            held_out=settings.held_out,
            captioner=self._captioner,
            regularisation=self._regularisation,
            family=self._what.family,
        )

    def _call(self, dataset: Dataset) -> StageCall:
        return training_call(self._what, self._backend, dataset.manifest_sha256, chooses=self._chooses)

    @property
    def _chooses(self) -> bool:
        return self._what.choose is not None and self._servers is not None and self._publish is not None

    # ---- the work itself

    def _make(self, dataset: Dataset, recipe: TrainRecipe, folder: Path) -> Made:
        folder.mkdir(parents=True, exist_ok=True)
        run = load_finished(folder) or self._train(dataset, recipe, folder)
        since = time.monotonic()
        choice = self._choose(run, dataset)
        chosen = self._chosen(run, choice)
        data = with_weight(chosen.artifact.path, choice, folder / "chosen.part").read_bytes()
        record = training_record(self._engine.store, self._backend, run, dataset, recipe, choice)
        record["seconds"]["choosing"] = round(time.monotonic() - since, 1)
        return Made(outputs={"lora": data}, payload=record)

    def _train(self, dataset: Dataset, recipe: TrainRecipe, folder: Path) -> TrainingRun:
        lacking = self._backend.check(recipe)
        if lacking:
            raise StageError(
                "the training cannot begin:\n" + "\n".join(f"  - {text}" for text in lacking),
                hint="Nothing was trained. Mend the above and run the same command again; "
                "docs/training.md has the whole way.",
            )
        if self._measure_first:
            self._engine.emit(Note("Timing a few steps on this machine first."))
            calibrate(
                recipe,
                dataset,
                self._backend,
                folder.with_name(f"{folder.name}-measured"),
                on_progress=self._relay,
                cancel=self._engine.cancel,
            )
        prediction = forecast(
            recipe, len(dataset.source), self._backend, self._what.choose if self._chooses else None
        )
        self._engine.emit(
            TrainingPlanned(
                prediction.steps,
                len(dataset.source),
                len(dataset.held_out),
                "" if self._backend.sandbox else str(prediction),
            )
        )
        watch = StopWatch()

        def relay(progress: TrainProgress) -> None:
            watch.seen(progress)
            self._relay(progress)

        run = self._backend.train(dataset, recipe, folder, on_progress=relay, cancel=self._engine.cancel)
        run = replace(run, facts={**run.facts, "prediction": prediction.to_json()})
        save_finished(folder, run)
        watch.keep(self._backend, recipe, dataset, run)
        if run.lighter is not None:
            changed = ", ".join(f"{name} {value}" for name, value in run.lighter.items())
            self._engine.emit(
                Note(f"The GPU's memory was not enough; it was trained with lighter settings: {changed}.")
            )
        return run

    def _relay(self, progress: TrainProgress) -> None:
        self._engine.emit(
            TrainingProgress(
                progress.step,
                progress.steps,
                progress.fraction,
                progress.eta_s,
                progress.message,
                phase=progress.phase,
                loss=progress.loss,
            )
        )

    def _choose(self, run: TrainingRun, dataset: Dataset) -> Choice | None:
        if not self._chooses or self._one_only(run):
            return None
        from ..choosing import choose_checkpoint

        assert self._what.choose is not None
        assert self._servers is not None
        assert self._publish is not None
        choice = choose_checkpoint(
            self._engine,
            self._servers,
            run.checkpoints,
            params=self._what.choose,
            preset_family=self._what.family,
            checkpoint=self._what.checkpoint,
            trigger=self._what.trigger,
            subject=self._what.subject,
            dataset=dataset,
            publish=self._publish,
            on_event=self._engine.emit,
            vae=self._what.vae,
            clip_skip=self._what.clip_skip,
        )
        self._engine.emit(LoraChosen(choice.step, choice.weight, choice.why))
        return choice

    def _one_only(self, run: TrainingRun) -> bool:
        """Whether there is nothing to choose: one checkpoint, one weight."""
        choose = self._what.choose
        return len(run.checkpoints) == 1 and choose is not None and set(choose.weights) == {choose.weight}

    @staticmethod
    def _chosen(run: TrainingRun, choice: Choice | None) -> Checkpoint:
        if choice is None:
            return run.checkpoints[-1]
        return next(checkpoint for checkpoint in run.checkpoints if checkpoint.step == choice.step)

    @property
    def _may_choose_later(self) -> bool:
        """Whether a choice is wanted and there was no WebUI for it: the next run may have one, and must not
        have to train again."""
        return self._what.choose is not None and not self._chooses

    def _file(self, outcome: Outcome) -> Path:
        """The stored LoRA as a file of its own, to be published from."""
        sha256 = outcome.record.outputs["lora"]
        path = self._work / "trained" / f"{sha256[:16]}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or sha256_hex(path.read_bytes()) != sha256:
            part = path.with_suffix(".part")
            part.write_bytes(self._engine.store.get(sha256))
            part.replace(path)
        return path


def recipe_of(what: PersonTraining) -> TrainRecipe:
    """The trainer's own settings."""
    settings = {
        name: value for name, value in what.settings.model_dump().items() if name in TrainRecipe.model_fields
    }
    return make_recipe(**{**settings, "name": _NAME, "trigger": what.trigger, "family": what.family})


def training_call(
    what: PersonTraining, backend: TrainerBackend, manifest_sha256: str, *, chooses: bool
) -> StageCall:
    """What decides the LoRA, as the key of its stage.

    Args:
        what: The settings.
        backend: Who trains, or has trained.
        manifest_sha256: Of the dataset.
        chooses: Whether there are servers to choose the checkpoint by.
    """
    choose = what.choose if chooses else None
    return StageCall(
        stage=STAGE,
        version=VERSION,
        shot=_SHOT,
        params={
            "settings": recipe_of(what).model_dump(mode="json"),
            "choose": choose.model_dump(mode="json") if choose else None,
            "trainer": backend.name,
            "trainer_version": backend.version,
            "trained_on": dict(backend.identity()),
        },
        inputs={"dataset": manifest_sha256},
    )


def training_folder(work: Path, call: StageCall) -> Path:
    """Where the training itself lies."""
    training = call.material(None)
    # Choosing differently does not mean training again.
    training["params"] = {**training["params"], "choose": None}
    return work / "training" / digest(training)[:16]
