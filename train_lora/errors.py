"""What can go wrong between a folder of photos and a published LoRA.

TrainError
+-- PhotosError       the folder cannot be used: missing, empty, too few good photos, two people
+-- TrainerMissing    no trainer is set up; the hint is the exact next step
+-- RecipeError       a training setting is impossible
+-- ArtifactError     a LoRA file is missing, damaged, or not what it says
+-- PublishError      the file could not be put where a WebUI lists it
+-- SshError          another machine is not reached, or does not let us do something
|   +-- SshLost       the connection broke; what it was doing may or may not be done
|   +-- HostKeyError  the machine is not known, or not the one that is known
+-- TrainCancelled    somebody stopped the training
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .photo_set import PhotoSet


class TrainError(Exception):
    """Root of everything this package raises.

    Attributes:
        message: What went wrong.
        hint: What to do about it, or "".
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} {hint}".strip())


class PhotosError(TrainError):
    """The folder of photos cannot be used.

    Attributes:
        photos: What was found out about each file, or None when the folder could not be read at all.
    """

    def __init__(self, message: str, hint: str = "", *, photos: PhotoSet | None = None) -> None:
        self.photos = photos
        super().__init__(message, hint)


class TrainerMissing(TrainError):
    """The trainer, its Python or a file it needs is not there; `hint` is the exact next step."""


class RecipeError(TrainError):
    """A training setting is impossible, or does not fit the data."""


class ArtifactError(TrainError):
    """A LoRA file is missing, cut short, damaged, or not a LoRA."""


class PublishError(TrainError):
    """A LoRA could not be put where the WebUI lists it, or was refused."""


class SshError(TrainError):
    """Another machine is not reached over SSH, lets nobody in, or does not do what it is asked."""


class SshLost(SshError):
    """A connection broke, or the other side fell silent; what it was doing may or may not be done."""


class HostKeyError(SshError):
    """A machine's host key is not known, or is not the one that is known."""


class TrainCancelled(TrainError):
    """The training was stopped on request; nothing was written."""
