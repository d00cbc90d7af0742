"""The photos of a training: checked, what would make the set better, and the words for the person."""

from __future__ import annotations

from pathlib import Path

from train_lora import PhotoSet, PhotoVerdict, load_photos
from train_lora.advice import Advice, advise
from train_lora.screened_folder import ScreenedFolder
from train_lora.trigger import check_trigger_rarity, pick_trigger

from ..engine import Engine
from ..events import Listener, Note, PhotoChecked, PhotosDone, PhotosProgress

SCREENED = "screened"
"""Folder in the work folder: what was found on each photo."""


def check_photos(folder: Path, engine: Engine, *, known: Path | None = None) -> PhotoSet:
    """Judge every photo, and say what would make the set better.

    Args:
        folder: Where they lie.
        engine: Is told.
        known: Folder that keeps what was found on each photo, so that one is looked at once; None keeps
            nothing.

    Raises:
        PhotosError: Too few can be used, or it is unclear who is meant.
    """

    def judged(verdict: PhotoVerdict, index: int, total: int) -> None:
        engine.emit(
            PhotoChecked(verdict.file, verdict.accepted, verdict.reason, verdict.advice, index, total)
        )

    def looked_at(done: int, total: int) -> None:
        engine.may_go_on()  # a large folder takes minutes
        engine.emit(PhotosProgress(done, total))

    photos = load_photos(
        folder, on_photo=judged, on_progress=looked_at, known=ScreenedFolder(known) if known else None
    )
    engine.emit(PhotosDone(len(photos.accepted), len(photos.refused)))
    for advice in advice_of(photos):
        engine.emit(Note(advice.describe("en")))
    return photos


def advice_of(photos: PhotoSet) -> tuple[Advice, ...]:
    """What would make the set better."""
    return advise(photos)


def trigger_for(asked: str | None, name: str, subject: str) -> str:
    """The trigger: the asked one, or a rare word of the person's own.

    Args:
        asked: The preset's; None picks one.
        name: The person's name: the same name always gets the same word.
        subject: The class: "person", "woman", …
    """
    return asked or pick_trigger(name, class_word=subject)


def settled_trigger(asked: str | None, name: str, subject: str, emit: Listener) -> str:
    """The same, with a word of warning when the asked one is a common word."""
    doubt = check_trigger_rarity(asked) if asked else None
    if doubt:
        emit(Note(doubt))
    return trigger_for(asked, name, subject)
