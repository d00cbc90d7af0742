"""The steps a worker is at, as its threads tell each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .presence import FencedToken
from .steps import Step


class Running:
    """The steps this process works on now. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[FencedToken, tuple[str, Step]] = {}
        self._gpu_done: set[FencedToken] = set()
        self.leaving = threading.Event()
        """Set when the worker ends: what is cancelled now goes on elsewhere."""
        self.ahead = threading.Event()
        """Set while the GPU is about to get free: a step may wait for it, all prepared."""
        self.rests_until = 0.0
        """On `clock`: no step for the GPU is taken before, its servers were in trouble."""

    def jobs(self) -> list[str]:
        """The jobs, in no order."""
        with self._lock:
            return [job_id for job_id, _ in self._steps.values()]

    def workflows(self) -> set[tuple[str, str]]:
        """(job, name of the step) of each."""
        with self._lock:
            return {(job_id, step.name) for job_id, step in self._steps.values()}

    def for_gpu(self) -> list[str]:
        """The jobs whose step has, or still wants, the GPU; the one that has it first."""
        with self._lock:
            steps = self._steps.items()
            return [job_id for token, (job_id, step) in steps if step.on_gpu and token not in self._gpu_done]

    def count(self, queue: str) -> int:
        """How many steps of a queue are worked on."""
        with self._lock:
            return sum(step.queue == queue for _, step in self._steps.values())

    def cancel(self, job_id: str) -> None:
        """Ask for the end of a job's step; nothing when it is none of ours."""
        with self._lock:
            tokens = [token for token, (its, _) in self._steps.items() if its == job_id]
        for token in tokens:
            token.cancel()

    def leave(self) -> None:
        """Ask for the end of all of them; they stay in their queues."""
        self.leaving.set()
        for job_id in self.jobs():
            self.cancel(job_id)

    @contextmanager
    def step(self, job_id: str, step: Step, token: FencedToken) -> Iterator[None]:
        """While a step is worked on."""
        with self._lock:
            self._steps[token] = (job_id, step)
        try:
            yield
        finally:
            with self._lock:
                del self._steps[token]
                self._gpu_done.discard(token)

    def gpu_wanted(self, token: FencedToken) -> None:
        """A step needs the GPU, perhaps once more."""
        with self._lock:
            self._gpu_done.discard(token)

    def gpu_done(self, token: FencedToken) -> None:
        """A step needs the GPU no more. One that failed on it does: it is tried again."""
        with self._lock:
            self._gpu_done.add(token)
