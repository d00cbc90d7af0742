"""What is shown of rows, and what it costs to show many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from studio.core import Studio
from studio.data import Job, User
from studio.views import album_views, albums_of_user, job_views, jobs_of_user
from tests.stubs.seeded import SpyJobs, seed_album, seed_job, seed_user
from tests.stubs.studios import make_studio


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """One for each test."""
    return make_studio(tmp_path / "data")


@pytest.fixture
def user(studio: Studio) -> User:
    """Somebody."""
    return seed_user(studio)


def queries(studio: Studio, look: Callable[[], object]) -> int:
    """How many statements it takes."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(studio.db.engine, "before_cursor_execute", note)
    look()
    event.remove(studio.db.engine, "before_cursor_execute", note)
    return len(seen)


def test_each_album_has_its_own_photos_and_jobs(studio: Studio, user: User) -> None:
    first, second = seed_album(studio, user, photos=3, bad=1), seed_album(studio, user, photos=2, bad=0)
    job = seed_job(studio, first)
    shown = {view.id: view for view in album_views(studio, albums_of_user(studio, user.id))}
    assert (shown[first.id].photo_count, shown[first.id].jobs) == (len(shown[first.id].photos), (job.id,))
    assert {photo.album_id for photo in shown[first.id].photos} == {first.id}
    assert shown[second.id].jobs == ()
    assert shown[first.id].photo_count != shown[second.id].photo_count


def test_a_list_of_albums_takes_as_many_queries_as_one_album(studio: Studio, user: User) -> None:
    albums = [seed_album(studio, user, photos=2) for _ in range(4)]
    assert queries(studio, lambda: album_views(studio, albums)) == queries(
        studio, lambda: album_views(studio, albums[:1])
    )


def test_a_list_of_finished_jobs_takes_one_query(studio: Studio, user: User) -> None:
    album = seed_album(studio, user)
    for number in range(4):
        seed_job(studio, album, state="done", waiting=False, portraits=number)
    rows, jobs = jobs_of_user(studio, user.id), SpyJobs(studio)
    views = []
    assert queries(studio, lambda: views.extend(job_views(studio, jobs, rows))) == 1  # type: ignore[arg-type]
    assert sorted(view.portrait_count for view in views) == [0, 1, 2, 3]


def test_jobs_of_one_state_are_found_behind_newer_ones(studio: Studio, user: User) -> None:
    album = seed_album(studio, user)
    old: Job = seed_job(studio, album, state="failed", created_at=1.0)
    for _ in range(3):
        seed_job(studio, album, state="done")
    assert [job.id for job in jobs_of_user(studio, user.id, state="failed", limit=2)] == [old.id]


def test_nothing_is_shown_of_nothing(studio: Studio) -> None:
    assert album_views(studio, []) == []
    assert job_views(studio, SpyJobs(studio), []) == []  # type: ignore[arg-type]
