"""What a trainer is."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..artifact import LoraArtifact
from ..dataset import Dataset
from ..progress import Cancel, OnTrainProgress
from ..recipe import TrainRecipe


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

    def train(
        self,
        dataset: Dataset,
        recipe: TrainRecipe,
        out_dir: Path,
        *,
        on_progress: OnTrainProgress | None = None,
        cancel: Cancel | None = None,
    ) -> LoraArtifact:
        """Train, and write NAME.safetensors into `out_dir`: whole, or not at all.

        Raises:
            TrainError: It did not work; nothing was written.
            TrainCancelled: It was stopped; nothing was written.
        """
        ...
