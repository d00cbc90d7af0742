"""What a list of presets says of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PresetSummary:
    """One line of `presets list`."""

    name: str
    title: str
    family: str
    description: str
    path: Path
