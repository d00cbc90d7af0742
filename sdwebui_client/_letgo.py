"""Stops a job that nobody waits for any more, without touching anybody else's."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ._watch import TaskWatch
from .errors import WebUIError
from .progress import TaskState

log = logging.getLogger("sdwebui_client")

LET_GO_S = 15.0
"""How long a cancelled job that runs is waited for, so that the server is free when `Cancelled` is raised."""
ASK_EVERY_S = 1.0
"""Between two questions, and two interrupts."""


class LettingGo:
    """Interrupts one job when it runs; a waiting one is interrupted as soon as it starts.

    Where jobs have no ids the caller vouches that what runs is this one.

    Args:
        watch: Asks the server.
        task_id: The job's `force_task_id`.
        answered: Whether the request was answered, which ends it all; None once its answer is lost, so
            that only the server can tell what is left of the job.
        pause: Waits so many seconds, or until the answer comes.
        patience_s: A server that is silent for so long is not asked any more once the answer is lost.
    """

    def __init__(
        self,
        watch: TaskWatch,
        task_id: str,
        *,
        answered: Callable[[], bool | None],
        pause: Callable[[float], object] = time.sleep,
        patience_s: float = 120.0,
    ) -> None:
        self._watch, self._task_id = watch, task_id
        self._answered, self._pause, self._patience_s = answered, pause, patience_s
        self._gone = 0

    def now(self) -> None:
        """Interrupt the job and wait a little for its end; leave a thread behind for one that waits."""
        deadline = time.monotonic() + LET_GO_S
        try:
            while not self._over and time.monotonic() < deadline:
                state = self._step()
                if state.queued or not (state.active or self._lost):
                    break
                self._pause(ASK_EVERY_S)
        except WebUIError as error:
            log.warning("%s could not be interrupted: %s", self._task_id, error.message)
        if not self._over:
            threading.Thread(target=self._later, name="sdwebui-reaper", daemon=True).start()

    @property
    def _over(self) -> bool:
        return bool(self._answered()) or (self._lost and self._gone >= 2)

    @property
    def _lost(self) -> bool:
        return self._answered() is None

    def _step(self) -> TaskState:
        """Ask, and interrupt when it is ours that runs."""
        state = self._watch.state(self._task_id)
        if state.active:
            self._watch.interrupt()
        if state.active or state.queued:
            self._gone = 0
        else:
            # Asked twice: a job belongs to neither list for a moment between arriving and being queued.
            self._gone += 2 if state.completed else 1
        return state

    def _later(self) -> None:
        heard_at = time.monotonic()
        while not self._over:
            self._pause(ASK_EVERY_S)
            if self._lost and time.monotonic() - heard_at > self._patience_s:
                log.warning("%s may still be running: the server does not answer", self._task_id)
                return
            try:
                if not self._over:
                    self._step()
                    heard_at = time.monotonic()
            except WebUIError as error:
                log.debug("%s still waits to be interrupted: %s", self._task_id, error.message)
