"""The third step: the best checkpoint is chosen and published, every picture drawn and judged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import runs
from .context import JobContext
from .options import album_name, options_of
from .used import UsedPictures

if TYPE_CHECKING:
    from stages.events import Event
    from stages.recipes.profile import ProfileOptions


def draw_portraits(context: JobContext) -> dict[str, Any]:
    """Draw what is not in the album's store yet, and write the recipe's folder of it.

    Returns:
        {"portraits": n, "rejected": n, "unfilled": n}.

    Raises:
        LikenessNotReached: Nothing was good enough; what was drawn is kept.
        TrainError: There is no finished training for the job.
        StagesError: Another server is needed, the album's folder is in use, …
        WebUIError: A server.
    """
    from stages.recipes.profile import run_profile
    from stages.store import Store

    with context.report.during("choosing"):
        options = _with_training(context, options_of(context))
        _claim(context)
        used = UsedPictures(context.work, context.job_id)
        store = context.work / "store"
        context.report.show_finished(lambda sha256: Store(store, sweep=False).get(sha256))

        def tell(event: Event) -> None:
            used(event)
            context.report(event)

        result = run_profile(
            options, list(context.servers), on_event=tell, cancel=context.cancel, turn=context.turn()
        )
    return {
        "portraits": len(result.delivered),
        "rejected": len(result.rejected),
        "unfilled": len(result.run["unfilled"]),
    }


def _with_training(context: JobContext, options: ProfileOptions) -> ProfileOptions:
    """The options with who trained.

    Raises:
        TrainError: Nobody has.
    """
    from stages.recipes.ahead import find_trained, look_at_photos, needs_trained
    from train_lora import TrainError

    if not needs_trained(options.preset):
        return options
    photos = look_at_photos(options, on_event=_silent, cancel=context.cancel)
    trained = find_trained(options, photos)
    if trained is None:
        raise TrainError("There is no finished training for these photos and settings.", "Start it again.")
    return replace(options, trained=trained)


def _claim(context: JobContext) -> None:
    """Write down where the LoRA will lie, before it does: deleting the model reaches it by this."""
    album = context.album
    runs.claim_work(
        context.work,
        context.studio.layout.photos(album.user_id, album.id),
        album_name(album.id),
        publishes_in=context.publishes_in,
    )


def _silent(_event: object) -> None:
    """It was told when the photos were checked."""
