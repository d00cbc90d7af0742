"""A job's row from claim to end, repeated at every point where a process may die."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from studio.core import Studio
from studio.data import Album, GpuLease, Job, JobEvent, Mail, User, Worker
from studio.jobs import WorkerLost, leases, rows
from studio.jobs.presence import Presence
from studio.jobs.rows import MAX_LOST, Claim
from studio.jobs.steps import STEPS
from studio.work.stats import WorkerStats
from tests.stubs.jobs import job as read
from tests.stubs.jobs import make_album, make_user, options
from tests.stubs.studios import make_studio

PREPARE, TRAIN, DRAW, DELIVER = STEPS
DONE = {"outcome": "done", "next": "draw"}
LAST = {"outcome": "done", "next": None}
FAILED = {
    "outcome": "failed",
    "error": {"code": "x", "message": {"ko": "안 됨", "en": "No"}, "hint": {"ko": "", "en": ""}},
    "note": "said the server",
}


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = make_studio(tmp_path, results_days=10, photos_days=5)
    yield opened
    opened.close()


@pytest.fixture
def job_id(studio: Studio) -> str:
    user_id = make_user(studio)
    with studio.db.session() as db:
        job = Job(user_id=user_id, album_id=make_album(studio, user_id), stage="photos", queued_at=50.0)
        db.add(job)
        rows.begin(db, job)
    return job.id


def worker(studio: Studio, name: str = "w1") -> Presence:
    made = Presence(studio, options(name), WorkerStats(), version="1")
    assert made.enter(threading.Event())
    return made


def events(studio: Studio) -> list[tuple[str, str | None, bool, str | None]]:
    """(stage, worker, begun, outcome) of the timeline."""
    with studio.db.session() as db:
        found = db.scalars(select(JobEvent).order_by(JobEvent.id))
        return [(e.stage, e.worker_id, e.started_at is not None, e.outcome) for e in found]


def mails(studio: Studio) -> list[str]:
    with studio.db.session() as db:
        return list(db.scalars(select(Mail.key)))


def test_a_step_is_claimed_handed_on_and_ended(studio: Studio, job_id: str) -> None:
    me = worker(studio)
    assert rows.claim(studio, me, job_id, 1, PREPARE) is Claim.MINE
    row = read(studio, job_id)
    assert (row.state, row.waiting, row.worker_id) == ("running", False, "w1")
    assert row.started_at is not None
    rows.settle(studio, me, job_id, 1, PREPARE, DONE)
    row = read(studio, job_id)
    assert (row.state, row.stage, row.waiting, row.worker_id) == ("running", "choosing", True, None)
    assert row.queued_at > 50.0
    assert rows.claim(studio, me, job_id, 1, DRAW) is Claim.MINE
    rows.settle(studio, me, job_id, 1, DRAW, {"outcome": "done", "next": "deliver"})
    assert rows.claim(studio, me, job_id, 1, DELIVER) is Claim.MINE
    rows.settle(studio, me, job_id, 1, DELIVER, LAST)
    row = read(studio, job_id)
    assert (row.state, row.stage, row.fraction, row.worker_id) == ("done", "mail", 1.0, None)
    assert row.keep_until == pytest.approx(row.finished_at + 10 * 86_400)
    with studio.db.session() as db:
        assert db.get_one(Album, row.album_id).keep_photos_until == pytest.approx(
            row.finished_at + 5 * 86_400
        )
    assert events(studio) == [(s, "w1", True, "done") for s in ("photos", "drawing", "delivery")]
    assert mails(studio) == [f"job:{job_id}:1:ready"]


def test_repeating_any_of_it_changes_nothing(studio: Studio, job_id: str) -> None:
    me = worker(studio)
    rows.claim(studio, me, job_id, 1, PREPARE)
    assert rows.claim(studio, me, job_id, 1, PREPARE) is Claim.MINE
    rows.settle(studio, me, job_id, 1, PREPARE, DONE)
    before = read(studio, job_id).queued_at
    rows.settle(studio, me, job_id, 1, PREPARE, FAILED)
    assert rows.claim(studio, me, job_id, 1, PREPARE) is Claim.OVER
    row = read(studio, job_id)
    assert (row.state, row.queued_at) == ("running", before)
    assert events(studio) == [("photos", "w1", True, "done"), ("drawing", None, False, None)]


@pytest.mark.parametrize("values", [{"attempt": 2}, {"state": "cancelled"}, {"stage": "delivery"}])
def test_what_is_no_longer_wanted_is_not_done(studio: Studio, job_id: str, values: dict[str, object]) -> None:
    with studio.db.session() as db:
        db.execute(update(Job).values(**values))
    me = worker(studio)
    assert rows.claim(studio, me, job_id, 1, PREPARE) is Claim.OVER
    assert rows.claim(studio, me, "0" * 20, 1, PREPARE) is Claim.OVER
    rows.settle(studio, me, job_id, 1, PREPARE, DONE)
    assert read(studio, job_id).worker_id is None


def test_a_job_another_has_is_left_to_it(studio: Studio, job_id: str) -> None:
    me, other = worker(studio), worker(studio, "w2")
    rows.claim(studio, me, job_id, 1, PREPARE)
    assert rows.claim(studio, other, job_id, 1, PREPARE) is Claim.BUSY
    rows.settle(studio, other, job_id, 1, PREPARE, FAILED)
    assert read(studio, job_id).state == "running"


def test_one_cancelled_before_it_began_is_never_begun(studio: Studio, job_id: str) -> None:
    with studio.db.session() as db:
        db.execute(update(Job).values(cancel_asked_at=1.0))
    assert rows.claim(studio, worker(studio), job_id, 1, PREPARE) is Claim.OVER
    assert read(studio, job_id).state == "cancelled"
    assert mails(studio) == []


def test_one_cancelled_as_its_step_ended_goes_no_further(studio: Studio, job_id: str) -> None:
    me = worker(studio)
    rows.claim(studio, me, job_id, 1, PREPARE)
    with studio.db.session() as db:
        db.execute(update(Job).values(cancel_asked_at=1.0))
    rows.settle(studio, me, job_id, 1, PREPARE, DONE)
    assert read(studio, job_id).state == "cancelled"
    assert events(studio) == [("photos", "w1", True, "cancelled")]


def test_portraits_that_are_there_are_delivered_though_cancelled_too_late(
    studio: Studio, job_id: str
) -> None:
    me = worker(studio)
    with studio.db.session() as db:
        db.execute(update(Job).values(stage="delivery"))
    rows.claim(studio, me, job_id, 1, DELIVER)
    with studio.db.session() as db:
        db.execute(update(Job).values(cancel_asked_at=1.0))
    rows.settle(studio, me, job_id, 1, DELIVER, LAST)
    assert read(studio, job_id).state == "done"


def test_a_failure_is_kept_and_mailed_in_both_languages(studio: Studio, job_id: str) -> None:
    me = worker(studio)
    rows.claim(studio, me, job_id, 1, PREPARE)
    rows.settle(studio, me, job_id, 1, PREPARE, FAILED)
    row = read(studio, job_id)
    assert (row.state, row.error, row.note) == ("failed", FAILED["error"], "said the server")
    assert row.finished_at is not None
    assert mails(studio) == [f"job:{job_id}:1:failed"]
    with studio.db.session() as db:
        assert db.scalars(select(Mail)).one().params["message"] == {"ko": "안 됨", "en": "No"}


def test_a_dead_workers_jobs_wait_again(studio: Studio, job_id: str) -> None:
    me = worker(studio)
    rows.claim(studio, me, job_id, 1, PREPARE)
    assert leases.take(studio, me, job_id, ["g1"])
    with studio.db.session() as db:
        db.execute(update(Worker).values(state="dead"))
        assert rows.lose(db, "w1") == [job_id]
    row = read(studio, job_id)
    assert (row.state, row.waiting, row.worker_id) == ("running", True, None)
    assert row.queued_at > 50.0
    assert events(studio) == [("photos", "w1", True, "lost"), ("photos", None, False, None)]
    with studio.db.session() as db:
        assert db.scalars(select(GpuLease)).all() == []
    other = worker(studio, "w2")
    assert rows.claim(studio, other, job_id, 1, PREPARE) is Claim.MINE


def test_one_that_is_dead_writes_nothing(studio: Studio, job_id: str) -> None:
    me = worker(studio)
    rows.claim(studio, me, job_id, 1, PREPARE)
    with studio.db.session() as db:
        db.execute(update(Worker).values(state="dead"))
    for action in (
        lambda: rows.claim(studio, me, job_id, 1, PREPARE),
        lambda: rows.settle(studio, me, job_id, 1, PREPARE, FAILED),
        lambda: rows.give_back(studio, me, job_id),
        lambda: leases.take(studio, me, job_id, ["g1"]),
    ):
        with pytest.raises(WorkerLost):
            action()
    row = read(studio, job_id)
    assert (row.state, row.worker_id) == ("running", "w1")


def test_a_job_that_kills_its_workers_fails_in_the_end(studio: Studio, job_id: str) -> None:
    for time_ in range(MAX_LOST):
        me = worker(studio, f"w{time_}")
        assert rows.claim(studio, me, job_id, 1, PREPARE) is Claim.MINE
        with studio.db.session() as db:
            rows.lose(db, me.id)
    assert rows.claim(studio, worker(studio), job_id, 1, PREPARE) is Claim.OVER
    row = read(studio, job_id)
    assert (row.state, row.error["code"]) == ("failed", "worker-lost")
    assert row.error["message"]["ko"]


def test_a_step_that_went_well_between_counts_anew(studio: Studio, job_id: str) -> None:
    me = worker(studio)
    for outcome in ("lost",) * (MAX_LOST - 1) + ("done",) + ("lost",) * (MAX_LOST - 1):
        with studio.db.session() as db:
            db.add(JobEvent(job_id=job_id, stage="photos", queued_at=1.0, ended_at=2.0, outcome=outcome))
    assert rows.claim(studio, me, job_id, 1, PREPARE) is Claim.MINE


def test_one_that_is_left_in_order_was_never_begun(studio: Studio, job_id: str) -> None:
    me = worker(studio)
    rows.claim(studio, me, job_id, 1, PREPARE)
    leases.take(studio, me, job_id, ["g1"])
    rows.give_back(studio, me, job_id)
    row = read(studio, job_id)
    assert (row.waiting, row.worker_id, row.queued_at) == (True, None, 50.0)
    assert [event[2:] for event in events(studio)] == [(False, None)]
    with studio.db.session() as db:
        assert db.scalars(select(GpuLease)).all() == []


def test_a_gpu_has_one_job(studio: Studio, job_id: str) -> None:
    me, other = worker(studio), worker(studio, "w2")
    assert leases.take(studio, me, job_id, ["a", "b"])
    assert leases.take(studio, me, job_id, ["b", "c"]), "its own it has already"
    assert not leases.take(studio, me, "another", ["c"])
    assert not leases.take(studio, other, job_id, ["c", "d"])
    with studio.db.session() as db:
        assert set(db.scalars(select(GpuLease.gpu))) == {"a", "b", "c"}, "all or none"
        assert leases.taken(db, ["a"])
        assert not leases.taken(db, ["a"], but=[job_id])
        assert not leases.taken(db, ["d"])
    leases.release(studio, "w2", job_id)
    assert not leases.take(studio, other, "another", ["a"])
    leases.release(studio, "w1", job_id)
    assert leases.take(studio, other, "another", ["a"])


def test_what_belongs_to_nobody_living_is_given_back(studio: Studio) -> None:
    worker(studio)
    with studio.db.session() as db:
        db.add(Worker(id="w2", role="all", host="h", pid=1, version="1", state="dead"))
        for gpu, owner in (("a", "w1"), ("b", "w2"), ("c", "w3")):
            db.add(GpuLease(gpu=gpu, worker_id=owner, job_id="j"))
        db.flush()
        leases.sweep(db)
        assert list(db.scalars(select(GpuLease.gpu))) == ["a"]


def test_a_deleted_account_gets_no_mail(studio: Studio, job_id: str) -> None:
    from studio.jobs.telling import tell

    row = read(studio, job_id)
    row.state = "done"
    with studio.db.session() as db:
        db.delete(db.get_one(User, row.user_id))
        db.flush()
        tell(db, studio, row)
    assert mails(studio) == []
