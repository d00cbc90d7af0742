"""One step on one worker: trouble, failure, cancel, the end of the worker, the GPU's turn. Without DBOS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from studio.core import Studio
from studio.data import GpuLease, Job, Worker
from studio.jobs import Task, afterwards, rows, running, trouble
from studio.jobs.errors import GiveBack
from studio.jobs.presence import Presence
from studio.jobs.running import StepRunner
from studio.jobs.steps import STEPS
from tests.stubs.jobs import Broken, FakeWork, Trouble, make_album, make_user, options, until
from tests.stubs.jobs import job as read
from tests.stubs.studios import make_studio

PREPARE, TRAIN, DRAW, DELIVER = STEPS


class NoLedger:
    """DBOS, not asked."""

    def held(self, executor: str) -> list[object]:
        return []


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setattr(afterwards, "follow_up", lambda *_: None)
    monkeypatch.setattr(running, "POLL_S", 0.01)
    monkeypatch.setattr(running, "PATIENCE_S", 0.1)
    monkeypatch.setattr(trouble, "_FIRST_PAUSE_S", 0.01)
    opened = make_studio(tmp_path, dead_after_s=600)
    yield opened
    opened.close()


@pytest.fixture
def work(tmp_path: Path) -> FakeWork:
    return FakeWork(tmp_path / "work.log")


@pytest.fixture
def runner(studio: Studio, work: FakeWork) -> StepRunner:
    return make_runner(studio, work)


def make_runner(studio: Studio, work: FakeWork, name: str = "w1") -> StepRunner:
    asked, stats = options(name, gpu="g"), work.make_stats()
    presence = Presence(studio, asked, stats, version="1")
    assert presence.enter(threading.Event())
    return StepRunner(studio, NoLedger(), presence, asked, work, stats)  # type: ignore[arg-type]


def waiting_job(studio: Studio, stage: str = "choosing") -> str:
    user_id = make_user(studio)
    with studio.db.session() as db:
        job = Job(user_id=user_id, album_id=make_album(studio, user_id), stage=stage)
        db.add(job)
        rows.begin(db, job)
    return job.id


def go(runner: StepRunner, job_id: str, step: str = "draw") -> str:
    return runner.run(job_id, 1, step, lambda action: action())


def failing(*errors: BaseException) -> Callable[[Task], None]:
    """Fails so often, then does not."""
    left = list(errors)

    def before(task: Task) -> None:
        if left:
            raise left.pop(0)

    return before


def cancel_when(studio: Studio, runner: StepRunner, ready: Callable[[], Any]) -> threading.Thread:
    def act() -> None:
        until(ready)
        for job_id in runner.running.jobs():
            runner.running.cancel(job_id)

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_what_comes_next_is_known_by_the_step(studio: Studio, runner: StepRunner, work: FakeWork) -> None:
    for step, stage, following in (
        ("prepare", "photos", "training"),
        ("train", "training", "choosing"),
        ("draw", "choosing", "delivery"),
        ("deliver", "delivery", "mail"),
    ):
        job_id = waiting_job(studio, stage)
        assert go(runner, job_id, step) == "done"
        assert read(studio, job_id).stage == following
    work.train = False
    job_id = waiting_job(studio, "photos")
    go(runner, job_id, "prepare")
    assert read(studio, job_id).stage == "choosing"


def test_trouble_is_waited_through_and_noted(studio: Studio, runner: StepRunner, work: FakeWork) -> None:
    notes: list[str] = []
    fail = failing(Trouble("the server restarts"), Trouble("still"))

    def before(task: Task) -> None:
        notes.append(read(studio, task.job_id).note)
        fail(task)

    work.before = before
    job_id = waiting_job(studio)
    assert go(runner, job_id) == "done"
    assert notes == ["", "the server restarts", "still"]


def test_trouble_that_does_not_end_fails_the_job(
    studio: Studio, runner: StepRunner, work: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "TROUBLE_S", 0.1)
    work.before = failing(*[Trouble("away")] * 1000)
    job_id = waiting_job(studio)
    assert go(runner, job_id) == "failed"
    row = read(studio, job_id)
    assert (row.state, row.error["code"], row.note) == ("failed", "broken", "away")


def test_every_step_forward_begins_the_patience_anew() -> None:
    waited = trouble.Trouble()
    assert waited.goes_on(0.5)
    waited._since -= 2 * trouble.TROUBLE_S
    assert not waited.goes_on(0.5)
    assert waited.goes_on(0.51)
    assert waited.lasts_s < 1
    pauses = [waited.pause_s() for _ in range(8)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_failure_is_told_at_once(studio: Studio, runner: StepRunner, work: FakeWork) -> None:
    work.before = failing(Broken("the GPU is on fire"))
    job_id = waiting_job(studio)
    assert go(runner, job_id) == "failed"
    row = read(studio, job_id)
    assert row.error == {
        "code": "broken",
        "message": {"en": "It broke.", "ko": "고장났습니다."},
        "hint": {"en": "Mend it.", "ko": "고치세요."},
    }
    assert row.note == "the GPU is on fire"
    assert runner.running.jobs() == []


@pytest.mark.parametrize("where", ["work", "trouble"])
def test_a_cancelled_step_ends(studio: Studio, runner: StepRunner, work: FakeWork, where: str) -> None:
    work.seconds = 60.0
    if where == "trouble":
        work.before = failing(*[Trouble("away")] * 1000)
    job_id = waiting_job(studio)
    thread = cancel_when(studio, runner, lambda: work.noted("begin"))
    assert go(runner, job_id) == "cancelled"
    thread.join()
    assert read(studio, job_id).state == "cancelled"
    with studio.db.session() as db:
        assert db.scalars(select(GpuLease)).all() == []


def test_a_worker_that_ends_leaves_its_step_as_it_was(
    studio: Studio, runner: StepRunner, work: FakeWork
) -> None:
    work.seconds = 60.0
    job_id = waiting_job(studio)
    thread = threading.Thread(target=lambda: until(lambda: work.noted("gpu")) and runner.running.leave())
    thread.start()
    with pytest.raises(GiveBack):
        go(runner, job_id)
    thread.join()
    row = read(studio, job_id)
    assert (row.state, row.waiting, row.worker_id) == ("running", True, None)
    with pytest.raises(GiveBack):
        go(runner, job_id)


def test_a_worker_that_was_lost_writes_nothing(studio: Studio, runner: StepRunner, work: FakeWork) -> None:
    job_id = waiting_job(studio)

    def before(task: Task) -> None:
        with studio.db.session() as db:
            db.execute(update(Worker).values(state="dead"))
            db.execute(update(Job).values(worker_id="w2"))

    work.before = before
    with pytest.raises(GiveBack):
        go(runner, job_id)
    assert read(studio, job_id).worker_id == "w2"
    with studio.db.session() as db:
        assert db.scalars(select(GpuLease)).all() == []


def test_a_gpu_in_use_is_given_up_after_a_while(studio: Studio, runner: StepRunner, work: FakeWork) -> None:
    other = make_runner(studio, work, "w2")
    job_id = waiting_job(studio)
    with studio.db.session() as db:
        db.add(GpuLease(gpu="g", worker_id="w2", job_id="another"))
    begun = time.monotonic()
    with pytest.raises(GiveBack):
        go(runner, job_id)
    assert time.monotonic() - begun < 5
    assert read(studio, job_id).waiting
    assert work.noted("gpu") == []
    runner.running.ahead.set()
    with studio.db.session() as db:
        lease = db.get_one(GpuLease, "g")
    threading.Timer(0.5, lambda: _release(studio, lease)).start()
    assert go(runner, job_id) == "done"
    assert other.running.jobs() == []


def _release(studio: Studio, lease: GpuLease) -> None:
    with studio.db.session() as db:
        db.delete(db.merge(lease))


def test_cancelled_while_it_waits_for_the_gpu(
    studio: Studio, runner: StepRunner, work: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PATIENCE_S", 60.0)
    with studio.db.session() as db:
        db.add(GpuLease(gpu="g", worker_id="w2", job_id="another"))
    job_id = waiting_job(studio)
    thread = cancel_when(studio, runner, lambda: work.noted("begin"))
    assert go(runner, job_id) == "cancelled"
    thread.join()


def test_the_next_step_may_begin_once_the_gpu_is_left(
    studio: Studio, runner: StepRunner, work: FakeWork
) -> None:
    seen: list[tuple[list[str], int]] = []
    job_id = waiting_job(studio)

    class Watching(FakeWork):
        def do(self, task: Task, stats: Any) -> dict[str, bool]:
            seen.append((runner.running.for_gpu(), runner.running.count("generate")))
            with task.turn():
                seen.append((runner.running.for_gpu(), runner.running.count("generate")))
            seen.append((runner.running.for_gpu(), runner.running.count("generate")))
            return {}

    runner._work = Watching(work.log)
    go(runner, job_id)
    assert seen == [([job_id], 1), ([job_id], 1), ([], 1)]


def test_jobs_of_ailing_servers_are_left_to_workers_that_are_well(
    studio: Studio, runner: StepRunner, work: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "HAND_OVER_S", 0.0)
    work.before = failing(*[Trouble("away")] * 3)
    alone = waiting_job(studio)
    assert go(runner, alone) == "done", "there is no other worker"
    make_runner(studio, work, "w2")
    work.before = failing(*[Trouble("away")] * 3)
    job_id = waiting_job(studio)
    with pytest.raises(GiveBack):
        go(runner, job_id)
    assert read(studio, job_id).waiting
    assert runner.running.rests_until > 0
    assert go(runner, job_id) == "done", "one that comes back is waited for"


def test_a_database_that_is_away_for_a_moment_ends_nothing(
    studio: Studio, runner: StepRunner, work: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, left = rows.settle, [1, 2]

    def away(*args: Any) -> None:
        if left:
            left.pop()
            raise OperationalError("update", {}, Exception("gone"))
        settle(*args)

    monkeypatch.setattr(rows, "settle", away)
    job_id = waiting_job(studio)
    assert go(runner, job_id) == "done"
    assert read(studio, job_id).stage == "delivery"


def test_what_dbos_kept_is_not_done_again(studio: Studio, runner: StepRunner, work: FakeWork) -> None:
    job_id = waiting_job(studio)
    kept = {"outcome": "done", "next": "deliver"}
    assert runner.run(job_id, 1, "draw", lambda _action: kept) == "done"
    assert work.noted() == []
    assert read(studio, job_id).stage == "delivery"
