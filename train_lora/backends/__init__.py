"""Trainers. Each is one file here and one line in `get_backend`."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import TrainError
from .base import Checkpoint, TrainerBackend, TrainingRun
from .sandbox import SandboxTrainer

BACKENDS: dict[str, Callable[[], TrainerBackend]] = {"sandbox": SandboxTrainer}
"""Name -> how to make one."""

__all__ = ["BACKENDS", "Checkpoint", "SandboxTrainer", "TrainerBackend", "TrainingRun", "get_backend"]


def get_backend(name: str) -> TrainerBackend:
    """The trainer of a name.

    Raises:
        TrainError: There is none; the message says what to do instead.
    """
    if name in BACKENDS:
        return BACKENDS[name]()
    if name in ("kohya", "sd-scripts"):
        raise TrainError(
            "Training with sd-scripts is not in this version.",
            "Name a LoRA the WebUI already has with `--lora NAME` (train it with sd-scripts yourself and put "
            "it into models/Lora), or run with `--webui sandbox` to see the whole way with a stand-in.",
        )
    raise TrainError(f"There is no trainer {name!r}.", f"Known: {', '.join(sorted(BACKENDS))}.")
