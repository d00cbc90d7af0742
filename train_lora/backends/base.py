"""What a trainer is, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..artifact import LoraArtifact
from ..dataset import Dataset
from ..progress import Cancel, OnTrainProgress
from ..recipe import TrainRecipe


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A LoRA file as it was after so many steps."""

    step: int
    artifact: LoraArtifact


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A finished training."""

    checkpoints: tuple[Checkpoint, ...]
    """By step, ascending; the last one is the finished LoRA."""
    steps: int
    losses: tuple[tuple[int, float], ...] = ()
    """(step, running average of the loss), at most a few hundred points."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Phase ("preparing", "caching", "training", "saving") -> seconds."""
    resumed_from: int | None = None
    """Step an earlier, interrupted training had reached; None when it began anew."""
    lighter: Mapping[str, Any] | None = None
    """The settings of the second try, when the GPU's memory was not enough for the first."""
    command: tuple[str, ...] = ()
    """The trainer's command line, without personal paths."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What is worth knowing of the machine: device, GPU memory, torch, sd-scripts commit …"""

    @property
    def final(self) -> LoraArtifact:
        """The finished LoRA."""
        return self.checkpoints[-1].artifact


class TrainerBackend(Protocol):
    """Turns a dataset into a LoRA file."""

    @property
    def name(self) -> str:
        """Short and stable, such as "sandbox"."""
        ...

    @property
    def version(self) -> str:
        """Changes when the same inputs would give another file."""
        ...

    @property
    def sandbox(self) -> bool:
        """Whether what it makes is a stand-in that no real WebUI can use."""
        ...

    def identity(self) -> Mapping[str, str]:
        """What else decides the result, such as the base model's "name", "sha256" and "family". No path."""
        ...

    def machine(self) -> Mapping[str, Any] | None:
        """What is known of the machine it trains on ("gpus", "torch", …); None before anybody asked it, or
        when it cannot be asked. Never raises."""
        ...

    def check(self, recipe: TrainRecipe) -> list[str]:
        """Everything that can be known to be missing before a model is loaded, each a sentence that says
        what to do. Empty when nothing is. Takes seconds at most and changes nothing."""
        ...

    def train(
        self,
        dataset: Dataset,
        recipe: TrainRecipe,
        out_dir: Path,
        *,
        on_progress: OnTrainProgress | None = None,
        cancel: Cancel | None = None,
    ) -> TrainingRun:
        """Train in `out_dir`. Called again with the same dataset and recipe it goes on from the last saved
        state, if an earlier call was interrupted.

        Files: NAME-step00000200.safetensors … and NAME.safetensors (whole, or not there).

        Raises:
            TrainError: It did not work; the message says what to do.
            TrainCancelled: It was stopped; saved states stay.
        """
        ...
