"""The folder of a run, and whose it is.

Everything of a run lies below it, and deleting the folder deletes the run: so it never is a folder that held
something else before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import BadInput

WORK = ".work"
OWNER = "owner.json"
SCHEMA = "sdwebui-run-folder/1"


def owner(out_dir: Path) -> dict[str, Any] | None:
    """What `claim` wrote there, or None when the folder is no run's."""
    return read_owner(out_dir / WORK)


def read_owner(work: Path) -> dict[str, Any] | None:
    """What `claim_work` wrote into a work folder, or None."""
    try:
        record = json.loads((work / OWNER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("schema") == SCHEMA else None


def models_dirs(record: dict[str, Any]) -> tuple[str, ...]:
    """Every models folder the run published its LoRA in, as its record says."""
    known = record.get("models_dirs")
    # Folders of before had one place on record.
    places = [record.get("models_dir"), *(known if isinstance(known, list) else ())]
    return tuple(dict.fromkeys(text for text in places if isinstance(text, str)))


def check_out(out_dir: Path, photos_dir: Path) -> None:
    """Refuse a folder whose deletion would take more than the run with it.

    Raises:
        BadInput: it is a file, holds other things, belongs to other photos, or contains the photos.
    """
    out, photos = out_dir.resolve(), photos_dir.resolve()
    if out.exists() and not out.is_dir():
        raise BadInput(
            f"--out {out_dir} is a file.",
            hint="Name a folder that does not exist yet, or one of an earlier run.",
        )
    if photos.is_relative_to(out):
        raise BadInput(
            f"--out {out_dir} contains the photos.",
            hint="A run is deleted by deleting its folder; the photos must lie elsewhere.",
        )
    record = owner(out)
    if record is None:
        if out.is_dir() and any(entry.name != WORK for entry in out.iterdir()):
            raise BadInput(f"--out {out_dir} already holds other things.", hint="Name a new folder.")
        return
    before = Path(str(record.get("photos", "")))
    # Photos that were moved are the same photos; if the old folder is still there, these are others.
    if before != photos and before.is_dir():
        raise BadInput(
            f"{out_dir} holds a run made from other photos ({before}).",
            hint="Give this person another --name or --out, or delete that run first.",
        )


def claim(out_dir: Path, photos_dir: Path, name: str, *, publishes_in: Iterable[Path | str] = ()) -> None:
    """Make the folder and write down whose it is, and what deleting it has to reach.

    Args:
        out_dir: the run's folder.
        photos_dir: the person's photos.
        name: the run's name.
        publishes_in: models folders its LoRA is published in, once they are known: paths, or addresses as
            text; those of earlier runs in the same folder stay on record.

    Raises:
        BadInput: it cannot be written.
    """
    claim_work(out_dir / WORK, photos_dir, name, publishes_in=publishes_in)


def claim_work(work: Path, photos_dir: Path, name: str, *, publishes_in: Iterable[Path | str] = ()) -> None:
    """The same for a work folder that lies elsewhere, such as one that several runs share."""
    path = work / OWNER
    record = read_owner(work) or {"created": datetime.now(UTC).isoformat(timespec="seconds")}
    record |= {"schema": SCHEMA, "photos": str(photos_dir.resolve()), "name": name}
    now = [str(place.resolve()) if isinstance(place, Path) else place for place in publishes_in]
    record["models_dirs"] = list(dict.fromkeys([*models_dirs(record), *now]))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise BadInput(
            f"Cannot write to {work.parent}: {error.strerror}.", hint="Name another --out."
        ) from error
