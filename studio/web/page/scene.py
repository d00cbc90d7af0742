"""What one screen shows, read from the database at every event: a plain dictionary for the template."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...access import album_of, job_of, portrait_of
from ...core import Studio
from ...data import UNFINISHED, Album, Job, User
from ...refusals import Language, not_found
from ...views import albums_of_user, jobs_of_user
from .place import Place, Step
from .screens import SCREENS

if TYPE_CHECKING:
    from ...jobs import Jobs


@dataclass(frozen=True)
class Scene:
    """One screen of one user.

    Attributes:
        language: Of its words.
        place: Which screen; always a definite one.
        user: Whose.
        albums: Newest first.
        album: The one it is about; None only when there is none yet.
        jobs: The user's, newest first, without those whose results were deleted.
        job: The one it is about.
        busy: Whether something of it is under way, so that the browser looks again soon.
        shown: What the screen's own template needs.
    """

    studio: Studio
    services: Jobs
    language: Language
    place: Place
    user: User
    albums: list[Album]
    album: Album | None
    jobs: list[Job]
    job: Job | None
    shown: dict[str, Any] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether a job of the user is waited for where it can be seen."""
        return self.place.step == "job" and self.job is not None and self.job.state in UNFINISHED

    def album_jobs(self) -> list[Job]:
        """The jobs of the album this is about, newest first."""
        return [job for job in self.jobs if self.album is not None and job.album_id == self.album.id]


def build_scene(studio: Studio, jobs: Jobs, language: Language, user_id: str, place: Place) -> Scene:
    """Read what the place shows.

    Raises:
        Refused: `not-found`: the place names what is not there, or is somebody else's.
    """
    with studio.db.session() as db:
        user = db.get(User, user_id)
    if user is None:
        raise not_found()
    albums = albums_of_user(studio, user_id)
    rows = [job for job in jobs_of_user(studio, user_id) if job.deleted_at is None]
    scene = Scene(studio, jobs, language, place, user, albums, None, rows, None)
    scene = _placed(scene, user_id)
    step = scene.place.step
    assert step is not None
    return replace(scene, shown=SCREENS[step](scene))


def _placed(scene: Scene, user_id: str) -> Scene:
    """Settle which screen, album and job it is."""
    place = scene.place if scene.place.step is not None else _what_matters(scene)
    step, studio = place.step, scene.studio
    if step == "portrait":
        portrait = portrait_of(studio, user_id, place.id or "")
        job: Job | None = job_of(studio, user_id, portrait.job_id)
    elif step == "job":
        job = job_of(studio, user_id, place.id) if place.id else _newest(scene.jobs)
        place = Place("job", job.id if job else None)
    else:
        job = None
    if job is not None:
        album: Album | None = album_of(studio, user_id, job.album_id)
    elif place.id and step in ("photos", "wishes", "gallery"):
        album = album_of(studio, user_id, place.id)
    else:
        album = scene.albums[0] if scene.albums else None
    if step in ("photos", "wishes", "gallery"):
        place = Place(step, album.id if album else None)
    return replace(scene, place=place, album=album, job=job)


def _what_matters(scene: Scene) -> Place:
    """The screen for somebody who just came: what is under way, else what is finished, else the beginning."""
    job = _newest(scene.jobs)
    if job is None:
        return Place("photos")
    step: Step = "gallery" if job.state == "done" else "job"
    return Place(step, job.album_id if step == "gallery" else job.id)


def _newest(jobs: list[Job]) -> Job | None:
    """The newest that is under way, else the newest."""
    return next((job for job in jobs if job.state in UNFINISHED), jobs[0] if jobs else None)
