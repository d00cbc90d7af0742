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
    resolution: int | None = None
    """What they were cut for, px. None = the recipe's. With a smaller recipe they are shrunk."""

    @classmethod
    def of(cls, dataset: Dataset) -> DatasetLayout:
        """The layout of a dataset on this machine."""
        return cls(
            images=len(dataset.items),
            regularisation=len(dataset.regularisation),
            sizes=frozenset((item.width, item.height) for item in dataset.items),
            photos=len({item.source_sha256 for item in dataset.items}),
            resolution=dataset.size,
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

    def bucket_bounds(self, recipe: TrainRecipe) -> tuple[int, int]:
        """Shortest and longest side of the sizes to train at, px.

        Raises:
            RecipeError: A picture would be enlarged, or cropped without a word.
        """
        made_for = self.resolution or recipe.resolution
        odd = sorted(size for size in self.sizes if not is_bucket(size, made_for))
        if odd or not self.sizes or made_for < recipe.resolution:
            shown = ", ".join(f"{width}x{height}" for width, height in odd[:3] or sorted(self.sizes)[:3])
            raise RecipeError(
                f"The training pictures ({shown or 'none'}) are not of the sizes sd-scripts trains at "
                f"resolution {recipe.resolution}.",
                "Build the dataset again, at this resolution.",
            )
        sides = [side * recipe.resolution // made_for for size in self.sizes for side in size]
        shortest = max(BUCKET_STEP, min(sides) // BUCKET_STEP * BUCKET_STEP)
        longest = -(-max(sides) // BUCKET_STEP) * BUCKET_STEP
        return min(shortest, recipe.resolution), max(longest, recipe.resolution)


def is_bucket(size: tuple[int, int], resolution: int) -> bool:
    """Whether sd-scripts sorts a picture of this size into a bucket as it is.

    (make_bucket_resolutions, library/model_util.py@v0.10.1: each width in steps of 64 with the largest height
    that keeps the area, both ways round.)
    """
    width, height = size
    area = resolution * resolution

    def other(side: int) -> int:
        return area // side // BUCKET_STEP * BUCKET_STEP

    if min(size) < BUCKET_STEP or width % BUCKET_STEP or height % BUCKET_STEP:
        return False
    return height == other(width) or width == other(height)
