"""The recipe's options of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .context import JobContext
from .wished import preset_of

if TYPE_CHECKING:
    from stages.recipes.profile import ProfileOptions

RAW = "raw"
"""Folder in the job's: what the recipe delivers, until it is marked and handed out."""


def options_of(context: JobContext) -> ProfileOptions:
    """What the job's wishes come to.

    Raises:
        JobFailed: The job or its album is gone.
        Refused: The wishes name something that does not exist any more.
    """
    from stages.recipes.profile import ProfileOptions
    from train_lora import TrainerAsked

    job, album, wishes = context.job, context.album, context.wishes
    layout = context.studio.layout
    return ProfileOptions(
        photos_dir=layout.photos(job.user_id, album.id),
        out_dir=layout.job(job.user_id, job.id) / RAW,
        preset=preset_of(context.studio, wishes),
        name=album_name(album.id),
        count=wishes.count,
        seed=wishes.seed,
        lora=None,
        models_dir=context.models_dir,
        pose_from=None,
        subject=album.subject,
        consent=album.consent_version,
        trainer=context.trainer or TrainerAsked(),
        work_dir=layout.work(job.user_id, album.id),
    )


def album_name(album_id: str) -> str:
    """What the album's LoRA is called where operators see it: nothing of the person's."""
    return f"studio-{album_id[:12]}"
