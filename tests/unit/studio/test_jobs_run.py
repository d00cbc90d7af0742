"""A job from being handed in to its mail, with a stand-in for the work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from studio.core import Studio
from studio.data import GpuLease, JobEvent, Mail, Worker
from studio.jobs import Jobs
from tests.stubs.jobs import FakeWork, ended, hand_in, job, make_user, quick_settings, until, worker


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
