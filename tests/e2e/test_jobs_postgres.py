"""Three workers, twenty jobs and a PostgreSQL, with workers killed and connections cut at random."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import select

from sdwebui_client import WebUI
from sdwebui_client.sandbox import SandboxServer, SandboxSettings
from studio.core import Studio
from studio.data import GpuLease, Job, JobEvent, Mail
from studio.jobs import Jobs
from tests.stubs.jobs import (
    PIECES,
    FakeWork,
    WorkerProcess,
    all_ended,
    hand_in,
    make_user,
    quick_settings,
    until,
)
from tests.stubs.postgres import Postgres, postgres_available, start_postgres

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not postgres_available(), reason="PostgreSQL's server is not installed"),
]

WORKERS, JOBS, USERS, KILLS, SEED = 3, 20, 5, 6, 20260121
STEPS = ("prepare", "train", "draw", "deliver")


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = start_postgres(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def studio(tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setenv("SDWEBUI_DATABASE_URL", postgres.url)
    (tmp_path / "data").mkdir()
    opened = Studio.open(quick_settings(tmp_path / "data"))
    yield opened
    opened.close()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[SandboxServer]]:
    """A WebUI for each worker."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(SandboxServer(SandboxSettings(models_dir=tmp_path / f"models{n}")))
            for n in range(WORKERS)
        ]


def test_nothing_is_lost_or_made_twice(
    studio: Studio, postgres: Postgres, servers: list[SandboxServer]
) -> None:
    work = FakeWork(studio.layout.root / "work.log")
    jobs, dice = Jobs(studio), random.Random(SEED)
    workers = [
        WorkerProcess(studio, f"w{n}", FAKE_SECONDS="0.25", FAKE_DEAD_S="6", FAKE_URL=server.url)
        for n, server in enumerate(servers)
    ]
    try:
        users = [make_user(studio) for _ in range(USERS)]
        handed_in = [hand_in(studio, jobs, users[n % USERS]) for n in range(JOBS)]
        until(lambda: work.noted("piece"), 60)
        for round_ in range(KILLS):
            time.sleep(dice.uniform(1.0, 3.0))
            if round_ % 2:
                postgres.kill_connections()
            victim = dice.choice(workers)
            victim.kill()
            if dice.random() < 0.7:
                time.sleep(dice.uniform(0.0, 2.0))
                victim.again()
        workers[0].keep()
        until(lambda: workers[0].keep() or all_ended(studio), 120)
    finally:
        for process in workers:
            process.end()
        jobs.close()
    _check(studio, work, handed_in)
    _count(servers, studio.layout.root, sum(process.starts for process in workers))


def _count(servers: list[SandboxServer], root: Path, starts: int) -> None:
    """Every picture is kept once; one was paid twice only when its worker did not live to see it."""
    kept = [path.read_bytes() for path in root.glob("made-*-draw-*")]
    assert len(kept) == JOBS * PIECES
    assert all(data.startswith(b"\x89PNG") for data in kept)
    paid = 0
    for server in servers:
        with WebUI(server.url) as webui:
            paid += int(webui.sandbox_info()["generations"])
    assert len(kept) <= paid <= len(kept) + starts - WORKERS


def _check(studio: Studio, work: FakeWork, handed_in: list[str]) -> None:
    with studio.db.session() as db:
        states = Counter(db.scalars(select(Job.state)))
        assert states == {"done": JOBS}, [
            (job.id, job.state, job.stage, job.error, job.note) for job in db.scalars(select(Job))
        ]
        assert db.scalars(select(GpuLease)).all() == []
        mails = Counter(db.scalars(select(Mail.job_id).where(Mail.template == "ready")))
        rows = db.execute(select(JobEvent.job_id, JobEvent.stage).where(JobEvent.outcome == "done"))
        done = Counter((row.job_id, row.stage) for row in rows)
    assert mails == dict.fromkeys(handed_in, 1)
    assert done == {
        (job, stage): 1 for job in handed_in for stage in ("photos", "training", "drawing", "delivery")
    }
    pieces = Counter((job, step) for _, job, step, _ in work.noted("piece"))
    assert pieces == {(job, step): PIECES for job in handed_in for step in STEPS}
    _never_on_two_workers(work)


def _never_on_two_workers(work: FakeWork) -> None:
    """Once a second process has begun a step, the first says no more about it."""
    owner: dict[tuple[str, str], str] = {}
    for what, job, step, who in work.noted():
        if what == "begin":
            owner[job, step] = who
        assert owner[job, step] == who, (job, step, who)
