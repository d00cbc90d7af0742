"""What is done to jobs from outside, without a worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from studio.core import Studio
from studio.data import Album, Flag, GpuLease, Job, JobEvent, User, Worker
from studio.jobs import Jobs
from studio.jobs.ledger import Ledger
from studio.jobs.steps import STEPS, step_named, workflow_id
from studio.refusals import Refused
from studio.wishes import Wishes
from tests.stubs.jobs import hand_in, job, make_album, make_user
from tests.stubs.studios import make_studio

ONE = Wishes(count=1)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = make_studio(tmp_path, quota_jobs=3, quota_portraits_month=10)
    yield opened
    opened.close()


@pytest.fixture
def jobs(studio: Studio) -> Iterator[Jobs]:
    made = Jobs(studio)
    yield made
    made.close()


@pytest.fixture
def ledger(studio: Studio) -> Iterator[Ledger]:
    made = Ledger(studio)
    yield made
    made.close()


@pytest.fixture
def user_id(studio: Studio) -> str:
    return make_user(studio)


def states(ledger: Ledger, job_id: str, attempt: int = 1) -> dict[str, str]:
    """State by step of a job's workflows."""
    names = {workflow_id(job_id, attempt, step): step.name for step in STEPS}
    return {names[name]: state for name, state in ledger.states(names).items()}


def refused(code: str) -> object:
    return pytest.raises(Refused, check=lambda error: error.code == code and all(error.texts.values()))


def test_a_job_waits_in_the_first_queue(studio: Studio, jobs: Jobs, ledger: Ledger, user_id: str) -> None:
    job_id = hand_in(studio, jobs, user_id, priority=7)
    row = job(studio, job_id)
    assert (row.state, row.stage, row.waiting, row.priority, row.attempt) == ("queued", "photos", True, 7, 1)
    assert states(ledger, job_id) == {"prepare": "ENQUEUED"}
    assert jobs.position(job_id) == 1
    with studio.db.session() as db:
        (event,) = db.scalars(select(JobEvent))
        assert (event.stage, event.started_at, event.queued_at) == ("photos", None, row.queued_at)
        assert db.get_one(Album, row.album_id).keep_photos_until > time.time() + 29 * 86_400


def test_albums_of_others_and_those_that_are_not_ready_are_refused(
    studio: Studio, jobs: Jobs, user_id: str
) -> None:
    album_id = make_album(studio, user_id)
    with refused("not-found"):
        jobs.submit(make_user(studio), album_id, ONE)
    with studio.db.session() as db:
        db.execute(update(Album).values(consent_at=None))
    with pytest.raises(Refused):
        jobs.submit(user_id, album_id, ONE)
    with studio.db.session() as db:
        assert db.scalars(select(Job)).all() == []


@pytest.mark.parametrize(
    ("wishes", "code"),
    [(Wishes(preset="no-such"), "unknown-preset"), (Wishes(poses=("no-such",)), "unknown-wish")],
)
def test_a_wish_that_does_not_exist_is_refused_at_once(
    studio: Studio, jobs: Jobs, user_id: str, wishes: Wishes, code: str
) -> None:
    with refused(code):
        jobs.submit(user_id, make_album(studio, user_id), wishes)
    with studio.db.session() as db:
        assert db.scalar(select(Job.id)) is None


def test_quotas(studio: Studio, jobs: Jobs, user_id: str) -> None:
    hand_in(studio, jobs, user_id)
    hand_in(studio, jobs, user_id)
    with refused("quota-portraits"):
        jobs.submit(user_id, make_album(studio, user_id), Wishes(count=9))
    hand_in(studio, jobs, user_id)
    with refused("quota-jobs"):
        hand_in(studio, jobs, user_id)
    with studio.db.session() as db:
        db.execute(update(User).values(quota_jobs=4, quota_portraits_month=4))
    hand_in(studio, jobs, user_id)
    hand_in(studio, jobs, make_user(studio))


def test_what_failed_or_is_old_does_not_count(studio: Studio, jobs: Jobs, user_id: str) -> None:
    for number in range(3):
        job_id = jobs.submit(user_id, make_album(studio, user_id), Wishes(count=8)).id
        changes = ({"state": "failed"}, {"state": "cancelled"}, {"state": "done", "created_at": 1.0})[number]
        with studio.db.session() as db:
            db.execute(update(Job).where(Job.id == job_id).values(**changes))
    jobs.submit(user_id, make_album(studio, user_id), Wishes(count=10))


@pytest.mark.parametrize(("column", "code"), [("disabled_at", "disabled"), ("confirmed_at", "unconfirmed")])
def test_who_may_not_begin(tmp_path: Path, studio: Studio, user_id: str, column: str, code: str) -> None:
    strict = make_studio(tmp_path, confirm_email=True)
    jobs = Jobs(strict)
    with studio.db.session() as db:
        db.execute(update(User).values({column: 1.0 if column == "disabled_at" else None}))
    with refused(code):
        hand_in(strict, jobs, user_id)
    jobs.close()


def test_a_retouch_belongs_to_a_job_of_the_album(studio: Studio, jobs: Jobs, user_id: str) -> None:
    first = hand_in(studio, jobs, user_id)
    album_id = job(studio, first).album_id
    assert jobs.submit(user_id, album_id, ONE, parent_id=first).parent_id == first
    with refused("not-found"):
        jobs.submit(user_id, make_album(studio, user_id), ONE, parent_id=first)


def test_one_job_of_an_album_at_a_time(studio: Studio, jobs: Jobs, ledger: Ledger, user_id: str) -> None:
    first = hand_in(studio, jobs, user_id)
    second = jobs.submit(user_id, job(studio, first).album_id, ONE).id
    assert states(ledger, second) == {}
    assert jobs.position(second) == 2
    jobs.cancel(first)
    assert states(ledger, first) == {"prepare": "CANCELLED"}
    assert states(ledger, second) == {"prepare": "ENQUEUED"}


def test_cancelling_what_waits_ends_it_at_once(studio: Studio, jobs: Jobs, user_id: str) -> None:
    job_id = hand_in(studio, jobs, user_id)
    jobs.cancel(job_id)
    row = job(studio, job_id)
    assert (row.state, row.waiting) == ("cancelled", False)
    assert row.cancel_asked_at is not None
    assert row.finished_at is not None
    jobs.cancel(job_id)
    assert job(studio, job_id).finished_at == row.finished_at
    assert jobs.position(job_id) is None
    with refused("not-found"):
        jobs.cancel("0" * 20)


def test_cancelling_what_runs_is_left_to_its_worker(studio: Studio, jobs: Jobs, user_id: str) -> None:
    job_id = hand_in(studio, jobs, user_id)
    with studio.db.session() as db:
        db.add(Worker(id="w1", role="all", host="h", pid=1, version="1"))
        db.execute(update(Job).values(state="running", waiting=False, worker_id="w1"))
    jobs.cancel(job_id)
    row = job(studio, job_id)
    assert (row.state, row.worker_id) == ("running", "w1")
    assert row.cancel_asked_at is not None


@pytest.mark.parametrize("values", [{"state": "dead"}, {"heartbeat_at": 1.0}])
def test_cancelling_what_a_dead_worker_had_ends_it_at_once(
    studio: Studio, jobs: Jobs, user_id: str, values: dict[str, object]
) -> None:
    job_id = hand_in(studio, jobs, user_id)
    with studio.db.session() as db:
        db.add(Worker(**{"id": "w1", "role": "all", "host": "h", "pid": 1, "version": "1", **values}))
        db.add(GpuLease(gpu="g", worker_id="w1", job_id=job_id))
        db.execute(update(Job).values(state="running", waiting=False, worker_id="w1"))
    jobs.cancel(job_id)
    assert job(studio, job_id).state == "cancelled"
    with studio.db.session() as db:
        assert db.scalars(select(GpuLease)).all() == []


def test_a_job_is_taken_though_dbos_is_away(
    studio: Studio,
    jobs: Jobs,
    user_id: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("insert", {}, Exception("gone"))

    monkeypatch.setattr(jobs._ledger, "enqueue", away)
    monkeypatch.setattr(jobs._ledger, "cancel_waiting", away)
    job_id = hand_in(studio, jobs, user_id)
    assert "a worker puts the job into its queue" in caplog.text
    jobs.cancel(job_id)
    assert job(studio, job_id).state == "cancelled"


def test_requeuing_is_a_new_attempt(studio: Studio, jobs: Jobs, ledger: Ledger, user_id: str) -> None:
    job_id = hand_in(studio, jobs, user_id)
    with refused("not-ended"):
        jobs.requeue(job_id)
    jobs.cancel(job_id)
    with studio.db.session() as db:
        db.execute(update(Job).values(state="failed", error={"code": "x"}, fraction=0.7, stage="choosing"))
    again = jobs.requeue(job_id)
    assert (again.attempt, again.state, again.stage, again.waiting) == (2, "queued", "photos", True)
    assert (again.fraction, again.error, again.cancel_asked_at, again.finished_at) == (0.0, None, None, None)
    assert states(ledger, job_id, 2) == {"prepare": "ENQUEUED"}
    with studio.db.session() as db:
        db.execute(update(Job).values(state="done", deleted_at=1.0))
    with refused("not-found"):
        jobs.requeue(job_id)


def test_a_priority_is_changed_in_both_databases(studio: Studio, jobs: Jobs, user_id: str) -> None:
    first, second = (hand_in(studio, jobs, make_user(studio)) for _ in "ab")
    assert (jobs.position(first), jobs.position(second)) == (1, 2)
    jobs.set_priority(second, 1)
    assert (jobs.position(first), jobs.position(second)) == (2, 1)
    listed = jobs._ledger._client.list_workflows(workflow_ids=[f"{second}-1-prepare"])
    assert listed[0].priority < 2_000_001
    with refused("priority"):
        jobs.set_priority(second, 0)
    with refused("not-found"):
        jobs.set_priority("0" * 20, 5)


def test_pausing(studio: Studio, jobs: Jobs) -> None:
    assert not jobs.paused()
    jobs.resume()
    jobs.pause()
    jobs.pause()
    assert jobs.paused()
    jobs.resume()
    assert not jobs.paused()
    with studio.db.session() as db:
        assert db.scalars(select(Flag)).all() == []


def test_draining_is_for_workers_that_run(studio: Studio, jobs: Jobs) -> None:
    with studio.db.session() as db:
        db.add(Worker(id="w1", role="all", host="h", pid=1, version="1"))
        db.add(Worker(id="w2", role="all", host="h", pid=1, version="1", state="dead"))
    jobs.drain("w1")
    jobs.drain("w1")
    with studio.db.session() as db:
        assert db.get_one(Worker, "w1").state == "draining"
    jobs.drain("w1", on=False)
    with studio.db.session() as db:
        assert db.get_one(Worker, "w1").state == "running"
    for name in ("w2", "w3"):
        with refused("not-found"):
            jobs.drain(name)


def test_forgetting_deletes_the_workflows_of_all_attempts(
    studio: Studio, jobs: Jobs, ledger: Ledger, user_id: str
) -> None:
    job_id, other = hand_in(studio, jobs, user_id), hand_in(studio, jobs, user_id)
    jobs.cancel(job_id)
    jobs.requeue(job_id)
    assert jobs.forget(job_id) == 2
    assert jobs.forget(job_id) == 0
    assert states(ledger, job_id) == states(ledger, job_id, 2) == {}
    assert states(ledger, other) == {"prepare": "ENQUEUED"}


def test_how_long_it_will_wait(studio: Studio, jobs: Jobs, user_id: str) -> None:
    assert jobs.waiting_ahead_s() == 0
    first = hand_in(studio, jobs, user_id)
    second = hand_in(studio, jobs, user_id)
    assert jobs.waiting_ahead_s(first) == 0
    assert jobs.waiting_ahead_s(second) == jobs.waiting_ahead_s() / 2 == 600.0
    now = time.time()
    with studio.db.session() as db:
        for name in ("w1", "w2"):
            db.add(Worker(id=name, role="generate", host="h", pid=1, version="1"))
        db.add(Worker(id="t", role="train", host="h", pid=1, version="1"))
        for seconds in (100, 140):
            db.add(JobEvent(job_id=first, stage="drawing", queued_at=now - 500, started_at=now - 400,
                            ended_at=now - 400 + seconds, outcome="done"))  # fmt: skip
    assert jobs.waiting_ahead_s() == pytest.approx(2 * 120 / 2)
    with studio.db.session() as db:
        for name in ("w1", "w2"):
            db.add(GpuLease(gpu=f"http://{name}", worker_id=name, job_id=first))
    assert jobs.waiting_ahead_s() == pytest.approx(2.5 * 120 / 2)
    assert jobs.waiting_ahead_s("0" * 20) == jobs.waiting_ahead_s()


def test_steps_have_names_and_queues() -> None:
    assert [step.queue for step in STEPS] == ["light", "train", "generate", "light"]
    assert [step.on_gpu for step in STEPS] == [False, True, True, False]
    with pytest.raises(KeyError):
        step_named("paint")
