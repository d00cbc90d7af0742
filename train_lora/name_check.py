"""Whose LoRA stands under a name already."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .artifact import photo_mark
from .errors import ArtifactError, PublishError
from .places import ModelsPlace, open_place
from .places.base import marks_in
from .ssh import SshAuth


def check_name(
    name: str, photos: Iterable[str], models_dir: Path | str, *, auth: SshAuth | None = None
) -> None:
    """Look, before a training, whether its LoRA may be published by this name.

    Args:
        name: The LoRA's name.
        photos: SHA-256 of the person's photos.
        models_dir: The models folder, see `publish.publish`.
        auth: For SFTP; None reads the environment.

    Raises:
        PublishError: A LoRA of somebody else has this name, or there is no such folder.
        SshError: The other machine is not reached.
    """
    marks = frozenset(photo_mark(sha256) for sha256 in photos)
    with open_place(models_dir, auth=auth) as place:
        for clash in place.find(name):
            if not shares_photos(marks, clash.rel, place):
                raise occupied(place.where(clash.rel))


def shares_photos(marks: frozenset[str], rel: str, place: ModelsPlace) -> bool:
    """Whether a LoRA was made of some of the same photos: then it is of the same person."""
    try:
        return bool(marks & marks_in(place.read_header(rel)))
    except ArtifactError:
        return False


def occupied(where: str) -> PublishError:
    """The error for a name that another LoRA has."""
    return PublishError(
        f"{where} already exists and is another LoRA; it is left as it is.",
        "Choose another name with `--name`, or move that file away.",
    )
