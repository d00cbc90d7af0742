"""What a job folder remembers from one call to the next, and where a training goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from ..._files import sha256_file
from ...dataset import Dataset
from ...errors import TrainError
from ...recipe import TrainRecipe
from .command import Resume
from .host import JobHost
from .losses import Point, thinned

JOB_FILE = "job.json"
SCHEMA = "kohya-job/1"
_CAPTION_SUFFIX = ".txt"


@dataclass(frozen=True, slots=True)
class Job:
    """job.json."""

    key: str
    """Of the photos, settings, base model and trainer: another key is another training."""
    lighter: bool = False
    """The second try, with the recipe's lighter settings."""
    from_step: int = 0
    """Step the latest start went on from; 0 = from the beginning."""
    losses: tuple[Point, ...] = ()
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
        # The script alone does not tell: most of sd-scripts is in its library.
        [trainer.get("commit"), trainer.get("script_sha256")],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def newest_state(states: Sequence[Mapping[str, Any]]) -> Resume | None:
    """The newest state that is whole, of those the probe found."""
    whole = [state for state in states if state["problem"] is None]
    if not whole:
        return None
    newest = max(whole, key=lambda state: int(state["step"]))
    return Resume(str(newest["dir"]), int(newest["step"]))


def merged(earlier: Sequence[Point], later: Sequence[Point], *, from_step: int) -> tuple[Point, ...]:
    """The losses of a training in several starts: of the earlier ones only what was gone on from."""
    points = [point for point in earlier if point[0] <= from_step] + [p for p in later if p[0] > from_step]
    return tuple(thinned(points))


def copy_dataset(host: JobHost, dataset: Dataset) -> None:
    """Give the job its own copy, so that the originals may vanish while it trains.

    Raises:
        TrainError: A picture is gone or was changed since the dataset was made.
    """
    for rel in checked_files(dataset):
        host.put_file(f"dataset/{rel}", dataset.dir / rel)


def checked_files(dataset: Dataset) -> dict[str, str]:
    """SHA-256 of the files a training needs, by their path in the dataset.

    Only those the dataset knows: sd-scripts trains on every picture that lies in the folder.

    Raises:
        TrainError: One is gone, or was changed since the dataset was made.
    """
    items = {item.image: item for item in dataset.items}
    found: dict[str, str] = {}
    for image in (*items, *dataset.regularisation):
        caption = str(PurePosixPath(image).with_suffix(_CAPTION_SUFFIX))
        for rel in (image, caption):
            try:
                found[rel] = sha256_file(dataset.dir / rel)
            except OSError as error:
                raise _changed(dataset, rel) from error
        if image not in items:
            continue
        if found[image] != items[image].sha256:
            raise _changed(dataset, image)
        if (dataset.dir / caption).read_text("utf-8", "replace").strip() != items[image].caption.strip():
            raise _changed(dataset, caption)
    return found


def _changed(dataset: Dataset, rel: str) -> TrainError:
    return TrainError(
        f"{dataset.dir / rel} is gone, or has changed since the dataset was made.",
        "Run the same command again: the dataset is built anew.",
    )
