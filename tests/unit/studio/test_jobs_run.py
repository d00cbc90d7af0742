"""A job from being handed in to its mail, with a stand-in for the work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from studio.core import Studio
from studio.data import GpuLease, JobEvent, Mail, Worker
from studio.jobs import Jobs, Task
from studio.wishes import Wishes
from tests.stubs.jobs import (
    PIECES,
    QUICK,
    Broken,
    FakeWork,
    all_ended,
    ended,
    hand_in,
    job,
    make_user,
    until,
    worker,
)
from tests.stubs.studios import make_studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = make_studio(tmp_path, **QUICK)
    yield opened
    opened.close()


@pytest.fixture
def jobs(studio: Studio) -> Iterator[Jobs]:
    made = Jobs(studio)
    yield made
    made.close()


@pytest.fixture
def work(tmp_path: Path) -> FakeWork:
    return FakeWork(tmp_path / "work.log")


def test_a_job_goes_through_its_steps_and_is_mailed(studio: Studio, jobs: Jobs, work: FakeWork) -> None:
    job_id = hand_in(studio, jobs, make_user(studio))
    assert jobs.position(job_id) == 1
    with worker(studio, work):
        until(lambda: ended(studio, job_id))
    assert [step for _, _, step, _ in work.noted("end")] == ["prepare", "train", "draw", "deliver"]
    row = job(studio, job_id)
    assert (row.stage, row.fraction, row.waiting, row.worker_id) == ("mail", 1.0, False, None)
    assert row.keep_until is not None
    with studio.db.session() as db:
        events = list(db.scalars(select(JobEvent).order_by(JobEvent.id)))
        assert [(e.stage, e.outcome, e.worker_id) for e in events] == [
            (stage, "done", "w1") for stage in ("photos", "training", "drawing", "delivery")
        ]
        assert all(e.queued_at <= e.started_at <= e.ended_at for e in events)
        assert [(m.template, m.job_id) for m in db.scalars(select(Mail))] == [("ready", job_id)]
        assert db.scalars(select(GpuLease)).all() == []
        assert db.get(Worker, "w1").state == "stopped"


def test_an_operator_pauses_orders_and_drains(studio: Studio, jobs: Jobs, work: FakeWork) -> None:
    user_id = make_user(studio)
    jobs.pause()
    with worker(studio, work):
        first, second, third = (hand_in(studio, jobs, make_user(studio)) for _ in "abc")
        time.sleep(1.0)
        assert work.noted() == []
        jobs.set_priority(third, 1)
        jobs.resume()
        until(lambda: all_ended(studio))
        assert [job_id for _, job_id, step, _ in work.noted("begin") if step == "prepare"] == [
            third, first, second,
        ]  # fmt: skip
        jobs.drain("w1")
        until(lambda: _state(studio) == "draining")
        time.sleep(0.6)
        left = hand_in(studio, jobs, user_id)
        time.sleep(1.0)
        assert job(studio, left).waiting
        jobs.drain("w1", on=False)
        until(lambda: ended(studio, left))


def test_a_cancel_takes_less_than_a_second(studio: Studio, jobs: Jobs, work: FakeWork) -> None:
    work.seconds = 60.0
    user_id = make_user(studio)
    with worker(studio, work):
        job_id = hand_in(studio, jobs, user_id)
        following = jobs.submit(user_id, job(studio, job_id).album_id, Wishes(count=1)).id
        until(lambda: work.noted("begin"))
        asked = time.monotonic()
        jobs.cancel(job_id)
        until(lambda: ended(studio, job_id, "cancelled"))
        assert time.monotonic() - asked < 2.0, "0.5 s where nothing else runs"
        until(lambda: [note for note in work.noted("begin") if note[1] == following])
    row = job(studio, following)
    assert (row.state, row.waiting, row.worker_id) == ("running", True, None), "it goes on another time"
    with studio.db.session() as db:
        outcomes = list(db.scalars(select(JobEvent.outcome).where(JobEvent.job_id == job_id)))
        assert outcomes == ["cancelled"]
        assert db.scalars(select(Mail)).all() == []


def test_what_ended_in_the_middle_goes_on_at_the_next_start(
    studio: Studio, jobs: Jobs, work: FakeWork
) -> None:
    work.seconds = 0.5
    job_id = hand_in(studio, jobs, make_user(studio))
    with worker(studio, work):
        until(lambda: work.noted("piece"))
    work.seconds = 0.0
    with worker(studio, work, version="2"):
        until(lambda: ended(studio, job_id))
    pieces = Counter(step for _, _, step, _ in work.noted("piece"))
    assert pieces == dict.fromkeys(("prepare", "train", "draw", "deliver"), PIECES)


def test_a_failure_does_not_stop_the_worker(studio: Studio, jobs: Jobs, work: FakeWork) -> None:
    bad, good = hand_in(studio, jobs, make_user(studio)), hand_in(studio, jobs, make_user(studio))

    def before(task: Task) -> None:
        if task.job_id == bad and task.step.name == "draw":
            raise Broken("no")

    work.before = before
    with worker(studio, work):
        until(lambda: ended(studio, bad, "failed"))
        until(lambda: ended(studio, good))
        work.before = lambda task: None
        jobs.requeue(bad)
        until(lambda: ended(studio, bad))
    with studio.db.session() as db:
        keys = set(db.scalars(select(Mail.key)))
    assert keys == {f"job:{bad}:1:failed", f"job:{bad}:2:ready", f"job:{good}:1:ready"}


def _state(studio: Studio) -> str:
    with studio.db.session() as db:
        return db.get_one(Worker, "w1").state
