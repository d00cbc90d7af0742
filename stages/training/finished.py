"""A trainer that trains nothing: it stands for the one that has trained, perhaps on another machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from train_lora import Dataset, TrainError, TrainRecipe
from train_lora.progress import Cancel, OnTrainProgress


@dataclass(frozen=True)
class FinishedTraining:
    """Says who trained, so that the finished training is found by it; see `train_lora.TrainerBackend`."""

    name: str
    version: str
    sandbox: bool
    trained_on: Mapping[str, str]

    def identity(self) -> Mapping[str, str]:
        """What decided the result beside photos and settings."""
        return self.trained_on

    def machine(self) -> None:
        """Nobody is asked any more."""
        return

    def check(self, _recipe: TrainRecipe) -> list[str]:
        """Nothing can be missing."""
        return []

    def train(
        self,
        _dataset: Dataset,
        _recipe: TrainRecipe,
        _out_dir: Path,
        *,
        on_progress: OnTrainProgress | None = None,
        cancel: Cancel | None = None,
    ) -> NoReturn:
        """Only asked when the finished training is gone, or was of other photos or settings.

        Raises:
            TrainError: Always.
        """
        del on_progress, cancel
        raise TrainError(
            "The finished training is not there, or was made of other photos or settings.",
            "Train again: `stages.recipes.ahead.train_ahead`.",
        )

    def to_json(self) -> dict[str, Any]:
        """As it is noted beside the training."""
        return {
            "name": self.name,
            "version": self.version,
            "sandbox": self.sandbox,
            "trained_on": dict(self.trained_on),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FinishedTraining:
        """The reverse of `to_json`."""
        return cls(
            str(content["name"]),
            str(content["version"]),
            bool(content["sandbox"]),
            {str(name): str(value) for name, value in content["trained_on"].items()},
        )
