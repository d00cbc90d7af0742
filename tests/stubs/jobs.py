"""A studio with users, albums and workers whose work is a stand-in: what the tests of jobs share.

Run as `python -m tests.stubs.jobs DATA NAME ROLE` it is a worker process that ends like a real one.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from studio.connect import Address, Target
from studio.core import Studio
from studio.data import Album, Job, Photo, User, new_id
from studio.jobs import Jobs, Task, WorkerOptions, run_worker
from studio.refusals import Refused
from studio.service_settings import StudioSettings, load_settings
from studio.settings import Settings
from studio.wishes import Wishes
from studio.work.stats import WorkerStats

QUICK = {"heartbeat_s": 0.2, "dead_after_s": 3.0, "quota_jobs": 50, "quota_portraits_month": 10_000}


ROOT = Path(__file__).parents[2]
PIECES = 5
"""Of each step."""


class Trouble(Exception):
    """A server that may come back."""


class Broken(Exception):
    """Something that no waiting mends."""


class FakeWork:
    """Steps of `seconds` each, in pieces that are kept; what happens is noted in a file."""

    def __init__(self, log: Path, *, seconds: float = 0.0, train: bool = True, draws: bool = False) -> None:
        """
        Args:
            log: What happens is noted here; pieces are kept beside it.
            seconds: How long a step takes.
            train: Whether a training is needed.
            draws: Whether the pieces of `draw` are pictures of the worker's WebUI.
        """
        self.log, self.seconds, self.train, self.draws = log, seconds, train, draws
        self.before: Callable[[Task], None] = lambda task: None

    def make_stats(self) -> WorkerStats:
        return WorkerStats()

    def do(self, task: Task, stats: Any) -> Mapping[str, Any]:
        self.note("begin", task)
        self.before(task)
        if task.step.on_gpu:
            with task.turn():
                self.note("gpu", task)
                self._busy(task)
                self.note("gpu-end", task)
        else:
            self._busy(task)
        self.note("end", task)
        return {"train": self.train}

    def explain(self, error: BaseException) -> Refused:
        return Refused("broken", en="It broke.", ko="고장났습니다.", hint_en="Mend it.", hint_ko="고치세요.")

    def note(self, what: str | BaseException, task: Task | None = None) -> str:
        if task is None:
            return str(what)
        line = json.dumps([what, task.job_id, task.step.name, task.options.name, os.getpid(), time.time()])
        with self.log.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
        return line

    def worth_waiting(self, error: BaseException) -> bool:
        return isinstance(error, Trouble)

    def _busy(self, task: Task) -> None:
        """Make the step's pieces, those that are not there yet; each is noted once it is whole."""
        for piece in range(PIECES):
            made = self.log.parent / f"made-{task.job_id}-{task.step.name}-{piece}"
            if made.exists():
                continue
            data = self._make(task)
            self.note("piece", task)
            made.write_bytes(data)

    def _make(self, task: Task) -> bytes:
        if self.draws and task.step.name == "draw":
            return self._draw(task)
        until = time.monotonic() + self.seconds / PIECES
        while time.monotonic() < until:
            time.sleep(0.02)
            if task.cancel.cancelled:
                raise Broken("cancelled")
        return b""

    def _draw(self, task: Task) -> bytes:
        """A picture of the worker's WebUI."""
        from sdwebui_client import WebUI

        with WebUI(task.options.urls[0]) as webui:
            result = webui.txt2img(prompt="portrait", width=64, height=64, steps=2, cancel=task.cancel)
        return result.images[0].data

    def noted(self, what: str | None = None) -> list[tuple[str, ...]]:
        """(what, job, step, worker) of everything noted so far."""
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [tuple(line[:4]) for line in lines if what in (None, line[0])]


def quick_settings(root: Path, **changes: Any) -> StudioSettings:
    """Everything soon, nothing mailed."""
    return load_settings(data_dir=root, **{**QUICK, **changes})


def make_user(studio: Studio) -> str:
    """A user who may begin jobs."""
    with studio.db.session() as db:
        user = User(email=f"{new_id()}@example.org", confirmed_at=time.time())
        db.add(user)
    return user.id


def make_album(studio: Studio, user_id: str, photos: int = 10) -> str:
    """An album that is ready."""
    with studio.db.session() as db:
        album = Album(user_id=user_id, consent_at=time.time(), consent_version="test")
        db.add(album)
        db.flush()
        for number in range(photos):
            db.add(
                Photo(
                    album_id=album.id, user_id=user_id, file=f"{number:08x}.jpg", sha256=f"{number:064x}",
                    width=512, height=512, size_bytes=1, accepted=True, verdict={"code": "ok"},
                )
            )  # fmt: skip
    return album.id


def hand_in(studio: Studio, jobs: Jobs, user_id: str, **options: Any) -> str:
    """A job of a new album."""
    return jobs.submit(user_id, make_album(studio, user_id), Wishes(count=1), **options).id


def job(studio: Studio, job_id: str) -> Job:
    """A job as it is now."""
    with studio.db.session() as db:
        row = db.get(Job, job_id)
    assert row is not None
    return row


def until(condition: Callable[[], Any], limit_s: float = 15.0) -> Any:
    """Wait until something is true.

    Raises:
        AssertionError: It is not in time.
    """
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def ended(studio: Studio, job_id: str, state: str = "done") -> bool:
    """Whether a job came to an end; it must be this one."""
    row = job(studio, job_id)
    assert row.state in ("queued", "running", state), (row.state, row.error, row.note)
    return row.state == state


def all_ended(studio: Studio) -> bool:
    """Whether no job is on its way."""
    with studio.db.session() as db:
        return db.scalar(select(Job.id).where(Job.state.in_(("queued", "running"))).limit(1)) is None


def options(
    name: str = "w1", role: str = "all", *, gpu: str | None = None, urls: tuple[str, ...] = ("http://gpu1",)
):
    """A worker's, its WebUIs never asked."""
    from studio.cli._options import WebUIOptions

    target = Target(tuple(Address(url) for url in urls), "")
    return WorkerOptions(name, role, WebUIOptions(Settings(), target, None, True), gpu=gpu)


@contextmanager
def worker(
    studio: Studio, work: FakeWork, asked: WorkerOptions | None = None, **more: Any
) -> Iterator[threading.Event]:
    """A worker in a thread, ended in order at the end of the block; what it raised is raised."""
    stop, ready, raised = threading.Event(), threading.Event(), []

    def run() -> None:
        try:
            run_worker(studio, asked or options(), stop=stop, on_ready=ready.set, work=work, **more)
        except BaseException as error:  # noqa: BLE001  it is raised again by whoever started the worker
            raised.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(30)
    try:
        yield stop
    finally:
        stop.set()
        thread.join(30)
        if raised:
            raise raised[0]


class WorkerProcess:
    """A worker in a process of its own, to be killed."""

    def __init__(self, studio: Studio, name: str, *, role: str = "all", **env: str) -> None:
        self.name = name
        self._args = [sys.executable, "-m", "tests.stubs.jobs", str(studio.layout.root), name, role]
        self._env = {**os.environ, **env}
        self.output = studio.layout.root / f"{name}.out"
        self.starts = 0
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        with self.output.open("ab") as stream:
            return subprocess.Popen(self._args, env=self._env, cwd=ROOT, stdout=stream, stderr=stream)

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait(10)

    def again(self) -> None:
        """Start it again under its name."""
        self.process = self._spawn()

    def keep(self) -> None:
        """Start it again if it has ended, as whoever supervises workers does."""
        if self.process.poll() is not None:
            self.again()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> None:
        """End it, whatever it is doing."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()


def main() -> None:
    """A worker process: DATA NAME ROLE, the rest in the environment."""
    root, name, role = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    seconds = float(os.environ.get("FAKE_SECONDS", "0.2"))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s %(name)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    studio = Studio.open(quick_settings(root, dead_after_s=float(os.environ.get("FAKE_DEAD_S", "3"))))
    url = os.environ.get("FAKE_URL", f"http://{name}")
    work = FakeWork(root / "work.log", seconds=seconds, draws="FAKE_URL" in os.environ)
    try:
        run_worker(
            studio, options(name, role, gpu=os.environ.get("FAKE_GPU"), urls=(url,)),
            stop=stop, on_ready=lambda: sys.stdout.write("ready\n") and sys.stdout.flush(), work=work,
            version=os.environ.get("FAKE_VERSION", "1"),
        )  # fmt: skip
    finally:
        studio.close()


if __name__ == "__main__":
    main()
