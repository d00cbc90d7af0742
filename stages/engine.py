"""Runs stages: finds what is already there, makes what is not, says why, and keeps the result.

A stage is described by a `StageCall` (what goes in) and done by a function that returns `Made` (what comes
out). The key of a result is the hash of the call and, for a job of a server, of the server's identity.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any, TypeVar

from sdwebui_client import Cancelled, CancelToken, Progress, ServerError, WebUI

from .canonical import digest
from .events import Listener, Note, StageDone, StageProgress, StageStarted
from .explain import LastRun, why
from .progress import Tracker
from .servers import ServerSet, with_reported_model
from .store import Record, Store

CACHED = "cached"
T = TypeVar("T")


class Halted(Exception):
    """Not begun, because something else of the run failed. Never leaves the recipe."""


@dataclass(frozen=True)
class StageCall:
    """Everything that decides what a stage makes, but for the server."""

    stage: str
    version: int
    """Raised when the stage's own code makes something else of the same parameters."""
    shot: str
    params: Mapping[str, Any]
    """Resolved: no default is left to be filled in later. Plain JSON values."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Name -> SHA-256 of each picture or file that goes in."""

    def material(self, server: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the key is the hash of. The shot's name is not in it: equal work is done once."""
        return {
            "stage": self.stage,
            "version": self.version,
            "params": dict(self.params),
            "inputs": dict(self.inputs),
            "server": dict(server) if server is not None else None,
        }


@dataclass(frozen=True)
class Made:
    """What a stage made."""

    outputs: Mapping[str, bytes] = field(default_factory=dict)
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """A stage's result, found or made."""

    call: StageCall
    record: Record
    cached: bool
    why: str

    @property
    def sha256(self) -> str:
        """Of the stage's picture.

        Raises:
            KeyError: The stage makes none.
        """
        return self.record.outputs["image"]

    @property
    def payload(self) -> dict[str, Any]:
        """The stage's small results."""
        return self.record.payload


GenerateOn = Callable[[WebUI, Callable[[Progress], None]], Made]


class Engine:
    """Runs stages against a store. Thread-safe."""

    def __init__(
        self,
        store: Store,
        last_run: LastRun,
        emit: Listener,
        tracker: Tracker,
        *,
        cancel: CancelToken | None = None,
    ) -> None:
        self.store = store
        self.tracker = tracker
        self.emit = emit
        self.cancel = cancel or CancelToken()
        self._last_run = last_run
        self._halted = Event()

    def halt(self) -> None:
        """Begin no further job of a server; those under way are finished and kept."""
        self._halted.set()

    def local(self, call: StageCall, make: Callable[[], Made]) -> Outcome:
        """A stage that is done here.

        Args:
            call: What goes in.
            make: Does it; only called when the result is not in the store.
        """
        material = call.material(None)
        found = self.store.find(digest(material))
        if found is not None:
            return self._cached(call, found, generation=False)
        reason = self._reason(call, material)
        started = time.monotonic()
        made = make()
        return self._keep(call, material, made, reason, time.monotonic() - started, generation=False)

    def generate(self, call: StageCall, servers: ServerSet, generate: GenerateOn) -> Outcome:
        """A stage that is a job of one of the servers.

        A result of any server in the pool counts as found: which of them happens to be free must not matter.
        """
        # A server whose model is not known yet cannot have a result that is known to be its.
        known = [identity for identity in servers.identities() if identity["model"] is not None]
        candidates = [call.material(identity) for identity in known]
        for material in candidates:
            found = self.store.find(digest(material))
            if found is not None:
                return self._cached(call, found, generation=True)
        self.may_go_on()
        reason = self._reason(call, candidates[0] if candidates else call.material(None))
        try:
            made, identity, seconds, server = self._with_second_try(
                call, lambda: servers.run(lambda webui: self._on_server(call, servers, webui, generate))
            )
        except BaseException:
            self.tracker.failed(call.shot, call.stage)
            raise
        return self._keep(
            call, call.material(identity), made, reason, seconds, generation=True, server=server
        )

    def _with_second_try(self, call: StageCall, work: Callable[[], T]) -> T:
        """Do it again once after a 500: the job is over, and a hiccup must not end a night's run.

        A server that fails twice over the same job is left to a person; a 502 or 504 comes from a proxy, and
        behind it the job may still be running.
        """
        try:
            return work()
        except ServerError as error:
            if error.status != 500:
                raise
            self.emit(Note(f"{call.stage} of {call.shot} failed and is tried once more: {_in_short(error)}"))
        try:
            return work()
        except ServerError as error:
            self.emit(Note(f"{call.stage} of {call.shot} failed again: {_in_short(error)}"))
            raise

    def _on_server(
        self, call: StageCall, servers: ServerSet, webui: WebUI, generate: GenerateOn
    ) -> tuple[Made, dict[str, Any], float, str]:
        """The result, the identity of the server that made it, the seconds it took without waiting for a
        server, and its address."""
        self.may_go_on()
        started = time.monotonic()
        identity = servers.identity_of(webui)

        def relay(progress: Progress) -> None:
            self.emit(StageProgress(call.shot, call.stage, progress))
            self.tracker.moved(call.shot, call.stage, progress.fraction)

        made = generate(webui, relay)
        identity = with_reported_model(identity, made.payload.get("model_hash"))
        return made, identity, time.monotonic() - started, webui.url

    def may_go_on(self) -> None:
        """Return if the run is to go on.

        Raises:
            Cancelled: It was cancelled.
            Halted: Something else of it failed.
        """
        if self.cancel.cancelled:
            raise Cancelled("the run was cancelled", hint="what is finished is kept; run it again to go on")
        if self._halted.is_set():
            raise Halted

    def _reason(self, call: StageCall, material: Mapping[str, Any]) -> str:
        damaged = self.store.was_here(digest(material))
        reason = (
            "the stored result was damaged"
            if damaged
            else why(self._last_run.recall(call.shot, call.stage), material)
        )
        if damaged:
            self.emit(Note(f"{call.stage} of {call.shot}: the stored result was damaged and is made again"))
        self.emit(StageStarted(call.shot, call.stage, reason))
        return reason

    def _cached(self, call: StageCall, record: Record, *, generation: bool) -> Outcome:
        self._last_run.remember(call.shot, call.stage, record.material)
        self._done(call, record, cached=True, reason=CACHED, seconds=0.0, generation=generation)
        return Outcome(call, record, cached=True, why=CACHED)

    def _keep(
        self,
        call: StageCall,
        material: Mapping[str, Any],
        made: Made,
        reason: str,
        seconds: float,
        *,
        generation: bool,
        server: str = "",
    ) -> Outcome:
        record = self.store.save(material, outputs=made.outputs, payload=made.payload, seconds=seconds)
        self._last_run.remember(call.shot, call.stage, material)
        self._done(
            call, record, cached=False, reason=reason, seconds=seconds, generation=generation, server=server
        )
        return Outcome(call, record, cached=False, why=reason)

    def _done(
        self,
        call: StageCall,
        record: Record,
        *,
        cached: bool,
        reason: str,
        seconds: float,
        generation: bool,
        server: str = "",
    ) -> None:
        output = record.outputs.get("image")
        self.emit(StageDone(call.shot, call.stage, cached, reason, seconds, generation, output, server))
        if generation:
            self.tracker.finished(call.shot, call.stage, cached=cached, seconds=seconds)


def _in_short(error: ServerError) -> str:
    """The server's own words, cut to a line."""
    words = " ".join((error.server_text or error.message).split())
    return words if len(words) <= 160 else words[:159] + "…"
