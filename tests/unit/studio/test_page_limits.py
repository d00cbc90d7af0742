"""What is pressed on the page is counted as what is asked of the API is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from studio.core import Studio
from studio.data import User, new_id
from studio.web.api import albums, jobs
from studio.web.page.controller import Controller
from tests.stubs.seeded import SpyJobs, seed_album, seed_job, seed_portrait, seed_user
from tests.stubs.studios import make_studio

FORM = {"poses": ["front"], "tone": "cool", "outfit": "", "backdrop": "", "count": "2", "mark": True}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One for all: each test has a person of its own."""
    made = make_studio(tmp_path_factory.mktemp("data"))
    yield made
    made.close()


@pytest.fixture
def user(studio: Studio) -> User:
    return seed_user(studio, f"{new_id()}@example.org")


def pressed(studio: Studio, user: User, do: str, args: dict[str, Any]) -> str:
    """The kind of message that follows; "" for none."""
    page = Controller(studio, SpyJobs(studio), "en")  # type: ignore[arg-type]  # the part of it that pages use
    shown = page.act(user.id, "a-session", {"do": do, "args": args, "place": "", "seq": 1})
    return shown["toast"]["text"] if shown.get("toast") else ""


def test_albums_are_counted(studio: Studio, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(albums, "ALBUMS_AN_HOUR", 2)
    said = [pressed(studio, user, do, {"form": {}}) for do in ("first-album", "new-album", "new-album")]
    assert said[:2] == ["", ""]
    assert "tried too often" in said[2]


@pytest.mark.parametrize("do", ["submit", "again", "retouch"])
def test_jobs_are_counted(studio: Studio, user: User, do: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "JOBS_AN_HOUR", 2)
    album = seed_album(studio, user, photos=1, bad=0)
    job = seed_job(studio, album, state="done")
    portrait = seed_portrait(studio, job, 1)
    args = {"album": album.id, "job": job.id, "portrait": portrait.id, "form": FORM}
    said = [pressed(studio, user, do, args) for _ in range(3)]
    assert said[:2] == ["", ""]
    assert "tried too often" in said[2]
