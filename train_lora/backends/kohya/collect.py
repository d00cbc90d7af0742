"""From what the trainer saved to checkpoints that may be used: fetched, checked, without personal
metadata."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...artifact import read_artifact
from ...dataset import Dataset
from ...errors import ArtifactError, TrainError
from ...lora_metadata import rewrite_metadata
from ...recipe import TrainRecipe
from ..base import Checkpoint
from ..sandbox import photo_marks
from .host import JobHost
from .modules import check_lora_file


def saved_files(host: JobHost, name: str, steps: int) -> dict[int, str]:
    """Step -> file below JOB/out. The finished LoRA stands under the last step, in place of a checkpoint of
    that step: both hold the same."""
    found: dict[int, str] = {}
    pattern = re.compile(rf"{re.escape(name)}-step(\d{{8}})\.safetensors")
    names = {file.rel for file in host.list_out()}
    for rel in names:
        match = pattern.fullmatch(rel)
        if match is not None and 0 < int(match[1]) <= steps:
            found[int(match[1])] = rel
    if f"{name}.safetensors" in names:
        found[steps] = f"{name}.safetensors"
    return dict(sorted(found.items()))


def metadata_of(dataset: Dataset, recipe: TrainRecipe, trainer: str) -> dict[str, str]:
    """What `read_artifact` wants to know of a LoRA and sd-scripts does not write."""
    return {
        "ss_trigger": recipe.trigger,
        "ss_trainer": trainer,
        "ss_dataset_sha256": dataset.manifest_sha256,
        "ss_photos": json.dumps(photo_marks(dataset)),
    }


def collect(
    host: JobHost, files: Mapping[int, str], recipe: TrainRecipe, out_dir: Path, *, add: Mapping[str, str]
) -> tuple[Checkpoint, ...]:
    """Bring checkpoints into `out_dir`. All of them are checked before the first appears there.

    Args:
        host: Where they are.
        files: Of `saved_files`; the last one becomes NAME.safetensors.
        recipe: What was trained: decides which modules must be in them.
        out_dir: Where to.
        add: Metadata to add.

    Raises:
        ArtifactError: One of them is not what it has to be; it is removed from the job, so that the next call
            does not take it for trained.
        TrainError: One cannot be written here.
    """
    with _room(out_dir) as room:
        refused: ArtifactError | None = None
        todo = list(files.items())
        while todo:
            step, rel = todo.pop(0)
            host.fetch(f"out/{rel}", room / f"{step}.safetensors")
            try:
                check_saved(room / f"{step}.safetensors", recipe, rel)
            except ArtifactError as error:
                refused = refused or error
                host.remove(f"out/{rel}")
                # The checkpoint that the last file stood in place of would be taken next: looked at as well.
                twin = f"{recipe.name}-step{step:08d}.safetensors"
                todo += [(step, twin)] if any(file.rel == twin for file in host.list_out()) else []
        if refused is not None:
            raise refused
        return tuple(
            _put(
                room / f"{step}.safetensors",
                step,
                recipe,
                out_dir,
                {**add, "ss_steps": str(step)},
                step == max(files),
            )
            for step in files
        )


def _put(
    source: Path, step: int, recipe: TrainRecipe, out_dir: Path, add: Mapping[str, str], last: bool
) -> Checkpoint:
    target = out_dir / (f"{recipe.name}.safetensors" if last else f"{recipe.name}-step{step:08d}.safetensors")
    try:
        rewrite_metadata(source, target, add=add, keep_personal=recipe.keep_metadata)
        source.unlink()
    except OSError as error:
        raise TrainError(
            f"{target} cannot be written: {error.strerror}.",
            "Make room or check permissions, then run the same command again: nothing is trained twice.",
        ) from error
    return Checkpoint(step, read_artifact(target))


def check_saved(path: Path, recipe: TrainRecipe, rel: str) -> None:
    """`check_lora_file` with the name the file had in the job.

    Raises:
        ArtifactError: It is not what it has to be.
    """
    try:
        check_lora_file(path, recipe)
    except ArtifactError as error:
        raise ArtifactError(
            f"{rel} is not the LoRA that was to be trained: {error.message.replace(path.name, rel)}",
            "Look at the end of the training's log, and run again: it goes on from the last saved state.",
        ) from error


@contextmanager
def _room(out_dir: Path) -> Iterator[Path]:
    """A folder for files on their way, on the same disk; what an interrupted call left goes."""
    for old in out_dir.glob(".collecting.*"):
        shutil.rmtree(old, ignore_errors=True)
    try:
        room = Path(tempfile.mkdtemp(prefix=".collecting.", dir=out_dir))
    except OSError as error:
        raise TrainError(
            f"{out_dir} cannot be written to: {error.strerror}.",
            "Make room, then run the same command again.",
        ) from error
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)
