"""What became of a job whose answer was lost.

A client that loses its connection does not stop its job (recorded: j09_disconnect_trace), so before anything
is sent again the server is asked, for as long as the job runs or waits:

| what the server shows                          | verdict       | then
|
|------------------------------------------------|---------------|---------------------------------------------------|
| the job ended                                  | ENDED         | its picture is lost; `AnswerLost`, safe to
resend | | it does not know the job and is idle, or it was gone and came back | NOT_RUNNING | sent again, once
| | the job waits for ever though nothing runs     | UNCLEAR       | `AnswerLost`, not safe to resend
| | no answer for `Timeouts.recover_s`             | UNREACHABLE   | `AnswerLost`, not safe to resend
|
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum, auto

from ._watch import TaskWatch
from .errors import ConnectFailed, Timeout, WebUIError
from .progress import TaskState
from .timeouts import Timeouts

log = logging.getLogger("sdwebui_client")

ASK_EVERY_S = 1.0
"""A starting server that is asked more often crashed once ("Cannot add middleware…")."""
SURE_AFTER = 2
"""So many answers in a row must say the same:
a job is unknown for a moment between arriving and being queued."""
LEAKED_AFTER_S = 60.0
"""A job that failed early stays in the list of waiting ones (recorded: q08_pending_leak).
While a model loads, jobs wait and the server looks idle too, so this is long."""


class Verdict(Enum):
    """What became of the job."""

    ENDED = auto()
    NOT_RUNNING = auto()
    UNCLEAR = auto()
    UNREACHABLE = auto()


class Aftermath:
    """Finds the verdict for one job.

    Args:
        watch: Asks the server.
        task_id: The job's `force_task_id`.
        timeouts: `recover_s` and `idle_s` are used.
        should_stop: Called between questions; raises to give up.
        sleep: Pause in seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        watch: TaskWatch,
        task_id: str,
        timeouts: Timeouts,
        *,
        should_stop: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch = watch
        self._task_id = task_id
        self._timeouts = timeouts
        self._should_stop = should_stop
        self._sleep = sleep
        self._clock = clock
        self._restarted = False
        self._idle_answers = 0
        self._seen_running = False

    def settle(self) -> Verdict:
        """Ask until there is a verdict.

        Raises:
            Timeout: The job is still there and has not moved for `Timeouts.idle_s`.
        """
        answered_at = moved_at = self._clock()
        last: tuple[object, ...] | None = None
        while True:
            self._should_stop()
            try:
                state = self._watch.state(self._task_id)
                waits = state.queued or self._watch.waits(self._task_id)
            except WebUIError as error:
                self._restarted |= isinstance(error, ConnectFailed)
                if self._clock() - answered_at > self._timeouts.recover_s:
                    return Verdict.UNREACHABLE
                log.debug("no word about %s: %s", self._task_id, error.message)
                self._sleep(ASK_EVERY_S)
                continue
            answered_at = self._clock()
            if state.signature != last:
                last, moved_at = state.signature, answered_at
            verdict = self._judge(state, waits, still_s=answered_at - moved_at)
            if verdict is not None:
                return verdict
            self._sleep(ASK_EVERY_S)

    def _judge(self, state: TaskState, waits: bool, *, still_s: float) -> Verdict | None:
        if state.active or (waits and state.server_busy):
            self._seen_running |= state.active
            self._idle_answers = 0
            idle_s = self._timeouts.idle_s
            if idle_s is not None and still_s > idle_s:
                raise Timeout(
                    f"The answer of {self._task_id} is lost and the job has not moved for {still_s:.0f} s",
                    hint="the WebUI hangs: restart it before sending the job again",
                )
            return None
        if waits:
            return Verdict.UNCLEAR if still_s > LEAKED_AFTER_S else None
        if state.completed:
            return Verdict.ENDED
        self._idle_answers += 1
        if self._idle_answers < SURE_AFTER:
            return None
        if self._restarted:
            return Verdict.NOT_RUNNING
        if self._seen_running or not state.known_by_id:
            return Verdict.ENDED
        return Verdict.NOT_RUNNING
