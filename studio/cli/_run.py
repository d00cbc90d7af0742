"""What the commands that run a recipe have in common."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._display import Display
    from ._state import State


def somebody_there(streams: Sequence[Any] | None = None) -> bool:
    """Whether a question would be seen and could be answered."""
    return all(stream is not None and stream.isatty() for stream in streams or (sys.stdin, sys.stderr))


def after_the_fall(state: State, display: Display, error: BaseException) -> None:
    """Show what belongs before the error itself: the photos it is about, and how to go on."""
    from sdwebui_client import Cancelled
    from stages.errors import LikenessNotReached
    from train_lora import PhotosError, TrainCancelled

    display.close()
    if isinstance(error, PhotosError):
        display.show_photos()
    interrupted = isinstance(error, Cancelled | TrainCancelled | KeyboardInterrupt)
    if interrupted or (display.worked and not isinstance(error, LikenessNotReached | SystemExit)):
        what = "Interrupted" if interrupted else "Stopped"
        display.say(f"\n{what}. What is finished is kept; run it again to continue:", style="bold")
        display.say(f"    {state.again()}")
