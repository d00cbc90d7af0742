"""One generation from sending to its answer:
progress, limits, cancelling, and what happens when the answer is lost.

The request runs in a thread of its own; the caller's thread waits, asks for progress, and stays free to react
to Ctrl-C, a `CancelToken` or a limit at once. Callbacks run in the caller's thread.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ._aftermath import Aftermath, Verdict
from ._answers import GATEWAY_STATUSES, encode_json
from ._letgo import LettingGo
from ._transport import RawAnswer, Transport, backoff_s
from ._watch import TaskWatch
from .errors import AnswerLost, Cancelled, ConnectFailed, Timeout, TransportError, WebUIError
from .progress import CancelToken, JobPlan, Progress, ProgressTracker
from .timeouts import Timeouts

log = logging.getLogger("sdwebui_client")

POLL_S = 0.5
"""Between two questions about progress while somebody watches."""
SLOW_POLL_S = 1.0
"""The same once a job has run for a minute."""
LONGEST_POLL_S = 30.0
"""Between two questions when only the idle limit needs them."""
RESENDS = 1
"""How often a job that is known not to run is sent again."""


def new_task_id() -> str:
    """Return a task id no other job has: a reused one shows as completed while it runs (recorded:
    q06_task_id_reuse)."""
    return f"task(sdwebui-{uuid.uuid4().hex})"


@dataclass(frozen=True, slots=True)
class Answered:
    """A job's answer."""

    body: Any
    """The parsed JSON."""
    task_id: str
    """Id under which it ran at last."""
    elapsed_s: float
    """From the first sending to the answer."""


class _Exchange:
    """One sending of the request in its own thread."""

    def __init__(self, transport: Transport, path: str, body: bytes, wake: threading.Event) -> None:
        self._transport, self._path, self._body, self._wake = transport, path, body, wake
        self.answer: RawAnswer | None = None
        self.error: BaseException | None = None
        self.over = False
        self._thread = threading.Thread(target=self._run, name="sdwebui-job", daemon=True)
        self._thread.start()

    def pause(self, seconds: float) -> None:
        """Wait so long, or until the answer comes; all of it once that is past."""
        if self.over:
            time.sleep(seconds)
        else:
            self._thread.join(seconds)

    def answered(self) -> bool | None:
        """Whether the server answered; None when the answer is lost (connection broken, proxy gave up)."""
        if not self.over:
            return False
        lost = self.answer is None or self.answer.status in GATEWAY_STATUSES
        return None if lost else True

    def _run(self) -> None:
        try:
            self.answer = self._transport.generate(self._path, self._body)
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread
            self.error = error
        finally:
            self._body = b""
            self.over = True
            self._wake.set()


class Job:
    """A generation job. `run` is called once.

    Args:
        transport: The server.
        watch: Asks it about jobs.
        path: Route of the generation.
        payload: Request without `force_task_id`.
        task_id: Id to send, where the server knows ids.
        on_progress: Called in the caller's thread about twice a second.
        token: Ends the job when cancelled.
    """

    def __init__(
        self,
        transport: Transport,
        watch: TaskWatch,
        path: str,
        payload: Mapping[str, Any],
        *,
        task_id: str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        token: CancelToken | None = None,
    ) -> None:
        self._transport, self._watch = transport, watch
        self._path, self._payload = path, payload
        self._first_id = self.task_id = task_id or new_task_id()
        self._on_progress = on_progress
        self.token = CancelToken()
        self._outer = token
        self._timeouts = transport.timeouts
        self._wake = threading.Event()
        self._tracker = ProgressTracker(JobPlan.of(payload))
        self._exchange: _Exchange | None = None
        self._unsettled = False
        """The answer is lost and nobody knows yet what became of the job."""
        self._went_first = False
        """Where jobs have no ids: the server was idle when this one was sent, so what runs is this one."""

    def goes_by(self, task_id: str) -> bool:
        """Whether this is the job of that id: the one it was given, or the one it was sent again under."""
        return task_id in (self._first_id, self.task_id)

    @property
    def payload(self) -> dict[str, Any]:
        """The request exactly as sent."""
        return (
            {**self._payload, "force_task_id": self.task_id} if self._watch.has_ids else dict(self._payload)
        )

    def run(self) -> Answered:
        """Send the job and wait for its answer.

        Raises:
            Cancelled: The token was cancelled, or somebody else interrupted the job.
            Timeout: No movement for `idle_s`, or not done after `total_s`.
            AnswerLost: It ran, but its answer never came.
            WebUIError: The server's error.
        """
        started = time.monotonic()
        listener = self._wake.set
        self.token._subscribe(listener)
        if self._outer is not None:
            self._outer._subscribe(listener)
        try:
            answer = self._until_answered(started)
            if self._cancelled:
                raise self._cancel_error()
            body = answer.generation()
            self._refuse_half_made()
            if self._on_progress is not None:
                self._on_progress(self._tracker.done())
            return Answered(body, self.task_id, time.monotonic() - started)
        except BaseException:
            # Cancelled, Ctrl-C, a callback that raised, a limit.
            self._let_go()
            raise
        finally:
            self.token._unsubscribe(listener)
            if self._outer is not None:
                self._outer._unsubscribe(listener)

    @property
    def _cancelled(self) -> bool:
        return self.token.cancelled or (self._outer is not None and self._outer.cancelled)

    def _until_answered(self, started: float) -> RawAnswer:
        resent = tried = 0
        while True:
            try:
                answer = self._exchange_once(started)
                if answer.status not in GATEWAY_STATUSES:
                    return answer
                error: WebUIError = answer.error()
            except ConnectFailed:
                if tried >= self._transport.retries:
                    raise
                self._pause(backoff_s(tried))
                tried += 1
                continue
            except (Timeout, AnswerLost):
                raise
            except TransportError as lost:
                error = lost
            resent = self._after_loss(error, resent, started)

    def _after_loss(self, error: WebUIError, resent: int, started: float) -> int:
        """Find out what became of a job whose answer is lost; return the number of resends, or raise."""
        log.warning("the answer of %s is lost (%s); asking the server about it", self.task_id, error.message)
        total = _Limits(self._timeouts, started)

        def should_stop() -> None:
            self._raise_if_cancelled()
            total.check_total(self.task_id)

        self._unsettled = True
        verdict = Aftermath(
            self._watch, self.task_id, self._timeouts, should_stop=should_stop, sleep=self._pause
        ).settle()
        self._unsettled = False
        if verdict is Verdict.NOT_RUNNING and resent < RESENDS:
            resent += 1
            self.task_id = f"{self._first_id}~{resent + 1}"
            log.warning("%s is not running on the server; sent again as %s", self._first_id, self.task_id)
            return resent
        raise lost_answer(verdict, error, self.task_id) from error

    def _exchange_once(self, started: float) -> RawAnswer:
        # Cleared before looking: a cancel that comes in between must still wake the wait.
        self._wake.clear()
        self._raise_if_cancelled()
        if not self._watch.has_ids:
            self._went_first = self._watch.is_idle()
        exchange = self._exchange = _Exchange(
            self._transport, self._path, encode_json(self.payload), self._wake
        )
        self._wait(exchange, started)
        if exchange.error is not None:
            raise exchange.error
        assert exchange.answer is not None  # over without an error
        return exchange.answer

    def _wait(self, exchange: _Exchange, started: float) -> None:
        """Return when the exchange is over; poll, and raise on cancel and limits, until then."""
        limits = _Limits(self._timeouts, started)
        next_poll = time.monotonic() + self._poll_every(0.0) / 2
        preview_id = -1
        while not exchange.over:
            now = time.monotonic()
            self._wake.wait(max(0.0, min(next_poll, limits.deadline) - now))
            self._wake.clear()
            if exchange.over:
                return
            self._raise_if_cancelled()
            limits.check(self.task_id)
            if time.monotonic() >= next_poll:
                preview_id = self._poll(limits, preview_id)
                next_poll = time.monotonic() + self._poll_every(time.monotonic() - started)

    def _poll_every(self, running_s: float) -> float:
        if self._on_progress is not None:
            return POLL_S if running_s < 60 else SLOW_POLL_S
        idle_s = self._timeouts.idle_s
        return 3600.0 if idle_s is None else min(LONGEST_POLL_S, idle_s / 4)

    def _poll(self, limits: _Limits, preview_id: int) -> int:
        wants_preview = self._on_progress is not None
        try:
            state = self._watch.state(self.task_id, preview_id=preview_id if wants_preview else None)
        except WebUIError as error:
            # The request itself decides whether the server is gone;
            # silence here only lets the idle limit run on.
            log.debug("no progress of %s: %s", self.task_id, error.message)
            return preview_id
        limits.moved(state.signature)
        if self._on_progress is not None and (state.active or state.queued):
            self._on_progress(self._tracker.update(state))
        return state.preview_id if state.preview_id >= 0 else preview_id

    def _pause(self, seconds: float) -> None:
        """Wait, but not beyond a cancel."""
        self._wake.wait(seconds)
        self._raise_if_cancelled()
        self._wake.clear()

    def _raise_if_cancelled(self) -> None:
        if self._cancelled:
            raise self._cancel_error()

    def _cancel_error(self) -> Cancelled:
        return Cancelled(f"{self.task_id} was cancelled", url=self._transport.url + self._path)

    def _refuse_half_made(self) -> None:
        """Refuse a picture that somebody else interrupted:
        it comes with status 200 and no mark (recorded: j02)."""
        if not self._watch.marks_interrupts:
            return
        try:
            broken_off = self._watch.broken_off_by_others()
        except WebUIError as error:
            log.warning("cannot tell whether somebody interrupted %s: %s", self.task_id, error.message)
            return
        if broken_off:
            raise Cancelled(
                f"{self.task_id} was interrupted or skipped by somebody else; its picture is half-made",
                url=self._transport.url + self._path,
                hint="send it again",
            )

    def _let_go(self) -> None:
        """Stop our job: it must not go on drawing for nobody."""
        exchange = self._exchange
        if exchange is None or (exchange.over and not self._unsettled):
            return
        if not self._watch.has_ids and (exchange.over or not self._went_first):
            # Without ids, what runs may be somebody else's.
            log.warning("this server cannot tell jobs apart; %s may still be drawn there", self.task_id)
            return
        LettingGo(
            self._watch,
            self.task_id,
            answered=exchange.answered,
            pause=exchange.pause,
            patience_s=self._timeouts.recover_s,
        ).now()


class _Limits:
    """The idle and the total limit of one sending."""

    def __init__(self, timeouts: Timeouts, started: float) -> None:
        self._idle_s, self._total_s, self._started = timeouts.idle_s, timeouts.total_s, started
        self._moved_at = time.monotonic()
        self._last: tuple[Any, ...] | None = None

    @property
    def deadline(self) -> float:
        ends = [self._started + self._total_s] if self._total_s is not None else []
        if self._idle_s is not None:
            ends.append(self._moved_at + self._idle_s)
        return min(ends, default=float("inf")) if ends else time.monotonic() + 3600.0

    def moved(self, signature: tuple[Any, ...]) -> None:
        if signature != self._last:
            self._last, self._moved_at = signature, time.monotonic()

    def check_total(self, task_id: str) -> None:
        if self._total_s is not None and time.monotonic() - self._started >= self._total_s:
            raise Timeout(f"{task_id} was not done after {self._total_s:g} s", hint="raise Timeouts.total_s")

    def check(self, task_id: str) -> None:
        self.check_total(task_id)
        if self._idle_s is not None and time.monotonic() - self._moved_at >= self._idle_s:
            raise Timeout(
                f"{task_id} has not moved for {self._idle_s:g} s",
                hint="the WebUI hangs, or is slower than Timeouts.idle_s allows; look into its console",
            )


def lost_answer(verdict: Verdict, error: WebUIError, task_id: str) -> AnswerLost:
    """Return the error for a job whose answer is lost."""
    text, hint, safe = {
        Verdict.ENDED: ("the job ended, its picture is lost", "send it again: nothing runs any more", True),
        Verdict.NOT_RUNNING: ("the job is not running on the server", "send it again: nothing runs", True),
        Verdict.UNCLEAR: (
            "the job waits on the server though nothing runs",
            "look at the WebUI before sending it again: it may still start",
            False,
        ),
        Verdict.UNREACHABLE: (
            "the server does not answer any more, the job may still be running",
            "wait until the WebUI answers and is idle before sending it again",
            False,
        ),
    }[verdict]
    return AnswerLost(
        f"The answer of {task_id} is lost: {text} ({error.message})",
        safe_to_resend=safe,
        server_gone=verdict is Verdict.UNREACHABLE,
        hint=hint,
        url=error.url,
        status=error.status,
        server_text=error.server_text,
    )
