"""Several WebUIs as one.

A WebUI works on one job at a time, so the pool gives each server one task at a
time and lets further ones wait for whichever server will be done with them first,
by the speed observed so far: a slow server gets less. A task goes to a server
that has its LoRAs and checkpoint, rather to one that has the checkpoint loaded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ._near import near
from ._watch import LONGEST_SILENCE_S
from .client import WebUI
from .errors import (
    AnswerLost,
    Cancelled,
    CapabilityMissing,
    ConnectFailed,
    InvalidRequest,
    TransportError,
    WebUIError,
)

if TYPE_CHECKING:
    from .capabilities import Capabilities

T = TypeVar("T")
log = logging.getLogger("sdwebui_client")

REST_S = 15.0
"""A server that did not answer is left alone for so long, twice as long each further time."""
LONGEST_REST_S = 300.0
SWITCH_S = 10.0
"""What loading another checkpoint is reckoned to cost."""
_LOOK_AGAIN_S = 0.5
_MEMORY = 0.3
"""Weight of the latest task in a server's observed speed."""


@dataclass
class _Server:
    """What the pool knows of one server; guarded by the pool's lock."""

    webui: WebUI
    task_s: float | None = None
    """Observed seconds a task, None before the first."""
    busy_since: float | None = None
    down_until: float = 0.0
    last_error: WebUIError | None = None
    failures: int = 0
    """In a row."""
    known: bool = False
    """Whether it said what it has; until then only one task at a time asks it, as that may take minutes."""
    asking: bool = False
    checkpoint: str | None = None
    """Asked for by the last task."""
    done: int = 0

    def done_after_s(self, usual_s: float, now: float, ahead: int, checkpoint: str | None) -> float:
        """Return in how many seconds a task would be done here, with `ahead` others waiting before it."""
        task_s = usual_s if self.task_s is None else self.task_s
        cost = task_s + (SWITCH_S if checkpoint and self.checkpoint not in (None, checkpoint) else 0.0)
        if self.busy_since is None:
            return cost
        # A task that takes longer than usual is expected to take as much
        # longer again: a hanging server must not hold all others back.
        return abs(task_s - (now - self.busy_since)) + ahead * task_s + cost


@dataclass(eq=False)
class _Wish:
    """A task that waits."""

    loras: tuple[str, ...]
    checkpoint: str | None
    prefer: str | None
    tried: set[str] = field(default_factory=set)
    """Servers that failed it; asked again only when no other is left."""
    barred: dict[str, WebUIError] = field(default_factory=dict)
    """Servers that fell silent on it, and how: should they come back, its job may be running there still."""


@dataclass
class _Found:
    """What one look at all servers brought."""

    fitting: list[_Server] = field(default_factory=list)
    pending: bool = False
    """Another task is asking one of them right now."""
    lacks: list[str] = field(default_factory=list)
    errors: list[WebUIError] = field(default_factory=list)
    barred: bool = False
    """Whether the first of the errors came from a server that may still be at work on the task."""

    def refusal(self) -> WebUIError:
        """Return the error when there is nothing to wait for."""
        if self.barred and (self.lacks or len(self.errors) > 1):
            return AnswerLost(
                "No server can take over: " + "; ".join([e.message for e in self.errors] + self.lacks),
                safe_to_resend=False,
                server_gone=True,
                hint=self.errors[0].hint,
            )
        if self.lacks:
            unusable = [f"{error.url or 'a server'} cannot be used: {error.message}" for error in self.errors]
            return CapabilityMissing(
                "No server has what the task needs: " + "; ".join(self.lacks + unusable),
                hint="put the files on one of the servers, then refresh its lists",
            )
        if len(self.errors) == 1:
            return self.errors[0]
        return ConnectFailed(
            f"None of the {len(self.errors)} servers can be used: "
            + "; ".join(error.message for error in self.errors),
            hint="; ".join(dict.fromkeys(error.hint for error in self.errors if error.hint)),
        )


class WebUIPool:
    """Spreads tasks over servers. Thread-safe.

    Args:
        servers: At least one; each address once.

    Example:
        >>> with WebUIPool([WebUI("http://gpu1:7860"), WebUI("http://gpu2:7860")]) as pool:  # doctest: +SKIP
        ...     futures = [
        ...         pool.submit(lambda webui, seed=seed: webui.txt2img(prompt="…", seed=seed))
        ...         for seed in range(8)
        ...     ]
        ...     results = [future.result() for future in futures]
    """

    def __init__(self, servers: Sequence[WebUI]) -> None:
        if not servers:
            raise InvalidRequest("a pool needs at least one server")
        if len({webui.url for webui in servers}) != len(servers):
            raise InvalidRequest("a server stands in the pool twice")
        self._servers = [_Server(webui) for webui in servers]
        self._changed = threading.Condition()
        self._waiting: list[_Wish] = []
        self._executor: ThreadPoolExecutor | None = None
        self._leaving = False

    @property
    def servers(self) -> tuple[WebUI, ...]:
        """All servers, those that do not answer included."""
        return tuple(server.webui for server in self._servers)

    @property
    def done(self) -> dict[str, int]:
        """Tasks finished by each server, by address."""
        with self._changed:
            return {server.webui.url: server.done for server in self._servers}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with self._changed:
                # Tasks that still wait for a server must not begin when those that run are cancelled.
                self._leaving = True
                self._changed.notify_all()
            self.cancel()
        self.close()

    def close(self) -> None:
        """Wait for submitted tasks and close the servers' connections."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=self._leaving)
        self._leaving = False
        for server in self._servers:
            server.webui.close()

    def cancel(self) -> None:
        """Cancel every job of every server that this pool's clients sent."""
        for server in self._servers:
            server.webui.cancel()

    def submit(
        self,
        task: Callable[[WebUI], T],
        *,
        loras: Sequence[str] = (),
        checkpoint: str | None = None,
        prefer: str | None = None,
    ) -> Future[T]:
        """Run a task in the background; arguments as in `run`."""
        with self._changed:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(2 * len(self._servers), thread_name_prefix="sdwebui-pool")
            executor = self._executor
        return executor.submit(self.run, task, loras=loras, checkpoint=checkpoint, prefer=prefer)

    def run(
        self,
        task: Callable[[WebUI], T],
        *,
        loras: Sequence[str] = (),
        checkpoint: str | None = None,
        prefer: str | None = None,
    ) -> T:
        """Run a task on the server that will be done with it first, and return what it returns.

        When its server dies the task starts again on another one, provided that its job is known not to run
        any more or the server is gone altogether. So it must be a function that may start over.

        Args:
            task: Called with the server, in this thread.
            loras: Names the server must have.
            checkpoint: Title, name, file name or hash the server must have.
            prefer: Address of a server to wait for as long as it lives.

        Raises:
            CapabilityMissing: No server has all that is needed.
            Cancelled: The pool was left with an error before the task began.
            WebUIError: The task's own error; or why no server can be used.
        """
        wish = _Wish(tuple(loras), checkpoint, prefer)
        while True:
            server = self._acquire(wish)
            started, finished = time.monotonic(), False
            try:
                result = task(server.webui)
                finished = True
                return result
            except TransportError as error:
                if not self._may_move_on(error, server, wish):
                    raise
                log.warning("%s: %s; the task goes to another server", server.webui.url, error.message)
            finally:
                self._release(server, wish, time.monotonic() - started, finished)

    def _may_move_on(self, error: TransportError, server: _Server, wish: _Wish) -> bool:
        if isinstance(error, AnswerLost):
            gone = error.server_gone
        else:
            gone = isinstance(error, ConnectFailed) or _is_silent(server.webui)
        if not gone and not (isinstance(error, AnswerLost) and error.safe_to_resend):
            return False
        again = server.webui.url in wish.tried
        wish.tried.add(server.webui.url)
        with self._changed:
            if gone:
                self._mark_down(server, error)
                if not isinstance(error, ConnectFailed):
                    wish.barred[server.webui.url] = error
            return not again or any(other.webui.url not in wish.tried for other in self._servers)

    def _acquire(self, wish: _Wish) -> _Server:
        """Wait for the best server that fits and take it."""
        with self._changed:
            self._waiting.append(wish)
        try:
            while True:
                fitting = self._fitting(wish)
                with self._changed:
                    if self._leaving:
                        raise Cancelled("the pool was left before the task began")
                    server = self._choose(wish, fitting) if fitting else None
                    if server is not None:
                        server.busy_since = time.monotonic()
                        return server
                    self._changed.wait(_LOOK_AGAIN_S)
        finally:
            with self._changed:
                self._waiting.remove(wish)
                self._changed.notify_all()

    def _release(self, server: _Server, wish: _Wish, seconds: float, finished: bool) -> None:
        with self._changed:
            server.busy_since = None
            server.checkpoint = wish.checkpoint or server.checkpoint
            if finished:
                server.done += 1
                before = seconds if server.task_s is None else server.task_s
                server.task_s = (1 - _MEMORY) * before + _MEMORY * seconds
            self._changed.notify_all()

    def _choose(self, wish: _Wish, fitting: list[_Server]) -> _Server | None:
        """Return the server to take now; None when waiting for a busy one is better."""
        fresh = [server for server in fitting if server.webui.url not in wish.tried]
        candidates = fresh or fitting
        if wish.prefer is not None:
            candidates = [
                server for server in candidates if server.webui.url == wish.prefer.rstrip("/")
            ] or candidates
        known = [server.task_s for server in self._servers if server.task_s is not None]
        usual_s = sum(known) / len(known) if known else 0.0
        now, ahead = time.monotonic(), self._waiting.index(wish)
        best = min(candidates, key=lambda server: server.done_after_s(usual_s, now, ahead, wish.checkpoint))
        return best if best.busy_since is None else None

    def _fitting(self, wish: _Wish) -> list[_Server]:
        """Return the servers that answer and have what the task needs; none while that is being found out.
        Asks the network, so never under the lock.

        Raises:
            CapabilityMissing: None has it.
            WebUIError: None can be used.
        """
        found = _Found(errors=list(wish.barred.values()), barred=bool(wish.barred))
        resting = [server for server in self._servers if not self._look_into(server, wish, found)]
        if not found.fitting and not found.pending:
            # Nothing to lose: perhaps one of those that did not answer before is back.
            for server in resting:
                self._look_into(server, wish, found, although_resting=True)
        if not found.fitting and not found.pending:
            raise found.refusal()
        return found.fitting

    def _look_into(
        self, server: _Server, wish: _Wish, found: _Found, *, although_resting: bool = False
    ) -> bool:
        """Sort a server into `found`; return False when it rests."""
        if server.webui.url in wish.barred:
            return True
        with self._changed:
            if server.asking:
                found.pending = True
                return True
            if server.down_until > time.monotonic() and not although_resting:
                return False
            server.asking = not server.known
        try:
            lack = lacking(server.webui.capabilities(), wish.loras, wish.checkpoint)
        except WebUIError as error:
            log.warning("%s is left out for now: %s", server.webui.url, error.message)
            found.errors.append(error)
            with self._changed:
                self._mark_down(server, error)
        else:
            with self._changed:
                server.known, server.failures, server.down_until = True, 0, 0.0
            if lack:
                found.lacks.append(f"{server.webui.url} lacks {lack}")
            else:
                found.fitting.append(server)
        finally:
            with self._changed:
                server.asking = False
                self._changed.notify_all()
        return True

    def _mark_down(self, server: _Server, error: WebUIError) -> None:
        rest_s = min(REST_S * 2**server.failures, LONGEST_REST_S)
        server.down_until, server.last_error = time.monotonic() + rest_s, error
        server.failures, server.known = server.failures + 1, False
        # A server that comes back may have been started with other files.
        server.webui._forget_capabilities()


def _is_silent(webui: WebUI) -> bool:
    """Whether a server that failed a task does not even say how far it is."""
    try:
        webui._transport.get("/sdapi/v1/progress", dict[str, Any], retries=0, read_s=LONGEST_SILENCE_S)
    except TransportError:
        return True
    except WebUIError:
        return False
    return False


def lacking(caps: Capabilities, loras: Sequence[str], checkpoint: str | None) -> str:
    """Return what a server lacks, with the near matches; empty when it has everything."""
    names = {name for lora in caps.loras for name in (lora.name, lora.alias) if name}
    missing = [_named("LoRA", name, names) for name in loras if name not in names]
    if checkpoint is not None:
        forms = {
            form
            for entry in caps.checkpoints
            for form in (
                entry.title,
                entry.title.partition(" [")[0],
                entry.model_name,
                entry.hash,
                entry.sha256,
            )
            if form
        }
        if checkpoint not in forms and checkpoint.partition(" [")[0] not in forms:
            missing.append(_named("checkpoint", checkpoint, {entry.model_name for entry in caps.checkpoints}))
    return ", ".join(missing)


def _named(kind: str, name: str, known: set[str]) -> str:
    close = near(name, known)
    return f"{kind} {name}" + (f" (has {', '.join(close)})" if close else "")
