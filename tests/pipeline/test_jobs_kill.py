"""Workers that are killed, stopped and replaced, as processes, with a stand-in for the work."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from studio.core import Studio
from studio.data import GpuLease, JobEvent, Worker
from studio.jobs import Jobs
from tests.stubs.jobs import (
    PIECES,
    FakeWork,
    WorkerProcess,
    ended,
    hand_in,
    job,
    make_user,
    quick_settings,
    until,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = Studio.open(quick_settings(tmp_path))
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


@pytest.fixture
def started() -> Iterator[list[WorkerProcess]]:
    processes: list[WorkerProcess] = []
    yield processes
    for process in processes:
        process.end()


def _nothing_lost_or_made_twice(work: FakeWork, job_id: str) -> None:
    pieces = Counter(step for _, its, step, _ in work.noted("piece") if its == job_id)
    assert pieces == dict.fromkeys(("prepare", "train", "draw", "deliver"), PIECES)


@pytest.mark.long
def test_killed_in_every_step_and_started_again_it_goes_on(
    studio: Studio, jobs: Jobs, work: FakeWork, started: list[WorkerProcess]
) -> None:
    job_id = hand_in(studio, jobs, make_user(studio))
    process = WorkerProcess(studio, "w1", FAKE_SECONDS="0.6")
    started.append(process)
    for step in ("prepare", "train", "draw", "deliver"):
        until(lambda step=step: [n for n in work.noted("piece") if n[2] == step][1:], 30)
        process.kill()
        process.again()
    until(lambda: ended(studio, job_id), 30)
    _nothing_lost_or_made_twice(work, job_id)
    with studio.db.session() as db:
        lost = Counter(db.scalars(select(JobEvent.stage).where(JobEvent.outcome == "lost")))
    assert lost == {"photos": 1, "training": 1, "drawing": 1, "delivery": 1}


def test_another_worker_takes_over_what_a_dead_one_had(
    studio: Studio, jobs: Jobs, work: FakeWork, started: list[WorkerProcess]
) -> None:
    first = WorkerProcess(studio, "w1", FAKE_SECONDS="2", FAKE_DEAD_S="2")
    started.append(first)
    job_id = hand_in(studio, jobs, make_user(studio))
    until(lambda: [n for n in work.noted("piece") if n[2] == "draw"], 40)
    first.kill()
    with studio.db.session() as db:
        assert [lease.worker_id for lease in db.scalars(select(GpuLease))] == ["w1"]
    started.append(WorkerProcess(studio, "w2", FAKE_SECONDS="0.5", FAKE_DEAD_S="2"))
    until(lambda: ended(studio, job_id), 40)
    _nothing_lost_or_made_twice(work, job_id)
    with studio.db.session() as db:
        assert db.get(Worker, "w1").state == "dead"
        assert db.scalars(select(GpuLease)).all() == []


def test_a_worker_that_was_only_slow_stops_what_another_has_taken_over(
    studio: Studio, jobs: Jobs, work: FakeWork, started: list[WorkerProcess]
) -> None:
    slow = WorkerProcess(studio, "w1", FAKE_SECONDS="5", FAKE_DEAD_S="2")
    started.append(slow)
    job_id = hand_in(studio, jobs, make_user(studio))
    until(lambda: [n for n in work.noted("piece") if n[2] == "prepare"], 40)
    slow.signal(signal.SIGSTOP)
    started.append(WorkerProcess(studio, "w2", FAKE_SECONDS="5", FAKE_DEAD_S="2"))
    until(lambda: [n for n in work.noted("piece") if n[3] == "w2"], 40)
    slow.signal(signal.SIGCONT)
    assert slow.process.wait(30) != 0
    assert "took over its jobs" in slow.output.read_text()
    taken = next(n for n, note in enumerate(work.noted()) if note[3] == "w2")
    assert all(note[3] == "w2" for note in work.noted()[taken:])
    assert job(studio, job_id).worker_id == "w2"


def test_a_worker_told_to_end_leaves_its_job_to_others_at_once(
    studio: Studio, jobs: Jobs, work: FakeWork, started: list[WorkerProcess]
) -> None:
    first = WorkerProcess(studio, "w1", FAKE_SECONDS="3")
    started.append(first)
    job_id = hand_in(studio, jobs, make_user(studio))
    until(lambda: [n for n in work.noted("piece") if n[2] == "prepare"], 40)
    first.signal(signal.SIGTERM)
    assert first.process.wait(20) == 0
    assert job(studio, job_id).waiting
    begun = time.monotonic()
    started.append(WorkerProcess(studio, "w2", FAKE_SECONDS="0.3", FAKE_DEAD_S="600"))
    until(lambda: ended(studio, job_id), 40)
    assert time.monotonic() - begun < 30
    _nothing_lost_or_made_twice(work, job_id)
    with studio.db.session() as db:
        assert db.scalars(select(JobEvent).where(JobEvent.outcome == "lost")).all() == []
