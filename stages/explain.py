"""Why a stage runs: compares what goes into it now with what went into it last time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .canonical import canonical_json, flatten
from .store import explain_full_disk, write_atomically

_SHOWN = 3


class LastRun:
    """What went into each stage of each shot when it was last run or found, one small file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with explain_full_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def recall(self, shot: str, stage: str) -> dict[str, Any] | None:
        """The material of last time;
        None when there was none (or its note is damaged, which only costs the explanation)."""
        try:
            value = json.loads(self._path(shot, stage).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def remember(self, shot: str, stage: str, material: Mapping[str, Any]) -> None:
        """Note the material for next time."""
        if self.recall(shot, stage) == dict(material):
            return
        with explain_full_disk(self._folder):
            write_atomically(self._path(shot, stage), canonical_json(material).encode("utf-8"))

    def _path(self, shot: str, stage: str) -> Path:
        return self._folder / f"{_slug(shot)}--{_slug(stage)}.json"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)


def why(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> str:
    """One line that says what made a stage run again.

    Args:
        before: Material of last time, or None.
        now: Material of this time.
    """
    if before is None:
        return "first run"
    if before.get("version") != now.get("version"):
        return f"the stage changed: version {before.get('version')} -> {now.get('version')}"
    params = _differences(before.get("params"), now.get("params"))
    if params:
        return "parameter " + _listed(params, f"{now.get('stage')}.")
    inputs = _differences(before.get("inputs"), now.get("inputs"), values=False)
    if inputs:
        return "input changed: " + _listed(inputs)
    server = _differences(before.get("server"), now.get("server"))
    if server:
        return "server changed: " + _listed(server)
    return "the stored result is gone or damaged"


def _differences(before: Any, now: Any, *, values: bool = True) -> list[str]:
    """Dotted paths whose leaves differ, with both values unless `values` is off."""
    old, new = dict(flatten(before or {})), dict(flatten(now or {}))
    changed = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path) or not path:
            continue
        if not values:
            changed.append(path)
        elif path not in old:
            changed.append(f"{path} added: {_short(new[path])}")
        elif path not in new:
            changed.append(f"{path} removed (was {_short(old[path])})")
        else:
            changed.append(f"{path} changed {_short(old[path])} -> {_short(new[path])}")
    return changed


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _listed(changes: list[str], prefix: str = "") -> str:
    shown = ", ".join(f"{prefix}{change}" for change in changes[:_SHOWN])
    rest = len(changes) - _SHOWN
    return shown if rest <= 0 else f"{shown} and {rest} more"
