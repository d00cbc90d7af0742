"""What any living worker does for all: takeover, repair, adoption of older versions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from studio.core import Studio
from studio.data import Base, GpuLease, Job, Worker
from studio.jobs import Jobs, housekeeping
from studio.jobs.housekeeping import Housekeeping
from studio.jobs.ledger import Ledger
from studio.jobs.presence import Presence
from studio.jobs.steps import STEPS, Step
from studio.jobs.underway import Running
from studio.work.stats import WorkerStats
from tests.stubs.jobs import hand_in, make_user, options
from tests.stubs.jobs import job as read
from tests.stubs.studios import make_studio
from tests.unit.studio.test_jobs_ledger import take

PREPARE, TRAIN, DRAW, DELIVER = STEPS


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, Ledger, Jobs]]:
    studio = make_studio(tmp_path_factory.mktemp("studio"), dead_after_s=5.0, quota_jobs=50)
    ledger, jobs = Ledger(studio), Jobs(studio)
    yield studio, ledger, jobs
    jobs.close()
    ledger.close()
    studio.close()


@pytest.fixture
def studio(shared: tuple[Studio, Ledger, Jobs]) -> Studio:
    """With empty tables."""
    studio, ledger, _ = shared
    with studio.db.session() as db:
        for table in reversed(Base.metadata.sorted_tables):
            db.execute(table.delete())
    with ledger._engine.begin() as connection:
        connection.execute(sa.delete(ledger._table))
    return studio


@pytest.fixture
def ledger(shared: tuple[Studio, Ledger, Jobs]) -> Ledger:
    return shared[1]


@pytest.fixture
def jobs(shared: tuple[Studio, Ledger, Jobs]) -> Jobs:
    return shared[2]


def house(studio: Studio, ledger: Ledger, name: str = "w1", *, version: str = "1") -> Housekeeping:
    presence = Presence(studio, options(name), WorkerStats(), version=version)
    assert presence.enter(threading.Event())
    return Housekeeping(studio, ledger, presence, Running())


def add_worker(studio: Studio, name: str, **values: object) -> None:
    with studio.db.session() as db:
        db.add(Worker(**{"id": name, "role": "all", "host": "h", "pid": 1, "version": "1", **values}))


def begin(studio: Studio, ledger: Ledger, jobs: Jobs, worker: str) -> str:
    """A job whose first step a worker has."""
    job_id = hand_in(studio, jobs, make_user(studio))
    assert take(ledger, PREPARE, worker) == [f"{job_id}-1-prepare"]
    with studio.db.session() as db:
        db.execute(
            sa.update(Job).where(Job.id == job_id).values(state="running", waiting=False, worker_id=worker)
        )
        db.add(GpuLease(gpu=f"http://{worker}", worker_id=worker, job_id=job_id))
    return job_id


def state(ledger: Ledger, job_id: str, step: Step = PREPARE) -> str | None:
    name = f"{job_id}-1-{step.name}"
    return ledger.states([name]).get(name)


def test_a_silent_worker_is_declared_dead_and_its_job_waits_again(
    studio: Studio, ledger: Ledger, jobs: Jobs
) -> None:
    add_worker(studio, "w2", heartbeat_at=time.time() - 6)
    job_id = begin(studio, ledger, jobs, "w2")
    house(studio, ledger).take_over()
    with studio.db.session() as db:
        assert db.get_one(Worker, "w2").state == "dead"
        assert db.scalars(sa.select(GpuLease)).all() == []
    assert (read(studio, job_id).waiting, read(studio, job_id).worker_id) == (True, None)
    assert state(ledger, job_id) == "ENQUEUED"


def test_a_living_worker_keeps_what_it_has(studio: Studio, ledger: Ledger, jobs: Jobs) -> None:
    add_worker(studio, "w2", heartbeat_at=time.time() - 3)
    job_id = begin(studio, ledger, jobs, "w2")
    house(studio, ledger).take_over()
    assert read(studio, job_id).worker_id == "w2"
    assert state(ledger, job_id) == "PENDING"


def test_one_that_came_back_in_time_is_not_declared_dead(studio: Studio, ledger: Ledger, jobs: Jobs) -> None:
    add_worker(studio, "w2", heartbeat_at=time.time() - 6)
    job_id = begin(studio, ledger, jobs, "w2")
    keeper = house(studio, ledger)
    with studio.db.session() as db:
        seen = db.get_one(Worker, "w2")
    with studio.db.session() as db:
        db.execute(sa.update(Worker).where(Worker.id == "w2").values(heartbeat_at=time.time()))
    keeper._declare_dead(seen)
    with studio.db.session() as db:
        assert db.get_one(Worker, "w2").state == "running"
    assert read(studio, job_id).worker_id == "w2"


def test_what_a_stopped_or_unknown_worker_left_waits_again(
    studio: Studio, ledger: Ledger, jobs: Jobs
) -> None:
    add_worker(studio, "w2", state="stopped")
    left = [begin(studio, ledger, jobs, name) for name in ("w2", "w3")]
    house(studio, ledger).take_over()
    assert [state(ledger, job_id) for job_id in left] == ["ENQUEUED", "ENQUEUED"]


def test_what_dbos_took_and_never_began_waits_again(studio: Studio, ledger: Ledger, jobs: Jobs) -> None:
    keeper = house(studio, ledger)
    job_id = begin(studio, ledger, jobs, "w1")
    keeper.take_over()
    assert state(ledger, job_id) == "PENDING", "it may be about to begin"
    keeper.take_over()
    assert state(ledger, job_id) == "ENQUEUED"


def test_a_job_whose_workflow_was_never_written_is_put_into_its_queue(
    studio: Studio, ledger: Ledger, jobs: Jobs
) -> None:
    job_id = hand_in(studio, jobs, make_user(studio))
    ledger.forget(job_id)
    keeper = house(studio, ledger)
    keeper.repair()
    assert state(ledger, job_id) is None, "it may be on its way"
    with studio.db.session() as db:
        db.execute(sa.update(Job).values(queued_at=time.time() - 6, stage="choosing"))
    keeper.repair()
    assert state(ledger, job_id, DRAW) == "ENQUEUED"


def test_jobs_of_an_older_version_are_adopted_once_its_workers_are_gone(
    studio: Studio, ledger: Ledger, jobs: Jobs
) -> None:
    job_id = hand_in(studio, jobs, make_user(studio))
    add_worker(studio, "old", version="1", role="generate")
    newer = Ledger(studio, version="2")
    keeper = house(studio, newer, "new", version="2")
    keeper.adopt()
    assert newer.waiting_versions() == {("1", "light")}, "its own workers do it"
    with studio.db.session() as db:
        db.execute(sa.update(Worker).where(Worker.id == "old").values(state="draining"))
    keeper.adopt()
    assert newer.waiting_versions() == {("2", "light")}
    house(studio, ledger, "back").adopt()
    assert newer.waiting_versions() == {("2", "light")}, "an old worker understands no newer job"
    assert state(ledger, job_id) == "ENQUEUED"
    newer.close()


def test_a_worker_of_another_role_keeps_no_old_job(studio: Studio, ledger: Ledger, jobs: Jobs) -> None:
    job_id = hand_in(studio, jobs, make_user(studio))
    ledger.forget(job_id)
    ledger.enqueue(job_id, 1, TRAIN, 1)
    add_worker(studio, "old", version="1", role="generate")
    newer = Ledger(studio, version="2")
    house(studio, newer, "new", version="2").adopt()
    assert newer.waiting_versions() == {("2", "train")}
    newer.close()


def test_a_duty_that_fails_keeps_none_of_the_others(
    studio: Studio, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, done = house(studio, ledger), threading.Event()

    def fails() -> None:
        raise ValueError("broken")

    fails.__name__ = "repair"
    monkeypatch.setattr(keeper, "repair", fails)
    monkeypatch.setattr(keeper, "sweep", done.set)
    monkeypatch.setattr(housekeeping.Housekeeping, "send_mails", lambda self: None)
    object.__setattr__(studio.settings, "heartbeat_s", 0.05)
    keeper.start()
    assert done.wait(10)
    keeper.stop()
    assert any(r.levelno == logging.ERROR and "repair failed" in r.message for r in caplog.records)
