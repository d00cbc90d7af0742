"""training.json and the training report in a run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from train_lora import PhotoSet

from ..photo_thumbs import photo_jpegs
from ..store import Store, write_atomically
from .person import Trained
from .photos import advice_of

REPORT = "training-report.html"
RECORD = "training.json"
SCHEMA = "sdwebui-training-run/1"
_PHOTO_PX = 512
"""Longer side of a photo in the report."""


@dataclass(frozen=True)
class About:
    """What a run knows of its LoRA beside the training."""

    name: str
    """In prompts."""
    file: str
    """Where it lies, relative to the run's folder."""
    preset: str
    person: str | None
    """The person's name in headings; None names nobody."""
    consent: str | None


class TrainingPapers:
    """Writes both, before the LoRA is published and again after it."""

    def __init__(self, out_dir: Path, work: Path, store: Store, photos: PhotoSet, about: About) -> None:
        self._out_dir, self._work, self._store = out_dir, work, store
        self._photos, self._about = photos, about
        self._started = datetime.now(UTC)
        self._shown: Mapping[str, bytes] | None = None

    def write(
        self, trained: Trained, *, seconds: Mapping[str, float], published: Sequence[Mapping[str, Any]] = ()
    ) -> dict[str, Any]:
        """Write them.

        Args:
            trained: The LoRA.
            seconds: Phases of this run, on top of the training's own.
            published: Per server: where it lies and what proves that it is used.

        Returns:
            The content of training.json.
        """
        from ..training_report import write_training_report

        record = self._record(trained, seconds, published)
        text = json.dumps(record, ensure_ascii=False, indent=2)
        write_atomically(self._out_dir / RECORD, text.encode("utf-8") + b"\n", tmp_dir=self._store.tmp)
        if self._shown is None:
            self._shown = photo_jpegs(self._photos, _PHOTO_PX)
        write_training_report(
            self._out_dir / REPORT,
            record,
            picture=self._store.get,
            dataset_dir=self._work / "dataset",
            photos=self._shown,
        )
        return record

    def _record(
        self, trained: Trained, seconds: Mapping[str, float], published: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        from train_lora.lora_metadata import webui_hash

        about, made = self._about, dict(trained.record)
        return {
            "schema": SCHEMA,
            "name": about.name,
            "person": about.person,
            "preset": about.preset,
            "started": self._started.isoformat(timespec="seconds"),
            "consent": about.consent,
            **made,
            "photos": self._photos_json(set(made["dataset"]["held_out"])),
            "advice": [
                {"code": advice.code, "text": advice.describe("en")} for advice in advice_of(self._photos)
            ],
            "seconds": {**made["seconds"], **{name: round(value, 1) for name, value in seconds.items()}},
            "lora": {
                "name": about.name,
                "file": about.file,
                "sha256": trained.sha256,
                "webui_hash": webui_hash(trained.path),
                "bytes": trained.path.stat().st_size,
                "weight": trained.weight,
            },
            "published": [dict(entry) for entry in published],
        }

    def _photos_json(self, held_out: set[str]) -> list[dict[str, Any]]:
        return [
            {
                "file": verdict.file,
                "accepted": verdict.accepted,
                "code": verdict.code,
                "reason": verdict.reason,
                "advice": verdict.advice,
                "held_out": verdict.sha256 in held_out,
            }
            for verdict in self._photos.photos
        ]
