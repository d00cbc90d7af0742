"""The minutes of a job before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.core import Studio
from studio.data import Album, Job, JobEvent, Photo, User, Worker
from studio.estimate import draw_seconds, estimate
from studio.refusals import Refused
from studio.wishes import Wishes
from tests.stubs.studios import make_studio, make_user

TWO = Wishes(poses=("front",), tone="both", count=2)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """One with a real WebUI, as far as its settings say."""
    return make_studio(tmp_path / "data", url="http://gpu:7860")


@pytest.fixture
def user(studio: Studio) -> User:
    """Somebody."""
    return make_user(studio)


@pytest.fixture
def album(studio: Studio, user: User) -> Album:
    """An album with a photo."""
    album = Album(user_id=user.id)
    with studio.db.session() as db:
        db.add(album)
        db.flush()
        db.add(Photo(album_id=album.id, user_id=user.id, file="0.jpg", sha256="a" * 64, width=1, height=1,
                     size_bytes=1, created_at=1000.0))  # fmt: skip
    return album


def past(
    studio: Studio, album: Album, *, generations: int, draw_s: float, train_s: float | None = None
) -> None:
    """A job that was done."""
    with studio.db.session() as db:
        job = Job(
            user_id=album.user_id, album_id=album.id, state="done", generations=generations, finished_at=9.0
        )
        db.add(job)
        db.flush()
        times = {"drawing": draw_s, **({"training": train_s} if train_s else {})}
        for stage, seconds in times.items():
            db.add(JobEvent(job_id=job.id, stage=stage, queued_at=0.0, started_at=100.0,
                            ended_at=100.0 + seconds, outcome="done"))  # fmt: skip


def model(studio: Studio, album: Album, family: str = "sd15") -> Path:
    """A trained model of the album."""
    folder = studio.layout.work(album.user_id, album.id) / "lora"
    folder.mkdir(parents=True)
    path = folder / f"studio-x-{family}-12345678.safetensors"
    path.write_bytes(b"x")
    return path


def test_the_pictures_are_counted_as_the_recipe_plans_them(studio: Studio, user: User, album: Album) -> None:
    from stages.recipes.profile import ProfileOptions, blueprint_of
    from studio.work import preset_of

    for wishes in (TWO, Wishes(poses=("front", "head_tilt"), tone="auto", count=5), Wishes(count=12)):
        options = ProfileOptions(
            photos_dir=Path(), out_dir=Path(), preset=preset_of(studio, wishes), name="x", count=wishes.count,
            seed=0, lora=None, models_dir=None, pose_from=None,
        )  # fmt: skip
        planned = sum(blueprint_of(options, [], seed=0).generations().values())
        assert estimate(studio, user.id, album.id, wishes).generations == planned


def test_without_a_past_it_is_a_guess_and_says_so(studio: Studio, user: User, album: Album) -> None:
    found = estimate(studio, user.id, album.id, TWO)
    assert found.trains
    assert 0 < found.minutes_low < found.minutes_high
    assert "rough guess" in found.why["en"]
    assert found.why["ko"]
    assert found.waits_minutes == 0


def test_past_jobs_tell_the_time(studio: Studio, user: User, album: Album) -> None:
    model(studio, album)
    for seconds in (90, 100, 110, 100):
        past(studio, album, generations=10, draw_s=seconds)
    found = estimate(studio, user.id, album.id, TWO)
    assert not found.trains
    seconds = found.generations * 10
    assert found.minutes_low * 60 < seconds + 40 < found.minutes_high * 60 + 60
    assert found.minutes_high < 3 * found.minutes_low + 1
    assert "last 4 jobs" in found.why["en"]


def test_a_training_is_told_from_past_trainings(studio: Studio, user: User, album: Album) -> None:
    without = [past(studio, album, generations=10, draw_s=100, train_s=1200) for _ in range(3)]
    assert len(without) == 3
    found = estimate(studio, user.id, album.id, TWO)
    assert found.trains
    assert 18 < found.minutes_low < 25
    model(studio, album)
    assert estimate(studio, user.id, album.id, TWO).minutes_high < 5


@pytest.mark.parametrize("why", ["family", "photos", "adapter"])
def test_when_a_model_is_trained(studio: Studio, user: User, album: Album, why: str) -> None:
    model(studio, album)
    wishes: dict[str, Any] = {"tone": "both"}
    if why == "family":
        wishes["preset"] = "studio-sdxl"
    if why == "photos":
        with studio.db.session() as db:
            db.add(Photo(album_id=album.id, user_id=user.id, file="1.jpg", sha256="b" * 64, width=1,
                         height=1, size_bytes=1, created_at=4e9))  # fmt: skip
    if why == "adapter":
        wishes["identity"] = "ip_adapter"
    assert estimate(studio, user.id, album.id, Wishes(**wishes)).trains is (why != "adapter")


def test_the_queue_is_shared_among_the_workers(studio: Studio, user: User, album: Album) -> None:
    with studio.db.session() as db:
        db.add(Job(user_id=user.id, album_id=album.id, state="running", time_left_s=600.0))
        db.add(Job(user_id=user.id, album_id=album.id, state="done", time_left_s=600.0))
    assert estimate(studio, user.id, album.id, TWO).waits_minutes == pytest.approx(10.0)
    with studio.db.session() as db:
        for name in ("a", "b"):
            db.add(Worker(id=name, role="generate", host="h", pid=1, version="1"))
        db.add(Worker(id="c", role="train", host="h", pid=1, version="1"))
    assert estimate(studio, user.id, album.id, TWO).waits_minutes == pytest.approx(5.0)


def test_the_sandbox_is_quick(tmp_path: Path) -> None:
    studio = make_studio(tmp_path / "other")
    user = make_user(studio)
    album = Album(user_id=user.id)
    with studio.db.session() as db:
        db.add(album)
    assert estimate(studio, user.id, album.id, TWO).minutes_high < 3


def test_what_a_job_draws_is_told_once_there_is_a_past(studio: Studio, album: Album) -> None:
    job = Job(user_id=album.user_id, album_id=album.id, wishes=TWO.model_dump(mode="json"))
    assert draw_seconds(studio, job) is None
    for _ in range(3):
        past(studio, album, generations=10, draw_s=100)
    found = draw_seconds(studio, job)
    assert found is not None
    assert 60 < found < 120


def test_it_is_nobody_elses_business(studio: Studio, album: Album) -> None:
    stranger = make_user(studio, "lee@example.org")
    with pytest.raises(Refused, match="nothing here"):
        estimate(studio, stranger.id, album.id, TWO)


def test_wishes_that_do_not_exist_are_refused(studio: Studio, user: User, album: Album) -> None:
    with pytest.raises(Refused):
        estimate(studio, user.id, album.id, Wishes(preset="nowhere"))
