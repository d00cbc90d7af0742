"""Choosing the checkpoint and the LoRA's weight by what they make: a few fixed pictures of each, compared
with photos the training never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# First, because presets embed `params` and `params` is made of the presets' field types: whichever of the
# two packages is asked for first, the types are there before either needs them.
from .. import presets as _presets  # noqa: F401
from .params import ChooseParams

if TYPE_CHECKING:
    from .choice import Choice, Trial, TrialPicture
    from .choose import choose_checkpoint, temporary_name

__all__ = ["Choice", "ChooseParams", "Trial", "TrialPicture", "choose_checkpoint", "temporary_name"]


def __getattr__(name: str) -> Any:
    """The rest needs the presets whole, and is read when it is asked for."""
    from importlib import import_module

    if name in ("Choice", "Trial", "TrialPicture"):
        return getattr(import_module(".choice", __name__), name)
    if name in ("choose_checkpoint", "temporary_name"):
        return getattr(import_module(".choose", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
