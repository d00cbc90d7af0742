from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from itsdangerous import URLSafeSerializer
from sqlalchemy import delete, update

from studio.accounts import create_user, open_results_link, results_link
from studio.core import Studio
from studio.data import Album, Job, User
from studio.service_settings import DAY_S
from tests.stubs.accounts import Clock, open_studio


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    opened = open_studio(tmp_path, monkeypatch, link_days=2)
    yield opened
    opened.close()


@pytest.fixture
def job(studio: Studio) -> Job:
    user = create_user(studio, email="kim@example.org", password=None)
    album = Album(user_id=user.id)
    with studio.db.session() as db:
        db.add(album)
        db.flush()
        made = Job(user_id=user.id, album_id=album.id, state="done", finished_at=time.time())
        db.add(made)
    return made


def change(studio: Studio, job: Job, **values: Any) -> None:
    with studio.db.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(**values))


def opened(studio: Studio, job: Job) -> str | None:
    address = results_link(studio, job)
    assert address.startswith("https://studio.example.org/r/")
    found = open_results_link(studio, address.rpartition("/")[2])
    return found.id if found else None


def test_the_link_shows_its_job(studio: Studio, job: Job) -> None:
    assert opened(studio, job) == job.id
    assert results_link(studio, job) == results_link(studio, job)


def test_it_ends_some_days_after_the_job(studio: Studio, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    clock.forward(2 * DAY_S - 60)
    assert opened(studio, job) == job.id
    clock.forward(61)
    assert opened(studio, job) is None


@pytest.mark.parametrize(
    "values",
    [
        {"deleted_at": 1.0},
        {"state": "running", "finished_at": None},
        {"state": "failed"},
        {"state": "cancelled"},
    ],
)
def test_without_results_it_shows_nothing(studio: Studio, job: Job, values: dict[str, Any]) -> None:
    change(studio, job, **values)
    assert opened(studio, job) is None


def test_it_ends_with_the_account(studio: Studio, job: Job) -> None:
    with studio.db.session() as db:
        db.execute(update(User).values(disabled_at=1.0))
    assert opened(studio, job) is None
    with studio.db.session() as db:
        db.execute(delete(User))
    assert opened(studio, job) is None


def test_it_may_be_made_before_the_job_is_finished(studio: Studio, job: Job) -> None:
    finished_at = job.finished_at
    job.finished_at = None
    address = results_link(studio, job)
    change(studio, job, finished_at=finished_at)
    assert open_results_link(studio, address.rpartition("/")[2]) is not None


def test_nobody_else_makes_one(studio: Studio, job: Job) -> None:
    token = results_link(studio, job).rpartition("/")[2]
    payload, _, signature = token.partition(".")
    bad = "A" if signature[0] != "A" else "B"
    forged = [
        "",
        job.id,
        payload,
        f"{payload}.",
        f"{payload}.{bad}{signature[1:]}",
        f"{payload}.{signature[:-1]}",
        f"{payload}A.{signature}",
        f".{signature}",
        token + token,
        "\ud800",
        "한글",
        "x" * 100_000,
        # The right key for another purpose, the right purpose with another key.
        str(URLSafeSerializer(studio.secret).dumps(job.id)),
        str(URLSafeSerializer("x" * 40, salt="studio.results-link").dumps(job.id)),
    ]
    assert [open_results_link(studio, text) for text in forged] == [None] * len(forged)


def test_what_we_signed_and_is_no_job_shows_nothing(studio: Studio, job: Job) -> None:
    from studio.accounts.results import _signer

    for payload in ("0" * 20, ["x"], {"id": job.id}, None, 7):
        assert open_results_link(studio, str(_signer(studio).dumps(payload))) is None
