"""From a folder of photos to a LoRA a WebUI lists: check the photos, build a dataset, train, publish."""

from .artifact import LoraArtifact, read_artifact
from .backends import (
    BACKENDS,
    Checkpoint,
    SandboxTrainer,
    TrainerAsked,
    TrainerBackend,
    TrainingRun,
    get_backend,
)
from .dataset import Dataset, DatasetItem, build_dataset, read_dataset
from .errors import ArtifactError, PhotosError, PublishError, RecipeError, TrainCancelled, TrainError
from .limits import PhotoLimits
from .photo_set import Photo, PhotoSet, PhotoVerdict
from .photos import load_photos
from .progress import TrainProgress
from .publish import LoraHost, PublishedLora, publish, unpublish
from .recipe import TrainRecipe, make_recipe
from .training_settings import TrainSettings

__all__ = [
    "BACKENDS",
    "ArtifactError",
    "Checkpoint",
    "Dataset",
    "DatasetItem",
    "LoraArtifact",
    "LoraHost",
    "Photo",
    "PhotoLimits",
    "PhotoSet",
    "PhotoVerdict",
    "PhotosError",
    "PublishError",
    "PublishedLora",
    "RecipeError",
    "SandboxTrainer",
    "TrainCancelled",
    "TrainError",
    "TrainProgress",
    "TrainRecipe",
    "TrainSettings",
    "TrainerAsked",
    "TrainerBackend",
    "TrainingRun",
    "build_dataset",
    "get_backend",
    "load_photos",
    "make_recipe",
    "publish",
    "read_artifact",
    "read_dataset",
    "unpublish",
]
