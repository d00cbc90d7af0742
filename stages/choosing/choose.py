"""Finds the checkpoint and the weight that make the most of a training.

First every checkpoint makes the same few pictures at one weight, then the best of them at the other weights.
Each is on the servers only while it draws, under a name made of its file's hash: so a choice that was killed
finds its pictures again, and no two files ever share a name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

from faces import Person
from train_lora import Checkpoint, Dataset

from ..canonical import digest
from ..engine import Engine, Outcome, StageCall
from ..errors import StageError
from ..events import CheckpointJudged, Listener, Note
from ..servers import ServerSet
from . import scoring
from .choice import Choice, Compared, Trial, decide
from .params import ChooseParams
from .trial import STAGE, Measure, Model, Sitting

if TYPE_CHECKING:
    from train_lora.photo_set import Photo

Publish = Callable[[Checkpoint, str], AbstractContextManager[str]]
"""Puts a checkpoint on every server under a temporary name, says what it is called there, takes it away."""


def temporary_name(checkpoint: Checkpoint) -> str:
    """What a checkpoint is called while it is tried: the same for the same file, on every run."""
    return f"tmp-{checkpoint.artifact.sha256[:8]}"


def choose_checkpoint(
    engine: Engine,
    servers: ServerSet,
    checkpoints: Sequence[Checkpoint],
    *,
    params: ChooseParams,
    preset_family: Literal["sd15", "sdxl"],
    checkpoint: str | None,
    trigger: str,
    subject: str,
    dataset: Dataset,
    publish: Publish,
    on_event: Listener,
    vae: str | None = None,
    clip_skip: int = 1,
) -> Choice:
    """Choose among a training's checkpoints.

    Args:
        engine: Keeps the pictures; a choice that was interrupted goes on from them.
        servers: Make the pictures; they must have been probed.
        checkpoints: What the training left. Of two with the same step the later one counts.
        params: Which pictures, which weights.
        preset_family: Decides size and guidance where the parameters leave them open.
        checkpoint: The model to draw with; None = the one the server has loaded.
        trigger: Words that call the person up.
        subject: "person", "woman", …
        dataset: Its held-out photos are the measure, its pictures must not come back.
        publish: Puts a checkpoint on the servers for a while. Called only when a picture is missing; left on
            every way out, also by an error or a cancellation.
        on_event: Told of every `CheckpointJudged`, and what else is worth a line.
        vae: VAE by name; None = the checkpoint's own.
        clip_skip: See the preset.

    Raises:
        StageError: There is nothing to choose from or to compare with, or the servers draw the same whatever
            the LoRA.
        EffectMissing: A server did not use a LoRA it was given.
        WebUIError: A server failed otherwise; the pictures that were made are kept.
        Cancelled: It was cancelled.
    """
    if not checkpoints:
        raise StageError("there is no checkpoint to choose from", hint="Train again.")
    measure, compared = _measure(dataset)
    sitting = Sitting(
        engine,
        servers,
        params,
        Model(preset_family, checkpoint, vae, clip_skip),
        measure,
        trigger=trigger,
        subject=subject,
    )
    found = sorted({entry.step: entry for entry in checkpoints}.values(), key=lambda entry: entry.step)
    return _Choosing(engine, servers, params, sitting, publish, on_event).among(found, compared)


def _measure(dataset: Dataset) -> tuple[Measure, Compared]:
    photos: Sequence[Photo] = dataset.held_out or dataset.source
    if not photos:
        raise StageError(
            "the photos to compare the checkpoints with are not known",
            hint="Build the dataset from the photos again; one that is read back from disk has none.",
        )
    person = Person.from_embeddings(photo.embedding for photo in photos)
    sha256 = digest(sorted(photo.sha256 for photo in photos))
    return Measure(person, sha256, dataset), Compared(len(photos), bool(dataset.held_out))


class _Choosing:
    """Use once."""

    def __init__(
        self,
        engine: Engine,
        servers: ServerSet,
        params: ChooseParams,
        sitting: Sitting,
        publish: Publish,
        on_event: Listener,
    ) -> None:
        self._engine, self._servers, self._params = engine, servers, params
        self._sitting, self._publish, self._tell = sitting, publish, on_event
        self._trials: list[Trial] = []
        self._pixels: dict[int, set[str]] = {}
        """Step -> its pictures at the first weight, as hashes of their pixels."""
        self._total = 0
        self._warned = False

    def among(self, checkpoints: Sequence[Checkpoint], compared: Compared) -> Choice:
        """Both rounds."""
        params = self._params
        others = [weight for weight in sorted(set(params.weights)) if weight != params.weight]
        jobs = params.jobs(len(checkpoints))
        self._total = jobs // params.pictures
        self._engine.tracker.plan({STAGE: jobs})
        if not compared.held_out:
            self._tell(
                Note(
                    "No photo was held out of the training: the checkpoints are compared with the photos "
                    "they were trained on, which flatters all of them and the longest trained most."
                )
            )
        for checkpoint in checkpoints:
            self._try(checkpoint, [params.weight])
        self._check_effect()
        if others:
            scores = [(trial.score, trial.step) for trial in self._trials]
            for index in scoring.finalists(scores, params.finalists):
                self._try(checkpoints[index], others)
        return decide(self._trials, compared)

    def _try(self, checkpoint: Checkpoint, weights: Sequence[float]) -> None:
        """Draw and judge one checkpoint at some weights, published once for all of them."""
        name = temporary_name(checkpoint)
        sha256 = checkpoint.artifact.sha256
        calls = {weight: self._sitting.calls(sha256, name, checkpoint.step, weight) for weight in weights}
        flat = [call for weight in weights for call in calls[weight]]
        there = all(self._sitting.is_there(call) for call in flat)
        with nullcontext(name) if there else self._publish(checkpoint, name) as published:
            drawn = self._draw(flat, name, published)
        for number, weight in enumerate(weights):
            first = number * self._params.pictures
            self._judge(checkpoint.step, weight, drawn[first : first + self._params.pictures])

    def _draw(self, calls: Sequence[StageCall], name: str, published: str) -> list[Outcome]:
        def rename(prompt: str) -> str:
            return prompt.replace(f"<lora:{name}:", f"<lora:{published}:")

        with ThreadPoolExecutor(max(1, len(self._servers.probed)), thread_name_prefix="trial") as executor:
            futures = [executor.submit(self._sitting.draw, call, rename) for call in calls]
            try:
                drawn = [future.result() for future in futures]
            except BaseException as error:
                # What runs is finished and kept, its time is paid; unless a person asked for the end.
                for future in futures:
                    future.cancel()
                if not isinstance(error, Exception):
                    self._engine.cancel.cancel()
                raise
        for outcome in drawn:
            self._check_evidence(outcome)
        return drawn

    def _judge(self, step: int, weight: float, drawn: Sequence[Outcome]) -> None:
        seen = [self._sitting.look_at(outcome) for outcome in drawn]
        self._pixels.setdefault(step, {payload["pixels"] for payload in seen})
        trial = self._sitting.trial(step, weight, drawn, seen)
        self._trials.append(trial)
        self._tell(
            CheckpointJudged(step, weight, trial.likeness, trial.score, len(self._trials), self._total)
        )

    def _check_evidence(self, outcome: Outcome) -> None:
        """Say once when a server leaves no trace of the LoRAs it used. Where it does and there is none, the
        client has raised `EffectMissing`."""
        proofs = [entry for entry in outcome.payload["evidence"] if entry["effect"].startswith("lora:")]
        if self._warned or any(entry["status"] == "ran" for entry in proofs):
            return
        self._warned = True
        self._tell(
            Note(
                "The WebUI does not write LoRA hashes into its pictures, so nothing proves that each "
                'checkpoint was used. Switch on "Add Lora hashes to infotext" in its settings.'
            )
        )

    def _check_effect(self) -> None:
        """Raise when all checkpoints draw the same pixels: then none of them was used.

        Raises:
            StageError: They do.
        """
        pictures = list(self._pixels.values())
        if len(pictures) > 1 and all(entry == pictures[0] for entry in pictures):
            raise StageError(
                "the WebUI draws the same pictures with every checkpoint, so it does not use the LoRA",
                hint="Look into the WebUI's console for errors while it loads the LoRA; is it of the "
                "checkpoint's model family? `--no-choose` takes the last checkpoint unseen.",
            )
