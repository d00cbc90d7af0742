"""A WebUI of a hundred lines on a real socket:
recorded reads, one job at a time, and answers that go wrong on demand."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.recorded import recordings


@dataclass
class Reply:
    """What goes over the wire."""

    status: int = 200
    body: bytes = b"null"
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    send_only: int | None = None
    """Bytes of the body that are really sent before the connection is closed."""
    drop: bool = False
    """Close the connection without any answer."""

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Reply:
        return cls(status, json.dumps(value).encode())


@cache
def recorded_reads(flavour: str = "a1111") -> dict[str, Reply]:
    """Answers of the GET routes by path."""
    return {
        case.path.split("?")[0]: Reply.json(case.body, case.status)
        for name, case in recordings(flavour).items()
        if name.startswith("get_") and case.is_exchange and case.method == "GET"
    }


def picture_answer() -> dict[str, Any]:
    """A recorded txt2img answer with a whole picture, 256x256, Euler a."""
    return dict(recordings("a1111")["full/p01_txt2img_plain"].body)


class StubWebUI:
    """Context manager; `url` is where it listens.

    Attributes:
        reply: Makes the answer of a generation from its request; runs when the job is done.
        hold: Jobs run until this is set (or they are interrupted); set from the start.
        seen: (method, path, JSON) of every request, in order.
    """

    def __init__(self, flavour: str = "a1111") -> None:
        self.reads = dict(recorded_reads(flavour))
        self.reply: Callable[[dict[str, Any]], Reply] = lambda request: Reply.json(picture_answer())
        self.hold = threading.Event()
        self.hold.set()
        self.started = threading.Event()
        self.seen: list[tuple[str, str, Any]] = []
        self.headers_seen: list[dict[str, str]] = []
        self.pending: list[str] = []
        self.current: str | None = None
        self.finished: list[str] = []
        self.interrupted = False
        self.interrupts = 0
        self.steps = [0, 20]
        self.job_no, self.job_count = 0, 1
        self.has_internal = True
        self.dead = False
        self.hooks: dict[str, Callable[[], Reply | None]] = {}
        self._queue = threading.Lock()
        self._server = _server(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def generations(self) -> list[dict[str, Any]]:
        """Requests of the generations that arrived."""
        return [body for method, path, body in self.seen if method == "POST" and path.endswith("2img")]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port; running jobs go on."""
        self.dead = True
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: Any) -> Reply:
        route = path.split("?")[0]
        hook = self.hooks.get(route)
        if hook is not None and (reply := hook()) is not None:
            return reply
        if method == "POST" and route.endswith("2img"):
            return self.run(body)
        if route == "/internal/progress" and self.has_internal:
            return self._task(body["id_task"])
        if route == "/internal/pending-tasks" and self.has_internal:
            return Reply.json({"size": len(self.pending), "tasks": self.pending})
        if route == "/sdapi/v1/progress":
            return self._progress()
        if route == "/sdapi/v1/interrupt":
            self.interrupts += 1
            self.interrupted = True
            return Reply.json({})
        if route.startswith("/internal/") and not self.has_internal:
            return Reply.json({"detail": "Not Found"}, 404)
        if method == "POST":
            return Reply()
        return self.reads.get(route, Reply.json({"detail": "Not Found"}, 404))

    def run(self, request: dict[str, Any]) -> Reply:
        """One job, after those before it."""
        task = request.get("force_task_id") or "task(unnamed)"
        self.pending.append(task)
        with self._queue:
            self.pending.remove(task)
            self.current, self.interrupted = task, False
            self.started.set()
            while not (self.hold.is_set() or self.interrupted):
                time.sleep(0.005)
            reply = self.reply(request)
            self.current = None
            self.finished.append(task)
        return reply

    def _task(self, task: str) -> Reply:
        active = task == self.current
        return Reply.json(
            {
                "active": active,
                "queued": task in self.pending,
                "completed": task in self.finished,
                "progress": self.steps[0] / self.steps[1] if active else None,
                "eta": 3.0 if active else None,
                "live_preview": None,
                "id_live_preview": -1,
                "textinfo": f"In queue: {self.pending.index(task) + 1}/9" if task in self.pending else None,
            }
        )

    def _progress(self) -> Reply:
        busy = self.current is not None
        state = {
            "job": "scripts_txt2img" if busy else "",
            "job_count": self.job_count if busy else 0,
            "job_no": self.job_no if busy else 0,
            "sampling_step": self.steps[0] if busy else 0,
            "sampling_steps": self.steps[1],
            "interrupted": self.interrupted,
            "skipped": False,
        }
        return Reply.json({"progress": 0.0, "eta_relative": 0.0, "state": state, "current_image": None})


def _server(stub: StubWebUI) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet; apart they wait 40 ms for each other (Nagle against delayed ACK).
        wbufsize = 1 << 20

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def _any(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            raw = self.rfile.read(length)
            body = json.loads(raw) if raw else None
            stub.seen.append((self.command, self.path, body))
            stub.headers_seen.append({name.lower(): value for name, value in self.headers.items()})
            self._send(stub.answer(self.command, self.path, body))

        def _send(self, reply: Reply) -> None:
            if reply.drop or stub.dead:
                self._cut()
                return
            try:
                self.send_response(reply.status)
                self.send_header("content-type", reply.content_type)
                self.send_header("content-length", str(len(reply.body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body[: reply.send_only])
                self.wfile.flush()
            except OSError:
                self.close_connection = True  # the client has gone, as clients do
            if reply.send_only is not None:
                self._cut()

        def _cut(self) -> None:
            self.close_connection = True
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - the names http.server looks for

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server
