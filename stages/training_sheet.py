"""The training report's tables: every setting with its reason, and how long each part took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from train_lora.cost import duration
from train_lora.training_settings import TrainSettings

from .presets._comments import training_comments

_PHASES = {
    "photos": "checking the photos",
    "preparing": "loading the model",
    "caching": "encoding the pictures",
    "training": "training",
    "saving": "saving",
    "choosing": "checking likeness",
    "publishing": "publishing",
}


@dataclass(frozen=True)
class SettingView:
    """One number of the training."""

    key: str
    value: str
    why: str
    changed: bool
    """Whether the user changed what the preset says."""


@dataclass(frozen=True)
class PhaseView:
    """How long one part took."""

    name: str
    text: str
    share: float
    predicted: str


def setting_views(record: Mapping[str, Any]) -> tuple[SettingView, ...]:
    """Every setting, with what the preset's file says of it, or what it does."""
    comments = training_comments(str(record["preset"])) if record.get("preset") else {}
    found = []
    for key, value in (record.get("settings") or {}).items():
        if key not in TrainSettings.model_fields:
            continue
        written, comment = comments.get(key, (None, ""))
        changed = key in comments and not _same(written, value)
        field_text = " ".join((TrainSettings.model_fields[key].description or "").split()).replace("`", "")
        why = f"the preset says {shown(written)}" if changed else comment or field_text
        found.append(SettingView(key, shown(value), why, changed))
    return tuple(found)


def _same(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return float(one) == float(other)
    return one == other


def shown(value: object) -> str:
    """A setting as people write it."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(inner)}" for key, inner in value.items())
    return str(value)


def phase_views(record: Mapping[str, Any]) -> tuple[PhaseView, ...]:
    """How long each part took, in the order they come."""
    seconds: Mapping[str, float] = record.get("seconds") or {}
    predicted: Mapping[str, float] = (record.get("prediction") or {}).get("parts") or {}
    order = [*(name for name in _PHASES if name in seconds), *(n for n in seconds if n not in _PHASES)]
    longest = max(seconds.values(), default=0.0) or 1.0
    return tuple(
        PhaseView(
            _PHASES.get(name, name),
            duration(seconds[name]),
            seconds[name] / longest,
            duration(predicted[name]) if name in predicted else "",
        )
        for name in order
    )


def took(record: Mapping[str, Any]) -> str:
    """The prediction beside what became of it."""
    prediction, seconds = record.get("prediction"), record.get("seconds") or {}
    if not prediction:
        return ""
    parts = prediction.get("parts") or {}
    seconds_taken = sum(float(seconds.get(name, 0.0)) for name in parts)
    low, high = (float(prediction.get(f"{end}_min", 0.0)) * 60 for end in ("low", "high"))
    verdict = (
        " – longer than predicted"
        if seconds_taken > high
        else " – shorter than predicted"
        if seconds_taken < low
        else ""
    )
    said = f"Predicted: {prediction.get('text', '')} ({prediction.get('why', '')})."
    return f"{said} It took {duration(seconds_taken)}{verdict}."
