"""Takes single pictures out of an album's store, and whatever was made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

_SHA256 = re.compile(r"[0-9a-f]{64}")


def unneeded(store: Path, *, pictures: Collection[str] = (), stages: Collection[str] = ()) -> list[Path]:
    """Files of the store that go when these pictures go.

    A record goes when it made one of the pictures or began with one; a picture goes when no record that stays
    speaks of it.

    Args:
        store: The folder of a `stages.store.Store`; nobody may be writing into it.
        pictures: SHA-256 of pictures.
        stages: Names of stages whose records go altogether.
    """
    going: list[Path] = []
    needed: set[str] = set()
    for path in sorted((store / "records").glob("*/*.json")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if _goes(text, set(pictures), set(stages)):
            going.append(path)
        else:
            needed |= set(_SHA256.findall(text))
    going += [path for path in sorted((store / "blobs").glob("*/*")) if path.name not in needed]
    return [*going, *(store / "tmp").glob("*")]


def _goes(text: str, pictures: set[str], stages: set[str]) -> bool:
    try:
        record: dict[str, Any] = json.loads(text)["record"]
        material = record["material"]
        touched = {*record["outputs"].values(), *material["inputs"].values()}
        return material["stage"] in stages or not pictures.isdisjoint(touched)
    except (ValueError, KeyError, TypeError, AttributeError):
        return True  # damaged: the recipe would not use it either
