"""The second step, when the album has no training for these settings: it is trained, and nothing else."""

from __future__ import annotations

import time
from typing import Any

from .context import JobContext
from .options import options_of


def train_model(context: JobContext) -> dict[str, Any]:
    """Train the person's LoRA; an interrupted training goes on from its last saved state.

    Returns:
        {"trained": whether there was anything to train, "trainer": its name, "seconds": how long it took}.

    Raises:
        TrainError: The photos or the training.
        StageError: The trainer lacks something.
        WorkFolderBusy: The album is being trained already.
    """
    from stages.recipes.ahead import train_ahead

    from ..estimate import draw_seconds
    from .photos import needs_training

    with context.report.during("training"):
        if not needs_training(context):
            return {"trained": False, "trainer": None, "seconds": 0.0}
        context.report.expect_afterwards(draw_seconds(context.studio, context.job))
        since = time.monotonic()
        trained = train_ahead(
            options_of(context), context.servers, on_event=context.report, cancel=context.cancel
        )
        seconds = round(time.monotonic() - since, 1)
    _has_model(context)
    return {"trained": True, "trainer": trained.name, "seconds": seconds}


def _has_model(context: JobContext) -> None:
    """Note that a model of the person is kept now."""
    from ..data import Album

    album_id = context.album.id
    with context.studio.db.session() as db:
        album = db.get(Album, album_id)
        if album is not None:
            album.model_deleted_at = None
