"""A dataset's manifest: what it says, how it is read back and checked, and how the folder is put in place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._files import sha256_file
from .errors import TrainError

NAME = "manifest.json"
SCHEMA = "dataset/2"


def manifest_bytes(content: Mapping[str, Any]) -> bytes:
    """The manifest's file: equal content gives equal bytes."""
    whole = {"schema": SCHEMA, **content}
    return json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def read_manifest(folder: Path) -> tuple[dict[str, Any], bytes]:
    """The manifest of a folder, parsed and as it is, with every picture and caption checked against it.

    Raises:
        TrainError: No dataset, or a file is missing or changed.
    """
    try:
        data = (folder / NAME).read_bytes()
        content = json.loads(data)
        if content["schema"] != SCHEMA:
            raise TrainError(
                f"{folder} is a dataset of schema {content['schema']!r}; this version reads {SCHEMA!r}.",
                "Build it again.",
            )
        for entry in (*content["items"], *content["regularisation"]):
            picture = folder / entry["image"]
            text = picture.with_suffix(".txt").read_text("utf-8")
            if sha256_file(picture) != entry["sha256"] or text != entry["caption"] + "\n":
                raise TrainError(f"{picture} has changed since the dataset was made.", "Build it again.")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(f"{folder} is not a complete dataset ({error}).", "Build it again.") from error
    return content, data


def refuse_foreign(out_dir: Path) -> None:
    """Return if a dataset may be put there.

    Raises:
        TrainError: Something else stands there.
    """
    if not out_dir.exists():
        return
    if not out_dir.is_dir() or (any(out_dir.iterdir()) and not (out_dir / NAME).is_file()):
        raise TrainError(
            f"{out_dir} already exists and is no dataset.", "Name another folder, or move it away."
        )


def put_in_place(building: Path, out_dir: Path, manifest: bytes) -> None:
    """Rename a finished folder to its name; a whole one that is the same already stays as it is."""
    if (out_dir / NAME).is_file() and (out_dir / NAME).read_bytes() == manifest:
        try:
            read_manifest(out_dir)
        except TrainError:
            pass  # damaged: replaced below
        else:
            return
    # Moved away whole, not deleted in place: killed half-way, no half dataset is left under the name.
    old = building.with_suffix(".old")
    if out_dir.exists():
        out_dir.replace(old)
    building.replace(out_dir)
    shutil.rmtree(old, ignore_errors=True)
