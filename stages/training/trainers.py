"""Which trainer makes the LoRA: the sandbox's, sd-scripts on this machine, or sd-scripts on a GPU host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from train_lora import ArtifactError, PhotoSet, TrainerAsked, TrainerBackend, TrainError, get_backend

from ..errors import StageError
from ..events import Listener, Note
from ..servers import Probed

if TYPE_CHECKING:
    from ..choosing import ChooseParams

SANDBOX = "sandbox"
KOHYA = "sd-scripts"
BASE_MODEL = "SDWEBUI_BASE_MODEL"
CHECKPOINTS = "Stable-diffusion"
"""Folder of the checkpoints inside a WebUI's models folder."""


def make_trainer(asked: TrainerAsked, *, sandbox: bool, base_model: Path | None = None) -> TrainerBackend:
    """The trainer.

    Args:
        asked: What was asked for.
        sandbox: Whether the servers are the sandbox.
        base_model: The checkpoint to train on when `asked` and the environment name none.

    Raises:
        TrainError: There is none: the message tells a newcomer the next step.
    """
    name = asked.name or (SANDBOX if sandbox else KOHYA)
    named = asked.base_model or (None if asked.env.get(BASE_MODEL) else base_model)
    return get_backend(replace(asked, name=name, base_model=named))


def is_sandbox(probed: Sequence[Probed]) -> bool:
    """Whether the servers are the sandbox.

    Raises:
        StageError: Some are and some are not: no LoRA suits both.
    """
    kinds = {server.caps.sandbox for server in probed}
    if len(kinds) == 2:
        stand_ins = ", ".join(server.url for server in probed if server.caps.sandbox)
        raise StageError(
            f"{stand_ins} is the sandbox, the other servers are not: no LoRA suits both",
            hint="Name real WebUIs only, or the sandbox only.",
        )
    return kinds == {True}


def must_suit(backend: TrainerBackend, *, sandbox: bool) -> None:
    """Refuse a trainer whose LoRA the servers could not draw with.

    Raises:
        StageError: The sandbox with a LoRA that is really trained, or a real WebUI with a stand-in.
    """
    if backend.sandbox == sandbox:
        return
    if sandbox:
        raise StageError(
            "the sandbox cannot draw with a LoRA that is really trained",
            hint="Name a real WebUI with --webui, or leave --trainer out; `train-lora` works without one.",
        )
    raise StageError(
        "a real WebUI cannot use what the sandbox's trainer makes: it is a stand-in, not a trained LoRA",
        hint=f"Leave --trainer out, or name --trainer {KOHYA}.",
    )


def reach(probed: Sequence[Probed], models_dir: Path | str | None) -> None:
    """Look before a training whether the models folders are known, and one on another machine can be reached.

    Args:
        probed: The servers a LoRA is to be published on.
        models_dir: As given; None where the servers tell it themselves.

    Raises:
        StageError: A server's models folder is not known.
        TrainError: It cannot be reached; unknown host key, refused login, no such folder, …
    """
    from ..lora import models_folder

    for server in probed:
        models_folder(server, models_dir)
    if isinstance(models_dir, str):
        from train_lora.places import open_place

        with open_place(models_dir):
            pass


def check_names(
    probed: Sequence[Probed], models_dir: Path | str | None, *, name: str, photos: PhotoSet
) -> None:
    """See that a LoRA's name is free, or this person's, on every server: before a training, not after it.

    Raises:
        StageError: A server's models folder is not known.
        TrainError: The name is somebody else's.
    """
    from train_lora.name_check import check_name

    from ..lora import models_folder

    for folder in dict.fromkeys(models_folder(server, models_dir) for server in probed):
        # A share that is not mounted now may be when the training is over.
        if isinstance(folder, str) or folder.is_dir():
            check_name(name, [photo.sha256 for photo in photos.accepted], folder)


def trials_of(choose: ChooseParams, *, sandbox: bool, emit: Listener) -> ChooseParams:
    """How the checkpoint of a run for portraits is chosen: on the sandbox with fewer pictures.

    Its LoRAs are stand-ins, and who tries the program out waits for portraits. `train-lora` makes them all.
    """
    if not sandbox:
        return choose
    quick = choose.model_copy(update={"pictures": 2, "finalists": 1, "weights": (choose.weight,)})
    emit(
        Note(
            "Every checkpoint makes only 2 pictures here, because this is the sandbox; with a real WebUI "
            f"it is {choose.pictures}, at several weights."
        )
    )
    return quick


def base_model_of(
    probed: Sequence[Probed], models_dir: Path | str | None, *, family: str, checkpoint: str | None
) -> Path | None:
    """The checkpoint the WebUI draws with, where its file lies within reach and is of the family.

    A LoRA fits best on the model it was trained on, and the user has that file already.

    Args:
        probed: The servers; the first real one counts.
        models_dir: Its models folder; only a folder of this machine is looked into.
        family: "sd15" or "sdxl".
        checkpoint: The preset's; None = the one the server has loaded.
    """
    if not isinstance(models_dir, Path):
        return None
    for server in probed:
        wanted = checkpoint or server.caps.loaded_checkpoint
        for entry in server.caps.checkpoints:
            if wanted is None or wanted.partition(" [")[0] not in (
                entry.title.partition(" [")[0],
                entry.model_name,
                entry.stem,
            ):
                continue
            path = models_dir / CHECKPOINTS / Path(entry.title.partition(" [")[0])
            if path.suffix == ".safetensors" and path.is_file() and _family_of(path) == family:
                return path
    return None


def _family_of(path: Path) -> str | None:
    from train_lora.backends.kohya.base_model import inspect_base_model

    try:
        return str(inspect_base_model(path).family)
    except (TrainError, ArtifactError):
        return None
