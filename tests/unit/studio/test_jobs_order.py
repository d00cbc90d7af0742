"""Who is next: turns among users, priorities, and the place that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.core import Studio
from studio.data import Album, Job
from studio.jobs.order import MAX_PRIORITY, MIN_PRIORITY, before, next_turn, position, queue_priority
from tests.stubs.studios import make_studio, make_user

UNFINISHED = ("queued", "running")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return make_studio(tmp_path)


class Queue:
    """Jobs of users A, B, C, handed in one after the other."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.clock = studio, 1000.0
        self.users: dict[str, str] = {}
        self.albums: dict[str, str] = {}

    def hand_in(self, who: str, *, priority: int = 100, **columns: object) -> Job:
        if who not in self.users:
            self.users[who] = make_user(self.studio, f"{who.lower()}@example.org").id
            with self.studio.db.session() as db:
                album = Album(user_id=self.users[who])
                db.add(album)
            self.albums[who] = album.id
        self.clock += 1
        with self.studio.db.session() as db:
            job = Job(
                user_id=self.users[who], album_id=self.albums[who], priority=priority, created_at=self.clock,
                turn=next_turn(db, self.users[who]), stage="choosing", note=f"{who}",
            )  # fmt: skip
            for name, value in columns.items():
                setattr(job, name, value)
            db.add(job)
        return job

    def end(self, job: Job) -> None:
        with self.studio.db.session() as db:
            db.get_one(Job, job.id).state = "done"

    def order(self) -> str:
        """Who is served, in order."""
        with self.studio.db.session() as db:
            jobs = [job for job in db.query(Job) if job.state in UNFINISHED]
        jobs.sort(key=lambda job: (queue_priority(job.priority, job.turn), job.created_at))
        return "".join(job.note for job in jobs)


@pytest.fixture
def queue(studio: Studio) -> Queue:
    return Queue(studio)


def test_users_take_turns(queue: Queue) -> None:
    for who in "AAAABBC":
        queue.hand_in(who)
    assert queue.order() == "ABCABAA"


def test_who_comes_late_waits_for_one_turn_not_for_all(queue: Queue) -> None:
    first = [queue.hand_in("A") for _ in range(5)]
    queue.end(first[0])
    queue.hand_in("B")
    assert queue.order() == "ABAAA"


def test_handing_in_one_after_the_other_gains_nothing(queue: Queue) -> None:
    queue.hand_in("C", state="running")
    for _ in range(3):
        queue.hand_in("D")
    for _ in range(3):
        queue.end(queue.hand_in("C"))
    last = queue.hand_in("C")
    assert last.turn == 4
    assert queue.order() == "CDDDC"


def test_what_was_used_while_nobody_waited_is_not_held_against_one(queue: Queue) -> None:
    for _ in range(9):
        queue.end(queue.hand_in("A"))
    queue.hand_in("B")
    queue.hand_in("A")
    assert queue.order() == "BA"


def test_priorities_hold_between_users(queue: Queue) -> None:
    queue.hand_in("A")
    queue.hand_in("B")
    queue.hand_in("B", priority=50)
    queue.hand_in("A", priority=200)
    assert queue.order() == "BABA"


def test_the_number_dbos_is_given_is_one_it_takes() -> None:
    from dbos._enqueue_options import MaxPriority, MinPriority

    assert queue_priority(MIN_PRIORITY, 0) >= MinPriority
    assert queue_priority(MAX_PRIORITY, 10**9) <= MaxPriority
    assert queue_priority(100, 999_999) < queue_priority(101, 0)
    assert queue_priority(100, 1) < queue_priority(100, 2)


def test_a_place_counts_those_who_wait_before(studio: Studio, queue: Queue) -> None:
    running = queue.hand_in("A", state="running", waiting=False)
    looking = queue.hand_in("B", state="running", waiting=False, stage="photos")
    mine = queue.hand_in("C")
    after = queue.hand_in("C")
    with studio.db.session() as db:
        assert position(db, running) is None
        assert position(db, looking) is None
        assert position(db, mine) == 2
        assert position(db, after) == 3
        assert db.query(Job).where(before(mine)).count() == 2


def test_a_finished_job_has_no_place(studio: Studio, queue: Queue) -> None:
    job = queue.hand_in("A", state="cancelled")
    with studio.db.session() as db:
        assert position(db, job) is None
