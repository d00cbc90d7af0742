"""What a job's row says of a recipe's events."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy.exc import OperationalError

from sdwebui_client import EncodedImage, Progress
from stages.events import (
    Note,
    Overall,
    PhotosProgress,
    PlanReady,
    ShotRejected,
    StageDone,
    StageProgress,
    TrainingProgress,
)
from studio.core import Studio
from studio.data import Album, Job
from studio.work import Reporter, WorkerStats
from studio.work.previews import INTERVAL_S, KEPT, remove_previews, small_jpeg
from tests.stubs.studios import make_studio, make_user


class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Told:
    """A job and its reporter."""

    studio: Studio
    job_id: str
    clock: Clock
    stats: WorkerStats

    def reporter(self, **given: Any) -> Reporter:
        """A new one, as after a fall."""
        return Reporter(self.studio, self.job_id, stats=self.stats, clock=self.clock, **given)

    @property
    def row(self) -> Job:
        """As it is now."""
        with self.studio.db.session() as db:
            return db.get_one(Job, self.job_id)

    @property
    def folder(self) -> Path:
        """The job's."""
        return self.studio.layout.job(self.row.user_id, self.job_id)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """A job that was just begun."""
    studio = make_studio(tmp_path / "data")
    user = make_user(studio)
    with studio.db.session() as db:
        album = Album(user_id=user.id)
        db.add(album)
        db.flush()
        job = Job(user_id=user.id, album_id=album.id, worker_id="gpu1")
        db.add(job)
    return Told(studio, job.id, Clock(), WorkerStats(now=0.0))


def picture(size: tuple[int, int] = (64, 96), colour: str = "navy") -> bytes:
    """A PNG."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def done(stage: str = "txt2img", **given: Any) -> StageDone:
    """A picture that was paid."""
    values: dict[str, Any] = {
        "cached": False,
        "why": "",
        "seconds": 2.0,
        "generation": True,
        "server": "http://a",
    }
    return StageDone("front-1", stage, **{**values, **given})


def test_each_stage_has_its_share_of_the_job(told: Told) -> None:
    report = told.reporter()
    with report.during("photos"):
        report(PhotosProgress(4, 4))
    assert told.row.fraction == pytest.approx(0.02)
    with report.during("training"):
        report(PhotosProgress(1, 4))
        report(TrainingProgress(500, 1000, 0.5, 60.0))
    assert told.row.fraction == pytest.approx(0.02 + 0.48 / 2)
    with report.during("choosing"):
        report(PhotosProgress(4, 4))  # looked up, not looked at
        assert told.row.fraction == pytest.approx(0.26)
        report(Overall(1.0, 0.0, 6, 6))
    with report.during("delivery"):
        report.reached(0.5)
    assert 0.97 < told.row.fraction < 1.0


def test_without_a_training_the_pictures_have_its_share(told: Told) -> None:
    report = told.reporter()
    with report.during("photos"):
        report(PhotosProgress(1, 1))
    with report.during("choosing"):
        report(Overall(0.5, 30.0, 3, 6))
    assert told.row.fraction == pytest.approx((0.02 + 0.97) / 2)


def test_a_job_never_goes_back_also_after_a_fall(told: Told) -> None:
    report = told.reporter()
    report.enter("choosing")
    report(Overall(0.8, 10.0, 5, 6))
    report.flush()
    reached = told.row.fraction
    assert reached > 0.7
    report(Overall(0.3, 10.0, 2, 6))
    report.flush()
    assert told.row.fraction == reached
    again = told.reporter()
    again.enter("choosing")
    again(Overall(0.1, 50.0, 1, 6))
    again.flush()
    assert told.row.fraction >= reached
    again(Overall(1.0, 0.0, 6, 6))
    again.flush()
    assert told.row.fraction == pytest.approx(0.97)


def test_the_plan_ends_the_choosing(told: Told) -> None:
    report = told.reporter()
    report.enter("choosing")
    assert told.row.stage == "choosing"
    report(PlanReady(6, 2, {"txt2img": 2}))
    assert told.row.stage == "drawing"
    report.flush()
    assert told.row.total_pictures == 6


def test_time_left_counts_what_comes_after(told: Told) -> None:
    report = told.reporter()
    report.enter("training")
    assert told.row.time_left_s is None
    report.expect_afterwards(100.0)
    report(TrainingProgress(1, 10, 0.1, 60.0))
    report.flush()
    assert told.row.time_left_s == pytest.approx(160.0)
    report.enter("choosing")
    report(Overall(0.1, 40.0, 1, 6))
    report.flush()
    assert told.row.time_left_s == pytest.approx(45.0)
    assert (told.row.done_pictures, told.row.total_pictures) == (1, 6)


def test_it_writes_about_three_times_a_second(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    report = told.reporter()
    report.enter("choosing")
    written: list[float] = []
    write = report._write
    monkeypatch.setattr(report, "_write", lambda: (written.append(told.clock.now), write()))
    for _ in range(100):
        told.clock.now += 0.05
        report(Overall(min(1.0, told.clock.now - 100), None, 0, 1))
    assert 10 <= len(written) <= 16


def test_paid_pictures_are_counted_at_once_and_over_falls(told: Told) -> None:
    report = told.reporter()
    report.enter("choosing")
    report(done())
    report(done(cached=True))
    report(done("score", generation=False))
    assert told.row.generations == 1
    told.reporter()(done())
    assert told.row.generations == 2
    (entry,) = told.stats.to_json()["servers"].values()
    assert (entry["busy_s"], entry["generations"], entry["since"]) == (4.0, 2, 0.0)


def test_refusals_are_counted_by_their_reason(told: Told) -> None:
    report = told.reporter()
    for reason in (
        "no face was found in it",
        "the face is not sharp (4; at least 10 is needed)",
        "likeness 0.31 is below the asked 0.50",
        "likeness 0.30, too far below the asked 0.50 to go on",
        "something new",
    ):
        report(ShotRejected("front-1", reason))
    assert told.stats.to_json()["refusals"] == {"no-face": 1, "not-sharp": 1, "not-like": 2, "other": 1}


def test_the_recipes_own_reasons_are_known(told: Told) -> None:
    from stages.lib.score import Score
    from stages.lib.select import reason_against_candidate, reason_against_portrait

    none = Score(0.0, None, None, None, None)
    blurred = Score(0.9, 0.3, 1.0, 100.0, (0, 0, 1, 1))
    unlike = Score(0.1, 0.9, 50.0, 100.0, (0, 0, 1, 1))
    for score in (none, blurred, unlike):
        for reason in (
            reason_against_candidate(score, min_likeness=0.5),
            reason_against_portrait(score, min_likeness=0.5),
        ):
            if reason is not None:
                told.stats.refused(reason)
    assert told.stats.to_json()["refusals"] == {"no-face": 2, "not-sharp": 1, "not-like": 2}


def test_a_database_that_is_away_ends_no_job(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    report = told.reporter()
    report.enter("choosing")
    session = told.studio.db.session

    def away() -> Any:
        raise OperationalError("UPDATE", {}, Exception("server closed the connection"))

    object.__setattr__(told.studio.db, "session", away)
    try:
        report(done())
    finally:
        object.__setattr__(told.studio.db, "session", session)
    assert "written later" in caplog.text
    assert told.row.generations == 0
    report(done())
    assert told.row.generations == 2


def test_a_worker_that_lost_the_job_says_nothing_more(told: Told) -> None:
    lost, has_it = told.reporter(worker_id="gpu2"), told.reporter(worker_id="gpu1")
    lost.enter("drawing")
    assert told.row.stage == "photos"
    has_it.enter("drawing")
    assert told.row.stage == "drawing"


def test_notes_name_no_photo_and_no_path(told: Told) -> None:
    report = told.reporter()
    root = told.studio.layout.root
    report.note(f"{root}/users/ab/albums/cd/photos/Kim Minji.jpg is odd, see ftp://kim:secret@host/x")
    report(Note("IMG_2041.HEIC and alice.JPG are alike"))
    report.flush()
    assert told.row.note == "(a picture) and (a picture) are alike"
    report.note(f"left in {root}/tmp/upload-1 by ftp://kim:secret@host/x " + "long " * 300)
    report.flush()
    assert str(root) not in told.row.note
    assert "secret" not in told.row.note
    assert "DATA" in told.row.note
    assert len(told.row.note) <= 600


def test_previews_are_small_few_and_each_has_a_name_of_its_own(told: Told) -> None:
    report = told.reporter()
    report.enter("choosing")

    def sampling(data: bytes) -> StageProgress:
        return StageProgress("front-1", "txt2img", Progress("sampling", 0.5, preview=EncodedImage(data)))

    for number in range(1, 5):
        told.clock.now += INTERVAL_S
        report(sampling(picture((2000, 3000))))
        report(sampling(picture()))  # too soon after the other
        report.flush()
        assert told.row.preview == f"preview-{number}.jpg"
    names = sorted(path.name for path in told.folder.iterdir())
    assert names == ["preview-3.jpg", "preview-4.jpg"][-KEPT:]
    assert EncodedImage((told.folder / "preview-4.jpg").read_bytes()).size == (341, 512)
    told.clock.now += INTERVAL_S
    again = told.reporter()
    again.enter("choosing")
    again(sampling(picture()))
    again.flush()
    assert told.row.preview == "preview-5.jpg"
    remove_previews(told.folder)
    assert list(told.folder.iterdir()) == []


def test_a_finished_picture_is_shown_where_there_is_no_live_one(told: Told) -> None:
    report = told.reporter()
    report.enter("choosing")
    report.show_finished({"ab" * 32: picture()}.__getitem__)
    report(done(output="ab" * 32))
    assert told.row.preview == "preview-1.jpg"


def test_what_is_no_picture_is_not_shown() -> None:
    assert small_jpeg(b"not a picture", 100) is None
    small = small_jpeg(picture((300, 100)), 150)
    assert small is not None
    assert EncodedImage(small).size == (150, 50)
