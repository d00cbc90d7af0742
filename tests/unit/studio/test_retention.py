"""What the service deletes by itself, and what it must not."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from studio.core import Studio
from studio.data import Album, Attempt, Base, Job, Link, Mail, Photo, Portrait, Receipt, SignedSession, User
from studio.retention import photos_due_at, sweep
from studio.service_settings import DAY_S
from tests.stubs.studios import make_studio, make_user

PHOTOS_DAYS, RESULTS_DAYS = 10, 20


class NoJobs:
    """No job runs."""

    def cancel(self, job_id: str) -> None:
        """Never asked."""
        raise AssertionError(job_id)

    def forget(self, _job_id: str) -> None:
        """Nothing to forget."""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """One with short times."""
    return make_studio(tmp_path / "data", photos_days=PHOTOS_DAYS, results_days=RESULTS_DAYS)


@pytest.fixture
def user(studio: Studio) -> User:
    """Somebody."""
    return make_user(studio)


def add(studio: Studio, *rows: Any) -> Any:
    """Write rows; the first one comes back."""
    with studio.db.session() as db:
        db.add_all(rows)
    return rows[0]


def ago(days: float) -> float:
    """A moment in the past."""
    return time.time() - days * DAY_S


def album(studio: Studio, user: User, days: float, **columns: Any) -> Album:
    """An album so many days old, with a photo and a model."""
    made: Album = add(studio, Album(user_id=user.id, created_at=ago(days), **columns))
    photo = Photo(
        album_id=made.id, user_id=user.id, file="0.jpg", sha256="a" * 64, width=1, height=1, size_bytes=1,
        created_at=ago(days),
    )  # fmt: skip
    add(studio, photo)
    for folder in (studio.layout.photos(user.id, made.id), studio.layout.work(user.id, made.id) / "lora"):
        folder.mkdir(parents=True)
        (folder / "x.safetensors").write_bytes(b"x")
    return made


def job(studio: Studio, of: Album, days: float, **columns: Any) -> Job:
    """A job that ended so many days ago, with a portrait."""
    values = {"state": "done", "finished_at": ago(days), "created_at": ago(days), **columns}
    made: Job = add(studio, Job(user_id=of.user_id, album_id=of.id, **values))
    add(studio, Portrait(
        job_id=made.id, user_id=of.user_id, number=1, file="portraits/1.png", pose="front", tone="cool",
        seed=1, likeness=0.9, width=1, height=1, sha256="",
    ))  # fmt: skip
    folder = studio.layout.job(of.user_id, made.id)
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(b"x")
    return made


def count(studio: Studio, table: type[Base]) -> int:
    """Rows of a table."""
    with studio.db.session() as db:
        return db.scalar(select(func.count()).select_from(table)) or 0


def test_photos_and_model_go_so_many_days_after_the_last_job(studio: Studio, user: User) -> None:
    old = album(studio, user, 30)
    job(studio, old, PHOTOS_DAYS + 1, keep_until=time.time() + DAY_S)
    done = sweep(studio, jobs=NoJobs())
    assert (done["albums"], done["jobs"]) == (1, 0)
    assert count(studio, Photo) == 0
    assert not (studio.layout.work(user.id, old.id) / "lora").exists()
    assert not studio.layout.photos(user.id, old.id).exists()
    with studio.db.session() as db:
        row = db.get_one(Album, old.id)
        kinds = sorted(db.scalars(select(Receipt.what)))
    assert row.photos_deleted_at is not None
    assert row.model_deleted_at is not None
    assert kinds == ["model", "photos"]
    assert count(studio, Portrait) == 1
    assert sweep(studio, jobs=NoJobs())["albums"] == 0
    assert count(studio, Receipt) == 2


@pytest.mark.parametrize("state", ["queued", "running"])
def test_an_album_with_a_job_on_its_way_is_left_alone(studio: Studio, user: User, state: str) -> None:
    old = album(studio, user, 30)
    job(studio, old, 25, state=state, finished_at=None)
    sweep(studio, jobs=NoJobs())
    assert count(studio, Photo) == 1
    assert count(studio, Portrait) == 1


@pytest.mark.parametrize("what", ["job", "photo"])
def test_what_happened_lately_keeps_the_photos(studio: Studio, user: User, what: str) -> None:
    old = album(studio, user, 30)
    if what == "job":
        job(studio, old, PHOTOS_DAYS - 1)
    else:
        add(studio, Photo(album_id=old.id, user_id=user.id, file="1.jpg", sha256="b" * 64, width=1, height=1,
                          size_bytes=1))  # fmt: skip
    sweep(studio, jobs=NoJobs())
    assert count(studio, Photo) >= 1


def test_an_empty_album_stays_and_gets_no_receipt(studio: Studio, user: User) -> None:
    add(studio, Album(user_id=user.id, created_at=ago(100)))
    sweep(studio, jobs=NoJobs())
    assert (count(studio, Album), count(studio, Receipt)) == (1, 0)


def test_the_day_is_counted_from_the_end_of_the_last_job(studio: Studio, user: User) -> None:
    old = album(studio, user, 30)
    ended = job(studio, old, 2).finished_at
    assert ended is not None
    with studio.db.session() as db:
        assert photos_due_at(db, studio, old) == pytest.approx(ended + PHOTOS_DAYS * DAY_S)


def test_results_go_when_their_time_is_over(studio: Studio, user: User) -> None:
    mine = album(studio, user, 1)
    due = job(studio, mine, 5, keep_until=ago(0.1))
    failed = job(studio, mine, RESULTS_DAYS + 1, state="failed")
    kept = job(studio, mine, 5, keep_until=time.time() + DAY_S)
    recent = job(studio, mine, RESULTS_DAYS - 1, state="cancelled")
    assert sweep(studio, jobs=NoJobs())["jobs"] == 2
    for gone in (due, failed):
        assert not studio.layout.job(user.id, gone.id).exists()
    for left in (kept, recent):
        assert studio.layout.job(user.id, left.id).exists()
    assert sweep(studio, jobs=NoJobs())["jobs"] == 0


def test_only_old_files_of_tmp_go(studio: Studio) -> None:
    for name, days in (("new", 0.5), ("old", 2)):
        for path in (studio.layout.tmp / name, studio.layout.tmp / f"{name}-folder"):
            path.mkdir() if path.name.endswith("folder") else path.write_bytes(b"x")
            os.utime(path, (ago(days), ago(days)))
    assert sweep(studio, jobs=NoJobs())["tmp"] == 2
    assert sorted(path.name for path in studio.layout.tmp.iterdir()) == ["new", "new-folder"]


def test_mails_kept_as_files_go_with_the_longest_link_in_them(tmp_path: Path) -> None:
    studio = make_studio(tmp_path / "other", link_days=3)
    for name, days in (("young.eml", 2), ("old.eml", 4), ("half.tmp", 4)):
        path = studio.layout.outbox / name
        path.write_text("To: kim@example.org")
        os.utime(path, (ago(days), ago(days)))
    assert sweep(studio, jobs=NoJobs())["outbox"] == 2
    assert [path.name for path in studio.layout.outbox.iterdir()] == ["young.eml"]


def test_rows_that_only_take_room_go(studio: Studio, user: User) -> None:
    hour = time.time() + 3600
    add(studio, Attempt(key="a", at=ago(3)), Attempt(key="b"))
    add(
        studio,
        SignedSession(token_hash="a", user_id=user.id, expires_at=ago(1)),
        SignedSession(token_hash="b", user_id=user.id, expires_at=hour),
        Link(token_hash="a", user_id=user.id, purpose="reset", expires_at=ago(8)),
        Link(token_hash="b", user_id=user.id, purpose="reset", expires_at=ago(1)),
        Mail(key="a", user_id=user.id, template="x", language="ko", state="sent", created_at=ago(100)),
        Mail(key="b", user_id=user.id, template="x", language="ko", created_at=ago(100)),
        Receipt(user_id=user.id, what="photos", at=ago(400)),
    )
    done = sweep(studio, jobs=NoJobs())
    names = ("attempts", "sessions", "links", "mails", "receipts")
    assert [done[name] for name in names] == [1, 1, 1, 1, 1]
    for table in (Attempt, SignedSession, Link, Mail):
        assert count(studio, table) == 1


def test_it_is_done_once_however_many_ask(studio: Studio, user: User) -> None:
    assert sweep(studio, jobs=NoJobs(), every_s=60) != {}
    job(studio, album(studio, user, 1), 5, keep_until=ago(1))
    assert sweep(studio, jobs=NoJobs(), every_s=60) == {}
    assert sweep(studio, jobs=NoJobs(), every_s=0)["jobs"] == 1


def test_nobody_is_named_in_the_log(studio: Studio, user: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    job(studio, album(studio, user, 1), 5, keep_until=ago(1))
    sweep(studio, jobs=NoJobs())
    assert "retention: 1 jobs" in caplog.text
    assert user.email not in caplog.text


def test_the_day_its_owner_was_told_counts_even_when_the_setting_changed(studio: Studio, user: User) -> None:
    told = time.time() + 100 * DAY_S
    kept = album(studio, user, days=PHOTOS_DAYS + 1, keep_photos_until=told)
    with studio.db.session() as db:
        assert photos_due_at(db, studio, kept) == told
