"""A studio on the sandbox, whose steps the tests take themselves: what they share."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from sdwebui_client import CancelToken, WebUI
from studio.core import Studio
from studio.data import Album, Job, Photo, Portrait, new_id
from studio.wishes import Wishes
from studio.work import (
    JobContext,
    Reporter,
    WorkerStats,
    check_photos,
    deliver_portraits,
    draw_portraits,
    needs_training,
    train_model,
)
from tests.pipeline._recipe import EXAMPLES, PHOTOS
from tests.stubs.studios import make_studio, make_user
from train_lora import TrainerAsked

TINY = """schema: sdwebui-preset/1
extends: studio-sd15
title: Tiny
poses: [front]
tones: [cool, warm]
shots: 2
train: {save_every_n_steps: null}
choose: {weights: [0.8]}
stages:
  txt2img: {width: 320, height: 480, steps: 4}
  img2img: {steps: 4}
  upscale: {steps: 4}
"""
"""Two pictures drawn for a pose, two more for each portrait; one checkpoint and weight: nothing to choose."""
TINY_JOB = Wishes(preset="tiny", tone="both", count=2)
GENERATIONS = 6
"""Of that job."""


class NoJobs:
    """Stands in for `studio.jobs.Jobs` where no job runs; remembers what was asked of it."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.forgotten: list[str] = []

    def cancel(self, job_id: str) -> None:
        """Remembered."""
        self.cancelled.append(job_id)

    def forget(self, job_id: str) -> None:
        """Remembered."""
        self.forgotten.append(job_id)


@dataclass
class Place:
    """A studio with one user, one album and a sandbox."""

    studio: Studio
    album: Album
    url: str
    models_dir: Path
    stats: WorkerStats = field(default_factory=WorkerStats)

    @classmethod
    def make(cls, folder: Path, url: str, models_dir: Path) -> Place:
        """In a folder of its own."""
        studio = make_studio(folder)
        (folder / "presets").mkdir()
        (folder / "presets" / "tiny.yaml").write_text(TINY, encoding="utf-8")
        album = Album(id=new_id(), user_id=make_user(studio).id)
        with studio.db.session() as db:
            db.add(album)
            db.flush()
            for name in PHOTOS:
                db.add(_photo(studio, album, EXAMPLES / name))
        # Of this seed no picture is refused, so that generations can be counted.
        work = studio.layout.work(album.user_id, album.id)
        work.mkdir()
        (work / "seed.json").write_text('{"seed": 7}', encoding="utf-8")
        return cls(studio, album, url, models_dir)

    @property
    def work(self) -> Path:
        """The album's work folder."""
        return self.studio.layout.work(self.album.user_id, self.album.id)

    def job(self, wishes: Wishes = TINY_JOB, **columns: Any) -> Job:
        """A job that is running."""
        values = {"state": "running", "wishes": wishes.model_dump(mode="json"), **columns}
        job = Job(user_id=self.album.user_id, album_id=self.album.id, **values)
        with self.studio.db.session() as db:
            db.add(job)
        return job

    def read(self, job: Job) -> Job:
        """The job as it is now."""
        with self.studio.db.session() as db:
            return db.get_one(Job, job.id)

    def portraits(self, job: Job) -> list[Portrait]:
        """Its portraits."""
        with self.studio.db.session() as db:
            return list(
                db.scalars(select(Portrait).where(Portrait.job_id == job.id).order_by(Portrait.number))
            )

    def folder(self, job: Job) -> Path:
        """Its folder."""
        return self.studio.layout.job(job.user_id, job.id)

    def context(
        self,
        job: Job,
        *servers: WebUI,
        cancel: CancelToken | None = None,
        turn: AbstractContextManager[object] | None = None,
        trainer: TrainerAsked | None = None,
    ) -> JobContext:
        """What a worker makes for a step."""
        return JobContext(
            self.studio,
            job.id,
            "worker",
            cancel or CancelToken(),
            Reporter(self.studio, job.id, stats=self.stats),
            servers=servers,
            publishes_in=(self.models_dir,),
            trainer=trainer,
            turn=lambda: turn or nullcontext(),
        )

    def do(self, job: Job) -> Job:
        """All steps, as a worker takes them."""
        with WebUI(self.url) as webui:
            context = self.context(job, webui)
            check_photos(context)
            if needs_training(context):
                train_model(context)
            draw_portraits(context)
            deliver_portraits(context)
        with self.studio.db.session() as db:
            db.get_one(Job, job.id).state = "done"
        return self.read(job)


def _photo(studio: Studio, album: Album, source: Path) -> Photo:
    photo_id = new_id()
    folder = studio.layout.photos(album.user_id, album.id)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, folder / f"{photo_id}.jpg")
    data = source.read_bytes()
    return Photo(
        id=photo_id,
        album_id=album.id,
        user_id=album.user_id,
        file=f"{photo_id}.jpg",
        shown_name=source.name,
        sha256=hashlib.sha256(data).hexdigest(),
        width=1,
        height=1,
        size_bytes=len(data),
    )
