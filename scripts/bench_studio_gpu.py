"""How busy the studio keeps its GPUs while jobs wait: workers as processes, their servers simulated.

    python scripts/bench_studio_gpu.py                      three servers, real-life times, about ten minutes
    python scripts/bench_studio_gpu.py --scale 0.1          the same in a tenth of the time

What is real: queues, leases, heartbeats, databases, processes. What is simulated: the work. Each step waits
as long as it takes in real life (`TIMES_S`, from docs/benchmarks.md), its GPU part holding the GPU's lease.
The share is counted from the moment the last server got its first job to the moment no more jobs wait.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

TIMES_S = {"prepare": 8.0, "before": 4.0, "gpu": 120.0, "after": 8.0, "deliver": 6.0}
"""A job of four portraits, its training done: photos judged, the step prepared, the server at work, files
written, pictures marked. `gpu` varies by a third either way."""
AHEAD_KNOWN_S = 1.0
"""How often the time left is told."""


@dataclass(frozen=True)
class Plan:
    """What is asked for on the command line."""

    servers: int
    users: int
    jobs: int
    scale: float


def main() -> int:
    """Run it and print the share."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--users", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=15)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all times")
    parser.add_argument("--worker", nargs=2, metavar=("DATA", "NAME"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    plan = Plan(given.servers, given.users, given.jobs, given.scale)
    if given.worker:
        return _be_worker(Path(given.worker[0]), given.worker[1], plan)
    with tempfile.TemporaryDirectory() as folder:
        share = measure(Path(folder), plan)
    print(f"{plan.servers} servers, {plan.jobs} jobs of {plan.users} users, times x {plan.scale:g}: "
          f"GPUs busy {share:.1%} while jobs waited")  # fmt: skip
    return 0


def measure(folder: Path, plan: Plan) -> float:
    """Hand the jobs in, let workers do them, count.

    Args:
        folder: For the data.
        plan: What to do.

    Returns:
        The share of the time, 0 to 1, in which the servers worked while jobs waited for them.
    """
    from sqlalchemy import select

    from studio.core import Studio
    from studio.data import Job
    from studio.jobs import Jobs

    studio = Studio.open(_settings(folder))
    jobs = Jobs(studio)
    albums = [_album(studio) for _ in range(plan.jobs)]
    users = [_user(studio, number) for number in range(plan.users)]
    for number, make in enumerate(albums):
        make(users[number % plan.users], jobs)
    workers = [_start(folder, f"gpu{number + 1}", plan) for number in range(plan.servers)]
    try:
        while True:
            with studio.db.session() as db:
                if db.scalar(select(Job.id).where(Job.state.in_(("queued", "running"))).limit(1)) is None:
                    break
            time.sleep(0.5)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(30)
        jobs.close()
        studio.close()
    noted = _noted(folder)
    for server, gaps in sorted(idle_gaps(noted).items()):
        print(f"{server}: idle between jobs, seconds: {', '.join(f'{gap:.1f}' for gap in gaps)}")
    return busy_share(noted, plan.servers)


def idle_gaps(intervals: list[tuple[str, float, float]]) -> dict[str, list[float]]:
    """How long each server waited for each of its next jobs."""
    gaps: dict[str, list[float]] = {}
    ended: dict[str, float] = {}
    for server, begin, end in sorted(intervals, key=lambda interval: interval[1]):
        if server in ended:
            gaps.setdefault(server, []).append(begin - ended[server])
        ended[server] = end
    return gaps


def busy_share(intervals: list[tuple[str, float, float]], servers: int) -> float:
    """From (server, begin, end) of each time a server worked.

    Counted from when the last server began its first to when the last job began: until then jobs waited.
    """
    begins: dict[str, float] = {}
    for server, begin, _ in intervals:
        begins[server] = min(begin, begins.get(server, begin))
    if len(begins) < servers:
        raise SystemExit("Not every server had a job: hand in more.")
    since, until = max(begins.values()), max(begin for _, begin, _ in intervals)
    busy = sum(max(0.0, min(end, until) - max(begin, since)) for _, begin, end in intervals)
    return busy / (servers * (until - since))


class TimedWork:
    """Steps that take as long as real ones and do nothing."""

    def __init__(self, studio: Any, plan: Plan) -> None:
        self._studio, self._scale = studio, plan.scale
        self._log = studio.layout.root / "gpu.log"

    def make_stats(self) -> Any:
        """As a worker's."""
        from studio.work import WorkerStats

        return WorkerStats()

    def do(self, task: Any, stats: Any) -> Mapping[str, Any]:
        """Wait."""
        if task.step.name != "draw":
            self._wait(task, TIMES_S[task.step.name])
            return {"train": False}
        self._wait(task, TIMES_S["before"])
        with task.turn():
            began = time.time()
            self._draw(task, TIMES_S["gpu"] * random.Random(task.job_id).uniform(2 / 3, 4 / 3))
            line = json.dumps([task.options.name, began, time.time()])
        with self._log.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
        stats.busy(task.options.urls[0], time.time() - began)
        self._wait(task, TIMES_S["after"])
        return {}

    def explain(self, error: BaseException) -> Any:
        """Nothing of it can fail."""
        raise error

    def note(self, error: BaseException) -> str:
        """For the operator."""
        return str(error)

    def worth_waiting(self, error: BaseException) -> bool:
        """Nothing of it can fail."""
        del error
        return False

    def _draw(self, task: Any, seconds: float) -> None:
        from sqlalchemy import update

        from studio.data import Job

        until = time.monotonic() + seconds * self._scale
        while (left := until - time.monotonic()) > 0:
            with self._studio.db.session() as db:
                db.execute(update(Job).where(Job.id == task.job_id).values(time_left_s=left))
            self._wait(task, min(left, AHEAD_KNOWN_S) / self._scale)

    def _wait(self, task: Any, seconds: float) -> None:
        until = time.monotonic() + seconds * self._scale
        while (left := until - time.monotonic()) > 0 and not task.cancel.cancelled:
            time.sleep(min(left, 0.2))


def _be_worker(folder: Path, name: str, plan: Plan) -> int:
    from signal import SIGTERM, signal

    from studio.cli._options import WebUIOptions
    from studio.connect import Address, Target
    from studio.core import Studio
    from studio.jobs import WorkerOptions, run_worker
    from studio.settings import Settings

    stop = threading.Event()
    signal(SIGTERM, lambda *_: stop.set())
    studio = Studio.open(_settings(folder))
    webui = WebUIOptions(Settings(), Target((Address(f"http://{name}"),), ""), None, True)
    try:
        run_worker(studio, WorkerOptions(name, "generate", webui), stop=stop, work=TimedWork(studio, plan))
    finally:
        studio.close()
    return 0


def _start(folder: Path, name: str, plan: Plan) -> subprocess.Popen[bytes]:
    args = [sys.executable, __file__, "--worker", str(folder), name, "--scale", str(plan.scale)]
    return subprocess.Popen(args, env=dict(os.environ))


def _settings(folder: Path) -> Any:
    from studio.service_settings import load_settings

    return load_settings(data_dir=folder, quota_jobs=1000, quota_portraits_month=100_000)


def _user(studio: Any, number: int) -> str:
    from studio.data import User

    user = User(email=f"user{number}@example.org", confirmed_at=time.time())
    with studio.db.session() as db:
        db.add(user)
    return user.id


def _album(studio: Any) -> Any:
    from studio.data import Album, Photo
    from studio.wishes import Wishes

    def hand_in(user_id: str, jobs: Any) -> None:
        album = Album(user_id=user_id, consent_at=time.time(), consent_version="bench")
        with studio.db.session() as db:
            db.add(album)
            db.flush()
            for photo in range(10):
                db.add(
                    Photo(
                        album_id=album.id, user_id=user_id, file=f"{photo:08x}.jpg", sha256=f"{photo:064x}",
                        width=512, height=512, size_bytes=1, accepted=True, verdict={"code": "good"},
                    )
                )  # fmt: skip
        jobs.submit(user_id, album.id, Wishes.model_validate({"count": 4}))

    return hand_in


def _noted(folder: Path) -> list[tuple[str, float, float]]:
    lines = (folder / "gpu.log").read_text(encoding="utf-8").splitlines()
    return [(name, begin, end) for name, begin, end in map(json.loads, lines)]


if __name__ == "__main__":
    raise SystemExit(main())
