"""Can this machine train a LoRA? Looked at without loading a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .doctor import Check, Status

if TYPE_CHECKING:
    from stages.presets import Preset
    from train_lora import TrainerBackend

GROUP = "Training"


def check_trainer(asked: str | None, env: Mapping[str, str], preset: Preset) -> list[Check]:
    """Look whether the LoRA of a preset could be trained.

    Args:
        asked: The trainer, as in --trainer; None means sd-scripts on this machine.
        env: The environment.
        preset: Its training settings decide what is needed.
    """
    from train_lora import TrainerAsked, TrainError, get_backend

    name = asked or "sd-scripts"
    try:
        backend = get_backend(TrainerAsked(name, env=env))
        return [*_lacking(backend, name, preset)]
    except TrainError as error:
        # A note: with --lora, or on the sandbox, nobody needs a trainer.
        status: Status = "missing" if asked else "note"
        return [Check(GROUP, name, status, error.message, error.hint)]


def _lacking(backend: TrainerBackend, name: str, preset: Preset) -> list[Check]:
    from stages.presets import TrainParams
    from train_lora import TrainRecipe, make_recipe

    known = TrainRecipe.model_fields.keys() & TrainParams.model_fields.keys()
    settings = {key: value for key, value in preset.train.model_dump().items() if key in known}
    settings |= {"name": "doctor", "trigger": preset.train.trigger or "ohwx person", "family": preset.family}
    lacking = backend.check(make_recipe(**settings))
    if not lacking:
        detail = f"ready to train {preset.family} ({backend.version})"
        return [Check(GROUP, name, "ok", detail)]
    return [Check(GROUP, name, "missing", sentence) for sentence in lacking]
