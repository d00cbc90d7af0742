"""From a folder of photos to a LoRA a WebUI lists: check the photos, build a dataset, train, publish."""

from .errors import ArtifactError, PhotosError, PublishError, RecipeError, TrainCancelled, TrainError
from .limits import PhotoLimits
from .photos import Photo, PhotoSet, PhotoVerdict, load_photos

__all__ = [
    "ArtifactError",
    "Photo",
    "PhotoLimits",
    "PhotoSet",
    "PhotoVerdict",
    "PhotosError",
    "PublishError",
    "RecipeError",
    "TrainCancelled",
    "TrainError",
    "load_photos",
]
