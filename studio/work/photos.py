"""The first step: the photos are judged, the wishes understood. No GPU waits for it."""

from __future__ import annotations

from typing import Any

from .context import JobContext
from .options import options_of


def check_photos(context: JobContext) -> dict[str, Any]:
    """Judge the album's photos; what was found is kept, so that no later step looks again.

    Returns:
        {"accepted": n, "refused": n}.

    Raises:
        PhotosError: Too few can be used, or they show two people.
        Refused: The wishes name something that does not exist any more.
    """
    from stages.recipes.ahead import look_at_photos

    with context.report.during("photos"):
        options = options_of(context)
        photos = look_at_photos(options, on_event=context.report, cancel=context.cancel)
    return {"accepted": len(photos.accepted), "refused": len(photos.refused)}


def needs_training(context: JobContext) -> bool:
    """Whether the person's LoRA must be trained before this job can draw.

    Raises:
        PhotosError: The photos cannot be used.
        StageError: The preset's training needs a WebUI, so that it cannot be done in a step of its own.
    """
    from stages.recipes.ahead import find_trained, look_at_photos, needs_trained

    options = options_of(context)
    if not needs_trained(options.preset):
        return False
    photos = look_at_photos(options, on_event=_silent, cancel=context.cancel)
    return find_trained(options, photos) is None


def _silent(_event: object) -> None:
    """It was told when the photos were checked."""
