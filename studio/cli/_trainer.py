"""Options that say who trains."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..settings import existing_file

if TYPE_CHECKING:
    from train_lora import TrainerAsked

F = TypeVar("F", bound=Callable[..., Any])


def trainer_options(command: F) -> F:
    """Add --trainer and --base-model; `read_trainer_options` takes the values."""
    for option in reversed(
        (
            click.option(
                "--trainer",
                metavar="TRAINER",
                help="Who trains: sd-scripts (this machine), sandbox, or a GPU host: "
                "ssh://USER@HOST/PATH/TO/sd-scripts?base_model=…  [default: what suits the WebUI; "
                "$SDWEBUI_TRAINER]",
            ),
            click.option(
                "--base-model",
                metavar="FILE",
                help="The checkpoint to train on, a .safetensors file. [default: the WebUI's own, if "
                "--models-dir is a folder of this machine; $SDWEBUI_BASE_MODEL]",
            ),
        )
    ):
        command = option(command)
    return command


def read_trainer_options(trainer: str | None, base_model: str | None) -> TrainerAsked:
    """Check what `trainer_options` collected, against the environment.

    Raises:
        BadInput: the base model is no file.
    """
    from train_lora import TrainerAsked

    return TrainerAsked(
        name=trainer or os.environ.get("SDWEBUI_TRAINER", "").strip() or None,
        base_model=existing_file(base_model, "--base-model") if base_model else None,
        env=dict(os.environ),
    )
