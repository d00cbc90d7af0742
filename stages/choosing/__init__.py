"""Choosing the checkpoint and the LoRA's weight by what they make: a few fixed pictures of each, compared
with photos the training never saw."""

from __future__ import annotations

# First, because presets embed `params` and `params` is made of the presets' field types: whichever of the
# two packages is asked for first, the types are there before either needs them.
from .. import presets as _presets  # noqa: F401
