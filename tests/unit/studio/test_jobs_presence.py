"""A worker's row: who has it, the heartbeat, and the fence around one that was too slow."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from studio.core import Studio
from studio.data import Worker
from studio.errors import BadInput
from studio.jobs import WorkerLost
from studio.jobs import presence as module
from studio.jobs.presence import FencedToken, Presence
from studio.work.stats import WorkerStats
from tests.stubs.jobs import options
from tests.stubs.studios import make_studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = make_studio(tmp_path, heartbeat_s=0.1, dead_after_s=2.0)
    yield opened
    opened.close()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What our clock says; the test turns it."""
    time_ = [100.0]
    monkeypatch.setattr(module, "clock", lambda: time_[0])
    return time_


def present(studio: Studio, **more: Any) -> Presence:
    stats = WorkerStats()
    stats.busy("http://gpu1", 2.0)
    return Presence(studio, options(**more), stats, version="1")


def entered(studio: Studio) -> Presence:
    made = present(studio)
    assert made.enter(threading.Event())
    return made


def read(studio: Studio) -> Worker:
    with studio.db.session() as db:
        return db.get_one(Worker, "w1")


def change(studio: Studio, **values: Any) -> None:
    with studio.db.session() as db:
        db.execute(update(Worker).values(**values))


def test_the_row_says_who_works_where(studio: Studio) -> None:
    entered(studio)
    row = read(studio)
    assert (row.role, row.pid, row.version, row.state) == ("all", os.getpid(), "1", "running")
    assert row.servers == ["http://gpu1"]
    assert row.started_at == row.heartbeat_at
    assert row.stats["servers"]["http://gpu1"]["busy_s"] == 2.0


def test_a_trainer_without_webui_names_its_gpu(studio: Studio) -> None:
    assert present(studio, urls=(), gpu="gpu7", role="train").enter(threading.Event())
    assert read(studio).servers == ["gpu7"]


def test_the_heartbeat_moves_on_and_tells_what_an_operator_asked(studio: Studio) -> None:
    worker = entered(studio)
    before = read(studio).heartbeat_at
    change(studio, state="draining")
    worker.beat()
    assert read(studio).heartbeat_at > before
    assert worker.state == "draining"


def test_leaving_is_said(studio: Studio) -> None:
    worker = entered(studio)
    worker.leave()
    assert read(studio).state == "stopped"
    assert present(studio).enter(threading.Event())


@pytest.mark.parametrize("values", [{"state": "dead"}, {"started_at": 1.0}])
def test_one_that_was_declared_dead_or_replaced_does_nothing_more(
    studio: Studio, values: dict[str, Any]
) -> None:
    worker = entered(studio)
    change(studio, **values)
    assert worker.sure()
    with pytest.raises(WorkerLost), studio.db.session() as db:
        worker.hold(db)
    assert not worker.sure()
    worker.leave()
    assert read(studio).state == values.get("state", "running")


def test_one_that_slept_asks_before_it_goes_on(studio: Studio, now: list[float]) -> None:
    worker = entered(studio)
    token = FencedToken(worker)
    before = read(studio).heartbeat_at
    now[0] += 1.0
    assert not token.cancelled
    assert read(studio).heartbeat_at == before
    now[0] += 60.0
    assert not token.cancelled, "nobody had declared it dead"
    assert read(studio).heartbeat_at > before
    now[0] += 60.0
    change(studio, state="dead")
    assert token.cancelled
    assert worker.lost.is_set()


def test_a_token_is_cancelled_as_any_other(studio: Studio) -> None:
    token = FencedToken(entered(studio))
    heard: list[str] = []
    token._subscribe(lambda: heard.append("end"))
    assert not token.cancelled
    token.cancel()
    assert token.cancelled
    assert heard == ["end"]


def test_without_a_database_nobody_is_sure_for_long(
    studio: Studio, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = entered(studio)

    def away() -> None:
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(worker, "beat", away)
    now[0] += 1.0
    assert worker.sure()
    now[0] += 1.0
    assert not worker.sure()
    assert worker.lost.is_set()


def test_a_name_belongs_to_one_living_worker(studio: Studio) -> None:
    entered(studio)
    change(studio, host="elsewhere", pid=7)
    stop = threading.Event()

    def live() -> None:
        while not stop.wait(0.05):
            change(studio, heartbeat_at=time.time())

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with pytest.raises(BadInput, match=r"runs on elsewhere \(pid 7\)"):
            present(studio).enter(threading.Event())
    finally:
        stop.set()
        thread.join()


def test_a_silent_one_elsewhere_is_waited_for(studio: Studio) -> None:
    entered(studio)
    change(studio, host="elsewhere", pid=7, heartbeat_at=time.time() - 1.2)
    begun = time.monotonic()
    entered(studio)
    assert 0.3 < time.monotonic() - begun < 10


def test_waiting_ends_when_told_to(studio: Studio) -> None:
    entered(studio)
    change(studio, host="elsewhere", pid=7)
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert not present(studio).enter(stop)


def test_a_killed_one_of_this_machine_is_replaced_at_once(studio: Studio) -> None:
    entered(studio)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    change(studio, pid=gone.pid)
    begun = time.monotonic()
    entered(studio)
    assert time.monotonic() - begun < 1
