"""A trainer for the built-in sandbox:
no weights are learnt, the file carries the person's best photo instead.

The sandbox draws "generated" portraits from that photo. The file is marked in its metadata, and `publish`
refuses to hand it to a real WebUI.

As with a real training there is a best moment to stop: before it the likeness is still growing, after it the
likeness stays and the photo itself comes through, whatever the prompt asks for. Where it lies can be planted,
so that choosing a checkpoint can be tested.
"""

from __future__ import annotations

import json
import math
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from .._files import write_atomically
from .._reference import Reference, make_reference
from ..artifact import photo_mark, read_artifact
from ..dataset import Dataset
from ..errors import RecipeError, TrainError
from ..progress import Cancel, Clock, OnTrainProgress, TrainProgress, stop_if_cancelled
from ..recipe import TrainRecipe
from .base import Checkpoint, TrainingRun

FORMAT = "2"
"""Of the sandbox LoRA file. 2 added `sandbox_copying` and `sandbox_best_weight`; `sdwebui_client.sandbox`
reads both."""
NOTE = "SANDBOX stand-in, not a trained LoRA"
_BASE_MODEL = {"sd15": "sd_v1", "sdxl": "sdxl_base_v1-0"}
_REPORTS = 24
"""Progress reports of one training, however many steps it claims."""
BEST_AT = 0.8
"""Share of the steps after which a training has learnt all it will, unless told otherwise."""
COPIES = 1.5
"""Copying after a whole training's length beyond the best step; a sixth too long gives a quarter."""


class SandboxTrainer:
    """Writes a sandbox LoRA and plays a training's progress.

    Args:
        seconds: How long the played training takes.
        quality: How well the person is "learnt" at best, 0..1: the sandbox draws a poorer likeness below 1.
        best_step: Step after which the training goes on too long; None = after four fifths of it.
        best_weight: Weight of the LoRA tag at which its pictures are best, above 0 and at most 2.
    """

    name = "sandbox"
    version = "2"
    sandbox = True

    def __init__(
        self,
        *,
        seconds: float = 1.2,
        quality: float = 1.0,
        best_step: int | None = None,
        best_weight: float = 0.8,
    ) -> None:
        if not 0.0 <= quality <= 1.0:
            raise RecipeError(f"quality is 0 to 1, got {quality}.")
        if not (math.isfinite(seconds) and seconds >= 0):
            raise RecipeError(f"seconds must be 0 or more, got {seconds}.")
        if best_step is not None and best_step < 1:
            raise RecipeError(f"best_step is 1 or more, got {best_step}.")
        if not 0.0 < best_weight <= 2.0:
            raise RecipeError(f"best_weight is above 0 and at most 2, got {best_weight}.")
        self._seconds = seconds
        self._quality = quality
        self._best_step = best_step
        self._best_weight = best_weight

    def train(
        self,
        dataset: Dataset,
        recipe: TrainRecipe,
        out_dir: Path,
        *,
        on_progress: OnTrainProgress | None = None,
        cancel: Cancel | None = None,
    ) -> TrainingRun:
        """Write `out_dir`/NAME.safetensors, and a NAME-step….safetensors each time the recipe wants one; the
        same photos and recipe give the same bytes.

        Raises:
            TrainError: The dataset's photos are not known (it was read back from disk), or a file cannot
                be written.
            TrainCancelled: It was stopped; checkpoints that were reached stay.
        """
        out_dir = Path(out_dir)
        stop_if_cancelled(cancel)
        reference = make_reference(dataset.source)
        steps = recipe.total_steps(len(dataset.source))
        checkpoints: list[Checkpoint] = []
        due = (
            [*range(recipe.save_every_n_steps, steps, recipe.save_every_n_steps)]
            if recipe.save_every_n_steps
            else []
        )

        def reached(step: int) -> None:
            while due and due[0] <= step:
                at = due.pop(0)
                path = out_dir / f"{recipe.name}-step{at:08d}.safetensors"
                checkpoints.append(self._write(path, dataset, recipe, reference, at))

        since = time.monotonic()
        losses = self._play(steps, on_progress, cancel, reached)
        seconds = {"training": time.monotonic() - since}
        final = out_dir / f"{recipe.name}.safetensors"
        checkpoints.append(self._write(final, dataset, recipe, reference, steps))
        return TrainingRun(tuple(checkpoints), steps, losses, seconds)

    def check(self, recipe: TrainRecipe) -> list[str]:  # noqa: ARG002
        """Nothing can be missing."""
        return []

    def machine(self) -> None:
        """Nothing that matters."""
        return

    def identity(self) -> Mapping[str, str]:
        """What was planted."""
        return {
            "quality": f"{self._quality:g}",
            "best_step": "auto" if self._best_step is None else str(self._best_step),
            "best_weight": f"{self._best_weight:g}",
        }

    def _write(
        self, path: Path, dataset: Dataset, recipe: TrainRecipe, reference: Reference, step: int
    ) -> Checkpoint:
        blob = encode(self._metadata(dataset, recipe, reference, step), reference)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, blob)
        except OSError as error:
            raise TrainError(
                f"{path} cannot be written: {error.strerror}.", "Check permissions and free space."
            ) from error
        return Checkpoint(step, read_artifact(path))

    def _play(
        self,
        steps: int,
        on_progress: OnTrainProgress | None,
        cancel: Cancel | None,
        reached: Callable[[int], None],
    ) -> tuple[tuple[int, float], ...]:
        """Pass the time; returns (step, loss)."""
        losses: list[tuple[int, float]] = []
        clock = Clock(steps)
        reports = min(_REPORTS, steps)
        for number in range(reports + 1):
            stop_if_cancelled(cancel)
            step = steps * number // reports
            reached(step)
            loss = _loss(step, steps) if step else None
            if loss is not None:
                losses.append((step, loss))
            if on_progress is not None:
                on_progress(
                    TrainProgress(
                        step,
                        steps,
                        loss,
                        clock.eta_s(step),
                        "sandbox training",
                        seconds_per_step=self._seconds / steps if step else None,
                    )
                )
            if number < reports:
                time.sleep(self._seconds / reports)
        return tuple(losses)

    def _learnt(self, step: int, steps: int) -> tuple[float, float]:
        """Quality and copying after so many of the steps, 0..1 each."""
        best = self._best_step or max(1, round(BEST_AT * steps))
        quality = self._quality * min(1.0, step / best)
        return round(quality, 4), round(min(1.0, COPIES * max(0, step - best) / steps), 4)

    def _metadata(
        self, dataset: Dataset, recipe: TrainRecipe, reference: Reference, step: int
    ) -> dict[str, str]:
        captions = Counter(item.caption for item in dataset.items)
        quality, copying = self._learnt(step, recipe.total_steps(len(dataset.source)))
        return {
            "ss_output_name": recipe.name,
            "ss_trigger": recipe.trigger,
            "ss_trainer": f"{self.name} {self.version}",
            "ss_base_model_version": _BASE_MODEL[recipe.family],
            "ss_network_module": "networks.lora",
            "ss_network_dim": str(recipe.network_dim),
            "ss_network_alpha": str(recipe.network_alpha),
            "ss_steps": str(step),
            "ss_resolution": str(recipe.resolution),
            "ss_seed": str(recipe.seed),
            "ss_unet_lr": str(recipe.unet_lr),
            "ss_text_encoder_lr": str(recipe.text_encoder_lr),
            "ss_dataset_sha256": dataset.manifest_sha256,
            "ss_photos": json.dumps(photo_marks(dataset)),
            "ss_tag_frequency": json.dumps({"photos": dict(sorted(captions.items()))}),
            "sandbox": "true",
            "sandbox_format": FORMAT,
            "sandbox_note": NOTE,
            "sandbox_quality": str(quality),
            "sandbox_copying": str(copying),
            "sandbox_best_weight": str(float(self._best_weight)),
            "sandbox_landmarks": json.dumps([[round(x, 3), round(y, 3)] for x, y in reference.landmarks]),
        }


def photo_marks(dataset: Dataset) -> list[str]:
    """One mark for each photo a LoRA was made of: two LoRAs that share one are of the same person."""
    return sorted({photo_mark(item.source_sha256) for item in dataset.items})


def encode(metadata: dict[str, str], reference: Reference) -> bytes:
    """A safetensors file's bytes.

    Written here because the `safetensors` package (0.8.0) puts the metadata in another order each time,
    and the same inputs are to give the same file. (Layout: huggingface/safetensors, README, "Format".)
    """
    tensors = {"sandbox.mask": reference.mask, "sandbox.reference": reference.pixels}
    header: dict[str, object] = {"__metadata__": metadata}
    body = b""
    for name, tensor in tensors.items():
        raw = tensor.tobytes()
        header[name] = {
            "dtype": "U8",
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    text = json.dumps(header, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def _loss(step: int, steps: int) -> float:
    """A training's usual curve: falls fast, then slowly, never quite smooth."""
    done = step / steps
    return 0.078 + 0.085 * math.exp(-4.0 * done) + 0.002 * math.sin(37.0 * done)
