"""One job at a time, first come first served, and what the server tells about it while it runs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from .render import Picture

PREVIEW_EVERY = 10
"""Sampling steps between live previews (`show_progress_every_n_steps`)."""
FINISHED_KEPT = 16
"""How many finished task ids the server remembers (modules/progress.py keeps 16)."""


class JobKilled(Exception):
    """The server stopped or restarted while the job ran or waited."""


@dataclass
class Progress:
    """The WebUI's `shared.state`.

    Written by the worker, read by everybody; every field is replaced, never mutated.
    """

    job: str = ""
    job_count: int = 0
    job_no: int = 0
    sampling_step: int = 0
    sampling_steps: int = 0
    interrupted: bool = False
    skipped: bool = False
    job_timestamp: str = "0"
    started: float = 0.0
    preview: Callable[[], Picture] | None = None
    preview_id: int = 0
    textinfo: str | None = None

    def begin(self, job: str, timestamp: str) -> None:
        """A job starts; `interrupted` is forgotten only now."""
        self.job, self.job_timestamp, self.started = job, timestamp, time.monotonic()
        self.job_count, self.job_no = -1, 0
        self.sampling_step, self.sampling_steps = 0, 1
        self.interrupted = self.skipped = False
        self.preview, self.preview_id, self.textinfo = None, 0, None

    def end(self) -> None:
        """The job is over; the counters of its last pass stay."""
        self.job, self.job_count = "", 0
        self.preview = None

    def fraction(self) -> float:
        """How far the job is, 0..1: it goes to 1 and back when ADetailer adds a pass."""
        if self.job_count <= 0:
            return 0.0
        done = self.job_no / self.job_count
        if self.sampling_steps > 0:
            done += self.sampling_step / self.sampling_steps / self.job_count
        return min(done, 1.0)

    def state(self) -> dict[str, Any]:
        """The `state` object of /sdapi/v1/progress."""
        return {
            "skipped": self.skipped,
            "interrupted": self.interrupted,
            "stopping_generation": False,
            "job": self.job,
            "job_count": self.job_count,
            "job_timestamp": self.job_timestamp,
            "job_no": self.job_no,
            "sampling_step": self.sampling_step,
            "sampling_steps": self.sampling_steps,
        }


@dataclass(eq=False)
class _Entry:
    run: Callable[[], Any]
    future: Future[Any]


@dataclass
class Tasks:
    """Task ids: pending, running, finished."""

    pending: dict[str, float] = field(default_factory=dict)
    current: str | None = None
    finished: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    """Every id ever announced, for GET /sandbox."""

    def add(self, task_id: str) -> None:
        """Announce an id, before the pictures are read: a bad one leaves the id pending for good."""
        self.pending[task_id] = time.monotonic()
        self.made.append(task_id)

    def start(self, task_id: str) -> None:
        """The id's job runs."""
        self.current = task_id
        self.pending.pop(task_id, None)

    def finish(self, task_id: str) -> None:
        """The id's job ended well; a failed one stays `current` until the next."""
        if self.current == task_id:
            self.current = None
        self.finished = [*self.finished, task_id][-FINISHED_KEPT:]


class JobQueue:
    """A worker thread that takes jobs in order. Starting and stopping it is the application's lifespan."""

    def __init__(self) -> None:
        self._entries: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._epoch = 0
        self.stopping = threading.Event()

    def start(self) -> None:
        """Start the worker."""
        self.stopping.clear()
        self._thread = threading.Thread(target=self._work, name="sandbox-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the running job as soon as it looks, drop the waiting ones, and wait for the worker."""
        self.stopping.set()
        self._entries.put(None)
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None
        self._drop_waiting()

    def submit(self, run: Callable[[], Any]) -> Future[Any]:
        """Queue a job; the future carries its result or its exception."""
        entry = _Entry(run, Future())
        self._entries.put(entry)
        return entry.future

    def kill_all(self) -> None:
        """Lose every job, as a restart does."""
        self._drop_waiting()
        with self._lock:
            self._epoch += 1

    def epoch(self) -> int:
        """Changes when `kill_all` was called: a job compares it with what it was at its start."""
        with self._lock:
            return self._epoch

    def _drop_waiting(self) -> None:
        while True:
            try:
                entry = self._entries.get_nowait()
            except queue.Empty:
                return
            if entry is None:
                continue
            if entry.future.set_running_or_notify_cancel():
                entry.future.set_exception(JobKilled("the server went away before the job began"))

    def _work(self) -> None:
        while not self.stopping.is_set():
            entry = self._entries.get()
            if entry is None:
                continue
            # A client that went away does not cancel its job:
            # the future is never cancelled by the application.
            if not entry.future.set_running_or_notify_cancel():
                continue
            try:
                entry.future.set_result(entry.run())
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the future
                entry.future.set_exception(error)
