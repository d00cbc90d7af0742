"""The last step: the recipe's pictures are marked and handed out, with before and after of each stage.

    JOB/portraits/01-front-cool.png    marked as generated
        thumbs/01.jpg
        stages/01-1-txt2img.jpg …      before and after, marked as well
        report.html  run.json

Rows come last and the recipe's own folder goes after them: killed at any moment, the step is simply repeated.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..data import Job, Portrait
from ..service_settings import DAY_S
from .context import JobContext, gone
from .finishing import PORTRAITS, STAGES, THUMBS, Finisher, thumb_of
from .options import RAW
from .previews import remove_previews

_PAPERS = ("report.html", "run.json")


def deliver_portraits(context: JobContext) -> dict[str, Any]:
    """Mark the pictures, write them into the job's folder, and their rows.

    Returns:
        {"portraits": n, "bytes": of all pictures}.

    Raises:
        JobFailed: The job was deleted.
        KeyError: A picture is missing in the store; drawing again mends it.
    """
    with context.report.during("delivery"):
        raw = context.folder / RAW
        if not (raw / "run.json").is_file():
            return _delivered_before(context)
        run = json.loads((raw / "run.json").read_text(encoding="utf-8"))
        finisher = Finisher.of(context, run)
        made = []
        for number, entry in enumerate(run["portraits"], start=1):
            made.append(_Made(*finisher.finish(entry)))
            context.report.reached(number / (len(run["portraits"]) + 1))
        for name in _PAPERS:
            if (raw / name).is_file():
                shutil.copyfile(raw / name, context.folder / f"{name}.part")
                (context.folder / f"{name}.part").replace(context.folder / name)
        _take_away_old(context.folder, made)
        _save(context, made)
        remove_previews(context.folder)
        shutil.rmtree(raw, ignore_errors=True)
    return {"portraits": len(made), "bytes": sum(entry.size_bytes for entry in made)}


@dataclass(frozen=True)
class _Made:
    """One portrait with its files, relative to the job's folder."""

    values: dict[str, Any]
    """Of its row."""
    size_bytes: int

    @property
    def files(self) -> set[str]:
        number, stages = int(self.values["number"]), self.values["stages"]
        return {self.values["file"], thumb_of(number), *(str(entry["file"]) for entry in stages)}


def _delivered_before(context: JobContext) -> dict[str, Any]:
    """The step was done already."""
    with context.studio.db.session() as db:
        rows = db.scalars(select(Portrait).where(Portrait.job_id == context.job_id)).all()
    sizes = [(context.folder / row.file).stat().st_size for row in rows]
    return {"portraits": len(rows), "bytes": sum(sizes)}


def _take_away_old(folder: Path, made: Sequence[_Made]) -> None:
    """Remove what an earlier attempt delivered and this one does not, and what was left half-made."""
    keep = {name for entry in made for name in entry.files}
    for part in (PORTRAITS, THUMBS, STAGES):
        for path in (folder / part).glob("*"):
            if path.relative_to(folder).as_posix() not in keep:
                path.unlink(missing_ok=True)


def _save(context: JobContext, made: Sequence[_Made]) -> None:
    """All rows at once: a portrait that was there keeps its address and whether it is a favourite."""
    settings = context.studio.settings
    with context.studio.db.session() as db:
        job = db.get(Job, context.job_id)
        if job is None or job.deleted_at is not None:
            raise gone()
        _save_rows(db, job, made)
        job.preview, job.keep_until = None, time.time() + settings.results_days * DAY_S


def _save_rows(db: Session, job: Job, made: Sequence[_Made]) -> None:
    known = {row.number: row for row in db.scalars(select(Portrait).where(Portrait.job_id == job.id))}
    for entry in made:
        row = known.pop(entry.values["number"], None)
        if row is None:
            db.add(Portrait(job_id=job.id, user_id=job.user_id, **entry.values))
            continue
        for name, value in entry.values.items():
            setattr(row, name, value)
    for row in known.values():
        db.delete(row)
