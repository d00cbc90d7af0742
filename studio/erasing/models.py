"""The album's trained model: in the models folders of WebUIs, and in its work folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator
from pathlib import Path

from .. import runs
from ..core import Studio
from .store import unneeded

log = logging.getLogger(__name__)

MODEL_STAGES = ("train", "trial")
"""Stages whose results are the model, or hold pictures of the training or of a checkpoint on trial."""
_PARTS = ("lora", "trained", "training", "ahead")


def models_folders(studio: Studio, work: Path) -> dict[str, str]:
    """Every models folder the album's model may lie in: a mark that says nothing -> the folder.

    They are those it was ever published in, and the operator's present one.
    """
    record = runs.read_owner(work) or {}
    places = dict.fromkeys(text for text in (*runs.models_dirs(record), studio.settings.models_dir) if text)
    album = work.parent.name
    return {hashlib.sha256(f"{album} {text}".encode()).hexdigest()[:12]: text for text in places}


def unpublish(studio: Studio, work: Path, cleared: Collection[str]) -> Iterator[tuple[str, int | None]]:
    """Delete the album's files in the models folders.

    A folder that is not there may be another machine's, or not mounted: then nobody knows what is in it.

    Args:
        studio: The studio.
        work: The album's work folder; it knows names and hashes.
        cleared: Marks of folders that were seen to already.

    Yields:
        For each folder its mark and how many files went; None when it is not reached.
    """
    from train_lora import TrainError

    from ..deletion import files_of_model, find_copies, remove_copies

    kept, trials, unread = files_of_model(work)
    for text in unread:
        log.warning("a note of checkpoints on trial cannot be read: %s", text)
    if not kept and not trials:
        return
    for mark, place in models_folders(studio, work).items():
        if mark in cleared:
            continue
        try:
            copies = find_copies(place, {**kept, **trials})
            remove_copies(place, copies)
        except TrainError as error:
            log.warning("a models folder is not reached: %s", error.message)
            yield mark, None
        else:
            yield mark, len(copies)


def files_of(work: Path) -> list[Path]:
    """What of the work folder is the model, or was only made to train and choose it."""
    parts = [work / name for name in _PARTS if (work / name).exists()]
    return [*parts, *work.glob("trials-*.json"), *unneeded(work / "store", stages=MODEL_STAGES)]


def needed_to_unpublish(work: Path) -> list[Path]:
    """What must stay until every models folder was reached: without it nobody knows the names."""
    return [work / "lora", work / "trained", work / runs.OWNER, *work.glob("trials-*.json")]
