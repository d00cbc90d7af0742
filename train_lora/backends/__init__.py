"""Trainers. Each is one file (or folder) here and one line in `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import TrainError
from .base import Checkpoint, TrainerBackend, TrainingRun
from .sandbox import SandboxTrainer

__all__ = [
    "BACKENDS",
    "Checkpoint",
    "SandboxTrainer",
    "TrainerAsked",
    "TrainerBackend",
    "TrainingRun",
    "get_backend",
]


@dataclass(frozen=True)
class TrainerAsked:
    """Which trainer is wanted."""

    name: str | None = None
    """A key of `BACKENDS`, an address such as ssh://…, or None: what suits the WebUI."""
    base_model: Path | None = None
    """The checkpoint to train on, a file of this machine; None = the environment's, or the WebUI's own."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where sd-scripts lies, keys for ssh: the process's environment."""


def _sandbox(_asked: TrainerAsked) -> TrainerBackend:
    return SandboxTrainer()


def _kohya(asked: TrainerAsked) -> TrainerBackend:
    from .kohya import KohyaTrainer, find_setup

    return KohyaTrainer(find_setup(asked.env, base_model=asked.base_model))


def _ssh(asked: TrainerAsked) -> TrainerBackend:
    from ..ssh import SshAuth, parse_ssh_url
    from .kohya.remote import SshKohyaTrainer

    return SshKohyaTrainer(parse_ssh_url(asked.name or ""), SshAuth.from_env(asked.env))


BACKENDS: dict[str, Callable[[TrainerAsked], TrainerBackend]] = {
    "sandbox": _sandbox,
    "sd-scripts": _kohya,
    "kohya": _kohya,
    "ssh": _ssh,
}
"""Name, or an address's scheme -> how to make one."""


def get_backend(asked: TrainerAsked) -> TrainerBackend:
    """The trainer that was asked for.

    Raises:
        TrainError: There is none of this name, or it is not set up: the message is the next step.
    """
    name = asked.name or ""
    key = name.partition("://")[0]
    if key not in BACKENDS or (key == "ssh") != ("://" in name):
        raise TrainError(
            f"There is no trainer {name!r}.",
            "Use --trainer sd-scripts, --trainer ssh://user@gpu/path/to/sd-scripts?base_model=…, or "
            "--trainer sandbox.",
        )
    return BACKENDS[key](asked)
