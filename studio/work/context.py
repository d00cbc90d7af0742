"""What a step is given: which job, on which servers, how to stop it, whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import Studio
from ..data import Album, Job
from ..wishes import Wishes
from .failures import JobFailed

if TYPE_CHECKING:
    from sdwebui_client import CancelToken, WebUI
    from train_lora import TrainerAsked

    from .reporter import Reporter


@dataclass
class JobContext:
    """One step of one job on one worker."""

    studio: Studio
    job_id: str
    worker_id: str
    cancel: CancelToken
    """Ends the step from another thread; what is finished is kept."""
    report: Reporter
    servers: Sequence[WebUI] = ()
    """The worker's WebUIs, open; none for a worker that only trains."""
    models_dir: Path | str | None = None
    """Their models folder as seen from here, a path or an address; None where a sandbox tells it."""
    publishes_in: Sequence[Path | str] = ()
    """Every folder a LoRA may come to lie in; deleting a model looks into all of them."""
    trainer: TrainerAsked | None = None
    """Who trains; None = what suits the servers."""
    turn: Callable[[], AbstractContextManager[object]] = field(default=nullcontext)
    """Entered before the servers are given work and left right after the last of it: what keeps two jobs off
    one GPU. Photos are looked at before it, files are written after it."""

    @property
    def job(self) -> Job:
        """The job as it is in the database now.

        Raises:
            JobFailed: `gone`: it was deleted.
        """
        with self.studio.db.session() as db:
            job = db.get(Job, self.job_id)
        if job is None or job.deleted_at is not None:
            raise gone()
        return job

    @property
    def album(self) -> Album:
        """The job's album.

        Raises:
            JobFailed: `gone`: it was deleted.
        """
        job = self.job
        with self.studio.db.session() as db:
            album = db.get(Album, job.album_id)
        if album is None:
            raise gone()
        return album

    @property
    def wishes(self) -> Wishes:
        """What the job was asked for."""
        return Wishes.model_validate(self.job.wishes)

    @property
    def work(self) -> Path:
        """The album's work folder, shared by all of its jobs."""
        job = self.job
        return self.studio.layout.work(job.user_id, job.album_id)

    @property
    def folder(self) -> Path:
        """The job's own folder."""
        job = self.job
        return self.studio.layout.job(job.user_id, job.id)


def gone() -> JobFailed:
    """The job, or the album it is of, was deleted."""
    return JobFailed(
        "gone",
        en="The job was deleted.",
        ko="작업이 삭제되었습니다.",
    )
