"""Deleting a run for good, and saying what was deleted."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import runs
from .errors import BadInput


@dataclass(frozen=True, slots=True)
class Deletion:
    """What is going to be deleted, and afterwards the receipt of it.

    Attributes:
        folder: the run's folder.
        files: how many files lie in it.
        size_bytes: how large they are together.
        portraits: how many delivered portraits are among them.
        loras: published LoRA files outside the folder.
        left: what cannot be deleted from here, each with what to do.
    """

    folder: Path
    files: int
    size_bytes: int
    portraits: int
    loras: tuple[Path, ...]
    left: tuple[str, ...]


def plan_deletion(folder: Path, models_dir: Path | None) -> Deletion:
    """Find everything a run left behind.

    Args:
        folder: the run's folder (--out).
        models_dir: a WebUI's models folder to look for the published LoRA in, or None.

    Raises:
        BadInput: the folder is no run's.
    """
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}.")
    if folder.is_symlink():
        raise BadInput(f"{folder} is a link.", hint=f"Name the folder itself: {folder.resolve()}")
    record = runs.owner(folder)
    if record is None:
        raise BadInput(f"{folder} was not made by make-profile.", hint="Only a run's own folder is deleted.")
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    loras, left = _published(folder, record, models_dir)
    portraits = (
        sum(1 for path in (folder / "portraits").glob("*.png")) if (folder / "portraits").is_dir() else 0
    )
    return Deletion(folder, len(files), sum(path.stat().st_size for path in files), portraits, loras, left)


def delete(plan: Deletion) -> None:
    """Delete what was planned. The LoRA goes first: without the folder nobody would know its name any more.

    Raises:
        WorkFolderBusy: a run is working in the folder.
    """
    from stages.lock import FolderLock

    with FolderLock(plan.folder / runs.WORK / "lock"):
        for lora in plan.loras:
            lora.unlink(missing_ok=True)
        # The record of whose folder it is goes last, so that an interrupted deletion can be run again.
        for entry in plan.folder.iterdir():
            if entry.name != runs.WORK:
                _remove(entry)
        shutil.rmtree(plan.folder)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def _published(
    folder: Path, record: dict[str, Any], models_dir: Path | None
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Copies of the run's LoRA files outside its folder, and a word on each that is out of reach.

    The run keeps every file it published, so a LoRA the user named with --lora is never among them.
    """
    kept = {path.name: _sha256(path) for path in sorted((folder / runs.WORK / "lora").glob("*.safetensors"))}
    from train_lora.publish import FOLDER, abandoned_parts

    places = [Path(text) for text in (*runs.models_dirs(record), models_dir) if text]
    outside = [
        place for place in dict.fromkeys(places) if not place.resolve().is_relative_to(folder.resolve())
    ]
    found: list[Path] = []
    left: list[str] = []
    for name, sha256 in kept.items():
        copies = [
            path for place in outside for path in (place / FOLDER).rglob(name) if _sha256(path) == sha256
        ]
        found += copies
        # What a run that was killed while it published left behind.
        found += [part for place in outside for part in abandoned_parts(place / FOLDER, Path(name).stem)]
        if not copies and (outside or not places):
            where = ", ".join(str(place) for place in outside) or "no models folder is known"
            left.append(
                f"The LoRA {name} was not found ({where}): if a WebUI has it, delete it there yourself."
            )
    return tuple(found), tuple(left)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
