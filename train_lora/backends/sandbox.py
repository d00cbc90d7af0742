"""A trainer for the built-in sandbox:
no weights are learnt, the file carries the person's best photo instead.

The sandbox draws "generated" portraits from that photo. The file is marked in its metadata, and `publish`
refuses to hand it to a real WebUI.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import time
from collections import Counter
from pathlib import Path

from .._files import write_atomically
from .._reference import Reference, make_reference
from ..artifact import read_artifact
from ..dataset import Dataset
from ..errors import RecipeError, TrainError
from ..progress import Cancel, Clock, OnTrainProgress, TrainProgress, stop_if_cancelled
from ..recipe import TrainRecipe
from .base import Checkpoint, TrainingRun

FORMAT = "1"
"""Of the sandbox LoRA file; `sdwebui_client.sandbox` reads this one."""
NOTE = "SANDBOX stand-in, not a trained LoRA"
_BASE_MODEL = {"sd15": "sd_v1", "sdxl": "sdxl_base_v1-0"}
_REPORTS = 24
"""Progress reports of one training, however many steps it claims."""


class SandboxTrainer:
    """Writes a sandbox LoRA and plays a training's progress.

    Args:
        seconds: How long the played training takes.
        quality: How well the person was "learnt", 0..1: the sandbox draws a poorer likeness below 1.
    """

    name = "sandbox"
    version = "1"
    sandbox = True

    def __init__(self, *, seconds: float = 1.2, quality: float = 1.0) -> None:
        if not 0.0 <= quality <= 1.0:
            raise RecipeError(f"quality is 0 to 1, got {quality}.")
        if not (math.isfinite(seconds) and seconds >= 0):
            raise RecipeError(f"seconds must be 0 or more, got {seconds}.")
        self._seconds = seconds
        self._quality = quality

    def train(
        self,
        dataset: Dataset,
        recipe: TrainRecipe,
        out_dir: Path,
        *,
        on_progress: OnTrainProgress | None = None,
        cancel: Cancel | None = None,
    ) -> TrainingRun:
        """Write `out_dir`/NAME.safetensors; the same photos and recipe give the same bytes.

        Raises:
            TrainError: The dataset's photos are not known (it was read back from disk), or the file cannot
                be written.
            TrainCancelled: It was stopped; nothing was written.
        """
        out_dir = Path(out_dir)
        stop_if_cancelled(cancel)
        reference = make_reference(dataset.source)
        self._play(recipe.total_steps(len(dataset.items)), on_progress, cancel)
        blob = encode(self._metadata(dataset, recipe, reference), reference)
        target = out_dir / f"{recipe.name}.safetensors"
        try:
            out_dir.mkdir(parents=True, exist_ok=True)
            write_atomically(target, blob)
        except OSError as error:
            raise TrainError(
                f"{target} cannot be written: {error.strerror}.", "Check permissions and free space."
            ) from error
        steps = recipe.total_steps(len(dataset.items))
        return TrainingRun((Checkpoint(steps, read_artifact(target)),), steps)

    def check(self, recipe: TrainRecipe) -> list[str]:  # noqa: ARG002
        """Nothing can be missing."""
        return []

    def _play(self, steps: int, on_progress: OnTrainProgress | None, cancel: Cancel | None) -> None:
        clock = Clock(steps)
        reports = min(_REPORTS, steps)
        for number in range(reports + 1):
            stop_if_cancelled(cancel)
            step = steps * number // reports
            if on_progress is not None:
                loss = _loss(step, steps) if step else None
                on_progress(TrainProgress(step, steps, loss, clock.eta_s(step), "sandbox training"))
            if number < reports:
                time.sleep(self._seconds / reports)

    def _metadata(self, dataset: Dataset, recipe: TrainRecipe, reference: Reference) -> dict[str, str]:
        captions = Counter(item.caption for item in dataset.items)
        return {
            "ss_output_name": recipe.name,
            "ss_trigger": recipe.trigger,
            "ss_trainer": f"{self.name} {self.version}",
            "ss_base_model_version": _BASE_MODEL[recipe.family],
            "ss_network_module": "networks.lora",
            "ss_network_dim": str(recipe.network_dim),
            "ss_network_alpha": str(recipe.network_alpha),
            "ss_steps": str(recipe.total_steps(len(dataset.items))),
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
            "sandbox_quality": str(float(self._quality)),
            "sandbox_landmarks": json.dumps([[round(x, 3), round(y, 3)] for x, y in reference.landmarks]),
        }


def photo_marks(dataset: Dataset) -> list[str]:
    """One mark for each photo a LoRA was made of: two LoRAs that share one are of the same person.

    A hash of the photo's hash, cut short: it says nothing about the photo.
    """
    return sorted(
        {hashlib.sha256(f"photo:{item.source_sha256}".encode()).hexdigest()[:16] for item in dataset.items}
    )


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
