"""The LoRA's file: the chosen weight in it, and the name it is published by."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from train_lora import LoraArtifact, read_artifact

if TYPE_CHECKING:
    from ..choosing import Choice


def with_weight(path: Path, choice: Choice | None, target: Path) -> Path:
    """The file with the chosen weight in its metadata, where `make-profile --lora` finds it."""
    if choice is None:
        return path
    from train_lora.lora_metadata import rewrite_metadata

    rewrite_metadata(path, target, add={"ss_chosen_weight": f"{choice.weight:g}"}, keep_personal=True)
    return target


def as_named(path: Path, name: str, work: Path) -> LoraArtifact:
    """The LoRA as a file of the name it will be published by.

    Args:
        path: The stored file.
        name: Its name in prompts.
        work: The run's work folder. It keeps every file that was published: deleting the run finds the copies
            by them.
    """
    named = work / "lora" / f"{name}.safetensors"
    named.parent.mkdir(parents=True, exist_ok=True)
    part = named.with_suffix(".part")
    part.unlink(missing_ok=True)
    try:
        part.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, part)
    part.replace(named)
    # A rename between two links of one file does nothing and leaves both (rename(2)).
    part.unlink(missing_ok=True)
    return read_artifact(named)
