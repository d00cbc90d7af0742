"""Deleting a run for good, and saying what was deleted."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import runs
from .errors import BadInput


@dataclass(frozen=True, slots=True)
class LoraCopy:
    """A file of the run in a WebUI's models folder.

    Attributes:
        place: the models folder: a path or an address.
        rel: the file's path below its LoRA folder.
        where: its full path or address.
        name: what the run called it.
        sha256: its hash; None for half a file that a killed run left.
    """

    place: str
    rel: str
    where: str
    name: str
    sha256: str | None

    def __str__(self) -> str:
        return self.where


@dataclass(frozen=True, slots=True)
class Deletion:
    """What is going to be deleted, and afterwards the receipt of it.

    Attributes:
        folder: the run's folder.
        files: how many files lie in it.
        size_bytes: how large they are together.
        portraits: how many delivered portraits are among them.
        loras: published LoRA files outside the folder, here and on other machines.
        left: what cannot be deleted from here, each with what to do.
    """

    folder: Path
    files: int
    size_bytes: int
    portraits: int
    loras: tuple[LoraCopy, ...]
    left: tuple[str, ...]


def plan_deletion(folder: Path, models_dir: Path | str | None) -> Deletion:
    """Find everything a run left behind.

    Args:
        folder: the run's folder (--out).
        models_dir: a WebUI's models folder to look for the published LoRA in: a path, an address, or None.

    Raises:
        BadInput: the folder is no run's.
    """
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}.")
    if folder.is_symlink():
        raise BadInput(f"{folder} is a link.", hint=f"Name the folder itself: {folder.resolve()}")
    record = runs.owner(folder)
    if record is None:
        raise BadInput(
            f"{folder} was made neither by make-profile nor by train-lora.",
            hint="Only a run's own folder is deleted.",
        )
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    given = str(models_dir.resolve()) if isinstance(models_dir, Path) else models_dir
    places = list(dict.fromkeys(text for text in (*runs.models_dirs(record), given) if text))
    loras, left = _published(folder, places)
    portraits = (
        sum(1 for path in (folder / "portraits").glob("*.png")) if (folder / "portraits").is_dir() else 0
    )
    return Deletion(folder, len(files), sum(path.stat().st_size for path in files), portraits, loras, left)


def delete(plan: Deletion) -> None:
    """Delete what was planned. The LoRA goes first: without the folder nobody would know its name any more.

    Raises:
        WorkFolderBusy: a run is working in the folder.
        TrainError: a models folder is not reached any more; the run's folder stays.
    """
    from stages.lock import FolderLock

    with FolderLock(plan.folder / runs.WORK / "lock"):
        for text in dict.fromkeys(lora.place for lora in plan.loras):
            remove_copies(text, [lora for lora in plan.loras if lora.place == text])
        # The record of whose folder it is goes last, so that an interrupted deletion can be run again.
        for entry in plan.folder.iterdir():
            if entry.name != runs.WORK:
                _remove(entry)
        shutil.rmtree(plan.folder)


def remove_copies(models_dir: str, copies: Iterable[LoraCopy]) -> None:
    """Delete files in one models folder.

    Raises:
        TrainError: it is not reached any more.
    """
    from train_lora.places import open_place

    with open_place(models_dir) as place:
        for copy in copies:
            place.remove(copy.rel)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def _published(folder: Path, places: list[str]) -> tuple[tuple[LoraCopy, ...], tuple[str, ...]]:
    """Copies of the run's LoRA files outside its folder, and a word on each that is out of reach.

    The run keeps every file it published, so a LoRA the user named with --lora is never among them. A name
    may have stood for several files: trained anew with other settings, it is published over the old one, but
    only where that run publishes.
    """
    from train_lora.errors import TrainError

    kept, trials, left = files_of_model(folder / runs.WORK)
    outside = [text for text in places if not _is_inside(text, folder)]
    found: list[LoraCopy] = []
    reached: list[str] = []
    for text in outside if kept or trials else ():
        try:
            found += find_copies(text, {**kept, **trials})
            reached.append(text)
        except TrainError as error:
            left.append(
                f"{text} could not be looked into: {error} If a LoRA of this run is there "
                f"({', '.join([*kept, *trials])}), delete it yourself."
            )
    for name in kept:
        if (reached or not places) and not any(copy.name == name and copy.sha256 for copy in found):
            where = ", ".join(reached) or "no models folder is known"
            left.append(
                f"The LoRA {name}.safetensors was not found ({where}): if a WebUI has it, delete it there "
                f"yourself."
            )
    return tuple(found), tuple(left)


def files_of_model(
    work: Path,
) -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]], list[str]]:
    """What a run may have put into models folders, as its work folder knows it.

    Returns:
        Name -> SHA-256 of every file that may stand under it, for what was published and for checkpoints on
        trial; and what cannot be told.
    """
    named = sorted((work / "lora").glob("*.safetensors"))
    own = frozenset(_sha256(path) for path in (*named, *(work / "trained").glob("*.safetensors")))
    trials, left = _trials(work)
    return {path.stem: own for path in named}, trials, left


def _trials(work: Path) -> tuple[dict[str, frozenset[str]], list[str]]:
    """Checkpoints that a killed run had published for a while, by name; and what cannot be told of them."""
    from train_lora.errors import TrainError
    from train_lora.trials import Ledger

    trials: dict[str, frozenset[str]] = {}
    left: list[str] = []
    for path in sorted(work.glob("trials-*.json")):
        try:
            trials |= {name: frozenset({sha256}) for name, sha256 in Ledger(path).read().items()}
        except TrainError as error:
            left.append(str(error))
    return trials, left


def find_copies(text: str, kept: Mapping[str, frozenset[str]]) -> list[LoraCopy]:
    """The run's files in one models folder, and halves of them.

    Args:
        text: The models folder.
        kept: Name -> SHA-256 of every file of the run that may stand under it.

    Raises:
        TrainError: it cannot be looked into.
    """
    from train_lora.places import open_place

    found = []
    with open_place(text) as place:
        for name, own in kept.items():
            for info in place.find(name):
                sha256 = place.sha256(info.rel) if info.size >= 0 else ""
                if sha256 in own:
                    found.append(LoraCopy(text, info.rel, place.where(info.rel), name, sha256))
            found += [
                LoraCopy(text, part, place.where(part), name, None) for part in place.parts(name, ours=True)
            ]
    return found


def _is_inside(text: str, folder: Path) -> bool:
    return "://" not in text and Path(text).resolve().is_relative_to(folder.resolve())


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
