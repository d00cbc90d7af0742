"""What a job folder remembers from one call to the next, and where a training goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..._files import sha256_file
from ...dataset import Dataset
from ...errors import TrainError
from ...recipe import TrainRecipe
from .command import Resume
from .runner import JobHost

JOB_FILE = "job.json"
SCHEMA = "kohya-job/1"
_MAX_LOSSES = 400
_NOT_COPIED = (".npz", ".part")
"""Latents that something cached beside the pictures; half-written files."""


@dataclass(frozen=True, slots=True)
class Job:
    """job.json."""

    key: str
    """Of the photos, settings, base model and trainer: another key is another training."""
    lighter: bool = False
    """The second try, with the recipe's lighter settings."""
    from_step: int = 0
    """Step the latest start went on from; 0 = from the beginning."""
    losses: tuple[tuple[int, float], ...] = ()
    """(step, average loss) of the starts before the latest."""

    def to_json(self) -> bytes:
        """As it is written."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}).encode()


def read_job(raw: bytes | None) -> Job | None:
    """None when there is none, or one of another version."""
    try:
        content = json.loads(raw or b"null")
        if content is None or content.pop("schema") != SCHEMA:
            return None
        losses = tuple((int(step), float(loss)) for step, loss in content.pop("losses"))
        return Job(losses=losses, **content)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def job_key(dataset: Dataset, recipe: TrainRecipe, facts: Mapping[str, Any], base_model: str) -> str:
    """Equal only when going on from the other's state gives what it would have given.

    The base model counts by path, size and age: its hash would take a minute on a slow disk.
    """
    model, trainer = facts.get("base_model") or {}, facts.get("sd_scripts") or {}
    parts = [
        dataset.manifest_sha256,
        recipe.model_dump(mode="json"),
        [base_model, model.get("bytes"), model.get("mtime")],
        trainer.get("script_sha256"),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def newest_state(states: Sequence[Mapping[str, Any]]) -> Resume | None:
    """The newest state that is whole, of those the probe found."""
    whole = [state for state in states if state["problem"] is None]
    if not whole:
        return None
    newest = max(whole, key=lambda state: int(state["step"]))
    return Resume(str(newest["dir"]), int(newest["step"]))


def merged(
    earlier: Sequence[tuple[int, float]], later: Sequence[tuple[int, float]], *, from_step: int
) -> tuple[tuple[int, float], ...]:
    """The losses of a training in several starts: of the earlier ones only what was gone on from."""
    points = [point for point in earlier if point[0] <= from_step] + [p for p in later if p[0] > from_step]
    if len(points) <= _MAX_LOSSES:
        return tuple(points)
    last = len(points) - 1
    return tuple(points[round(i * last / (_MAX_LOSSES - 1))] for i in range(_MAX_LOSSES))


def copy_dataset(host: JobHost, dataset: Dataset) -> None:
    """Give the job its own copy, so that the originals may vanish while it trains.

    Raises:
        TrainError: A picture is gone or was changed since the dataset was made.
    """
    unseen = {item.image: item.sha256 for item in dataset.items}
    for path in sorted(dataset.dir.rglob("*")):
        rel = path.relative_to(dataset.dir).as_posix()
        if not path.is_file() or path.name.startswith(".") or path.suffix in _NOT_COPIED:
            continue
        expected = unseen.get(rel)
        if expected is None or sha256_file(path) == expected:
            host.put_file(f"dataset/{rel}", path)
            unseen.pop(rel, None)
    if unseen:
        raise TrainError(
            f"{dataset.dir / min(unseen)} is gone, or has changed since the dataset was made.",
            "Run the same command again: the dataset is built anew.",
        )
