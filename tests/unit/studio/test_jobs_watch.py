"""What a worker takes from its queues, and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from studio.core import Studio
from studio.data import Flag, GpuLease, Job, Worker
from studio.jobs import WorkerLost
from studio.jobs.ledger import SLOTS
from studio.jobs.presence import FencedToken, Presence, clock
from studio.jobs.steps import STEPS
from studio.jobs.underway import Running
from studio.jobs.watching import PAUSED, Gates, Watch
from studio.work.stats import WorkerStats
from tests.stubs.jobs import make_album, make_user, options
from tests.stubs.studios import make_studio

PREPARE, TRAIN, DRAW, DELIVER = STEPS


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = make_studio(tmp_path, heartbeat_s=0.01)
    yield opened
    opened.close()


class Scene:
    """A worker's watch over DBOS's real book of active workflows."""

    def __init__(self, studio: Studio, role: str = "generate") -> None:
        from dbos._core import ActiveWorkflowById

        self.studio, self.active, self.running = studio, ActiveWorkflowById(), Running()
        asked = options("w1", role)
        self.presence = Presence(studio, asked, WorkerStats(), version="1")
        assert self.presence.enter(threading.Event())
        self.lost, self.stack = threading.Event(), ExitStack()
        self.watch = Watch(
            studio, self.presence, asked, self.running, Gates(self.active), on_lost=self.lost.set
        )

    def room(self, queue: str = "generate") -> int:
        """How many DBOS would take from a queue now."""
        self.watch.tick()
        return max(0, SLOTS[queue] - self.active.count_for_queue(queue))

    def work(self, job_id: str, step: Any = DRAW) -> FencedToken:
        """A step that DBOS has begun."""
        token = FencedToken(self.presence)
        self.active.add(f"{job_id}-1-{step.name}", step.queue, None)
        self.stack.enter_context(self.running.step(job_id, step, token))
        return token

    def add(self, row: Any) -> Any:
        with self.studio.db.session() as db:
            db.add(row)
        return row

    def job(self, **values: Any) -> str:
        user_id = make_user(self.studio)
        return self.add(Job(user_id=user_id, album_id=make_album(self.studio, user_id), **values)).id


@pytest.fixture
def scene(studio: Studio) -> Scene:
    return Scene(studio)


def test_one_at_a_time(scene: Scene) -> None:
    assert (scene.room(), scene.room("light")) == (1, 1)
    scene.work(scene.job())
    assert (scene.room(), scene.room("light")) == (0, 1)
    scene.work("j2", PREPARE)
    assert scene.room("light") == 0


def test_the_slot_taken_last_is_full_before_the_next_look(scene: Scene) -> None:
    assert scene.room() == 1
    scene.active.add("j-1-draw", "generate", None)
    assert SLOTS["generate"] - scene.active.count_for_queue("generate") == 0


def test_the_next_one_while_the_last_writes_its_files(scene: Scene) -> None:
    scene.running.gpu_done(scene.work(scene.job()))
    assert scene.room() == 1
    scene.work(scene.job())
    assert scene.room() == 0


def test_the_next_one_shortly_before_the_gpu_is_free(scene: Scene) -> None:
    job_id = scene.job(time_left_s=31.0)
    scene.work(job_id)
    assert scene.room() == 0
    with scene.studio.db.session() as db:
        db.get_one(Job, job_id).time_left_s = 29.0
    assert scene.room() == 1
    assert scene.running.ahead.is_set()
    scene.work(scene.job(time_left_s=1.0))
    assert scene.room() == 0, "one that waits is enough"
    assert scene.running.ahead.is_set(), "it has reason to wait"


def test_not_while_another_worker_could_begin_it_at_once(scene: Scene) -> None:
    scene.work(scene.job(time_left_s=1.0))
    idle = scene.add(Worker(id="w2", role="generate", host="h", pid=1, version="1"))
    assert scene.room() == 0
    scene.add(GpuLease(gpu="http://w2", worker_id=idle.id, job_id="another"))
    assert scene.room() == 1
    scene.add(Worker(id="w3", role="train", host="h", pid=1, version="1"))
    assert scene.room() == 1, "a trainer does not draw"


def test_nothing_while_another_has_the_gpu(scene: Scene) -> None:
    lease = scene.add(GpuLease(gpu="http://gpu1", worker_id="w2", job_id="another"))
    assert (scene.room(), scene.room("light")) == (0, 1)
    with scene.studio.db.session() as db:
        db.delete(db.merge(lease))
    assert scene.room() == 1


def test_nothing_while_the_studio_is_paused(scene: Scene) -> None:
    scene.add(Flag(key=PAUSED))
    assert (scene.room(), scene.room("light")) == (0, 0)
    with scene.studio.db.session() as db:
        db.delete(db.get_one(Flag, PAUSED))
    assert (scene.room(), scene.room("light")) == (1, 1)


def test_nothing_while_it_drains_or_ends(scene: Scene) -> None:
    with scene.studio.db.session() as db:
        db.get_one(Worker, "w1").state = "draining"
    scene.watch._beat_at = 0.0
    assert (scene.room(), scene.room("light")) == (0, 0)
    with scene.studio.db.session() as db:
        db.get_one(Worker, "w1").state = "running"
    scene.watch._beat_at = 0.0
    assert scene.room() == 1
    scene.running.leave()
    assert scene.room() == 0


def test_nothing_for_the_gpu_while_it_rests(scene: Scene) -> None:
    scene.running.rests_until = clock() + 100
    assert (scene.room(), scene.room("light")) == (0, 1)
    scene.running.rests_until = clock()
    assert scene.room() == 1


def test_a_worker_of_both_roles_looks_into_one_queue_at_a_time(studio: Studio) -> None:
    scene = Scene(studio, "all")
    looks = []
    for _ in range(4):
        scene.watch.tick()
        looks.append([SLOTS[q] - scene.active.count_for_queue(q) for q in ("train", "generate")])
    assert sorted(looks[:2]) == sorted(looks[2:]) == [[0, 1], [1, 0]]
    scene.work(scene.job(), TRAIN)
    assert [scene.room(queue) for queue in ("train", "generate", "generate")] == [0, 0, 0]


def test_what_its_owner_cancelled_or_deleted_is_ended(scene: Scene) -> None:
    kept, cancelled = scene.job(), scene.job(cancel_asked_at=1.0)
    tokens = [scene.work(job_id) for job_id in (kept, cancelled, "deleted")]
    scene.watch.tick()
    assert [token.cancelled for token in tokens] == [False, True, True]


def test_one_that_is_declared_dead_ends_all_it_does(scene: Scene) -> None:
    token = scene.work(scene.job())
    with scene.studio.db.session() as db:
        db.get_one(Worker, "w1").state = "dead"
    scene.watch._beat_at = 0.0
    with pytest.raises(WorkerLost):
        scene.watch.tick()
    scene.watch.start()
    assert scene.lost.wait(10)
    scene.watch.stop()
    assert token.cancelled
    assert scene.running.leaving.is_set()
    assert scene.active.count_for_queue("generate") >= SLOTS["generate"]
