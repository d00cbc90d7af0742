"""Faults that can be switched on, and the ASGI layer that makes them happen."""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import Crash
from .settings import Fault

if TYPE_CHECKING:
    from .state import Sandbox

GENERATION = ("/sdapi/v1/txt2img", "/sdapi/v1/img2img", "/sdapi/v1/control")
OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 8.00 GiB of which 1.02 "
    "GiB is free. Of the allocated memory 5.90 GiB is allocated by PyTorch, and 312.00 MiB is reserved "
    "by PyTorch but unallocated."
)
GATEWAY_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
)
IN_JOB = ("hang", "slow", "500", "oom")
"""Faults that happen inside the job, so that the queue and the progress show them."""


class ServerGone(Exception):
    """Breaks off an answer that has begun: the server closes the connection."""


@dataclass
class _Armed:
    fault: Fault
    seen: int = 0
    hit: int = 0

    @property
    def spent(self) -> bool:
        return self.fault.count > 0 and self.hit >= self.fault.count


class FaultBoard:
    """The faults switched on, counted down by the requests they match. Thread-safe."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._armed = [_Armed(fault) for fault in faults]
        self.cleared = threading.Event()

    def switch(self, faults: Iterable[Fault]) -> None:
        """Replace all faults; a hanging job goes on."""
        with self._lock:
            self._armed = [_Armed(fault) for fault in faults]
            self.cleared.set()
            self.cleared = threading.Event()

    def describe(self) -> list[dict[str, Any]]:
        """What is switched on, with how often each has hit."""
        with self._lock:
            return [{**asdict(item.fault), "seen": item.seen, "hit": item.hit} for item in self._armed]

    def take(self, path: str) -> Fault | None:
        """Count a request and return the fault that hits it, if any."""
        with self._lock:
            for item in self._armed:
                if item.spent or not _matches(item.fault, path):
                    continue
                item.seen += 1
                if item.seen > item.fault.after:
                    item.hit += 1
                    return item.fault
        return None


def _matches(fault: Fault, path: str) -> bool:
    if path.startswith("/sandbox"):
        return False
    if fault.path == "generation":
        return path in GENERATION
    return fault.path == "any" or path.startswith(fault.path)


def fault_error(fault: Fault) -> Crash:
    """The exception a job dies of."""
    if fault.kind == "oom":
        return Crash("OutOfMemoryError", OUT_OF_MEMORY)
    return Crash("RuntimeError", "a fault of the sandbox was switched on")


class FaultLayer:
    """The outermost ASGI layer: marks every answer as the sandbox's and breaks those a fault hits."""

    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fault = self._sandbox.faults.take(scope["path"]) if scope["method"] != "OPTIONS" else None
        scope.setdefault("state", {}).update(fault=fault, abort=functools.partial(_reset, receive))
        marked = _Marked(send)
        if fault is None or (fault.kind in IN_JOB and scope["path"] in GENERATION):
            await self._app(scope, receive, marked)
        else:
            await self._broken(fault, scope, receive, marked)

    async def _broken(self, fault: Fault, scope: Scope, receive: Receive, send: _Marked) -> None:
        if fault.kind == "reset":
            _reset(receive)
        elif fault.kind == "restart":
            _reset(receive)
            await asyncio.to_thread(self._sandbox_restart, fault.seconds)
        elif fault.kind == "html":
            await _answer(send, 502, b"text/html", GATEWAY_PAGE.encode())
        elif fault.kind == "truncated":
            await self._app(scope, receive, _Truncated(send))
        else:
            if fault.kind in ("hang", "slow"):
                await self._wait(fault.seconds)
            scope["state"]["fault"] = fault
            await self._app(scope, receive, send)

    async def _wait(self, seconds: float) -> None:
        cleared, stopping = self._sandbox.faults.cleared, self._sandbox.queue.stopping
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end and not cleared.is_set() and not stopping.is_set():
            await asyncio.sleep(0.02)

    def _sandbox_restart(self, seconds: float) -> None:
        self._sandbox.restart(seconds)


class _Marked:
    """Adds the sandbox's header."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"x-sdwebui-sandbox", b"1")]}
        await self._send(message)


class _Truncated:
    """Announces the whole answer, sends half of it and closes the connection."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body = message.get("body", b"")
        await self._send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        raise ServerGone


async def _answer(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _reset(receive: Receive) -> None:
    """Reset the connection.

    Uvicorn's `receive` is a method of the object that holds the transport (0.34..0.54).
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        raise ServerGone
    sock = transport.get_extra_info("socket")
    if sock is not None:
        # SO_LINGER 0: a reset instead of an orderly end.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
