"""What the trainer's command must know of a dataset: how many pictures, of which sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import RecipeError

if TYPE_CHECKING:
    from ...dataset import Dataset
    from ...recipe import TrainRecipe

REGULARISATION_DIR = "reg"
"""Folder inside the dataset that holds the pictures of other people."""
BUCKET_STEP = 64
"""Sides of training pictures are multiples of it, px. sd-scripts takes 32 for SDXL too; 64 suits both."""


@dataclass(frozen=True, slots=True)
class DatasetLayout:
    """Counts and sizes of a dataset's pictures."""

    images: int
    """Training pictures."""
    regularisation: int
    """Pictures of other people in the folder `reg`."""
    sizes: frozenset[tuple[int, int]]
    """(width, height) of the training pictures, px."""
    photos: int | None = None
    """Photos the pictures were cut from: the recipe's steps go by these. None = as many as pictures."""

    @classmethod
    def of(cls, dataset: Dataset) -> DatasetLayout:
        """The layout of a dataset on this machine."""
        square = dataset.size
        return cls(
            images=len(dataset.items),
            regularisation=len(getattr(dataset, "regularisation", ())),
            sizes=frozenset(
                (getattr(item, "width", 0) or square, getattr(item, "height", 0) or square)
                for item in dataset.items
            ),
            photos=len({item.source_sha256 for item in dataset.items}),
        )

    def steps(self, recipe: TrainRecipe) -> int:
        """Optimizer steps of the whole training."""
        return recipe.total_steps(self.photos or self.images)

    def repeats(self, recipe: TrainRecipe) -> int:
        """How often each picture stands in an epoch, so that one epoch holds the whole training.

        More epochs cannot be resumed: after skipping whole ones, sd-scripts counts its steps from the epoch's
        beginning (train_network.py@v0.10.1, "skip epochs"), so that checkpoints are named after the wrong
        step and replace earlier ones, and the training runs past its end.

        Raises:
            RecipeError: No pictures.
        """
        if self.images < 1:
            raise RecipeError("The dataset has no training pictures.", "Add photos of the person.")
        batches = self.steps(recipe) * recipe.gradient_accumulation_steps
        # With regularisation pictures half of an epoch are those (DreamBoothDataset.__init__, train_util.py).
        pictures = batches * recipe.batch_size / (2 if self.regularisation else 1)
        return max(1, math.ceil(pictures / self.images))

    def check_sizes(self) -> None:
        """Refuse sizes the trainer would crop without a word.

        Raises:
            RecipeError: A side is no multiple of 64.
        """
        odd = sorted(size for size in self.sizes if size[0] % BUCKET_STEP or size[1] % BUCKET_STEP)
        if odd or not self.sizes:
            shown = ", ".join(f"{width}x{height}" for width, height in odd[:3]) or "none"
            raise RecipeError(
                f"Training pictures have sides that are no multiples of {BUCKET_STEP} px ({shown}).",
                "Build the dataset again.",
            )
