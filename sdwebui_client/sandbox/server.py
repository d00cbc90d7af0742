"""Runs a sandbox: in a thread of this process, or as a process of its own."""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import uvicorn

from .app import create_app
from .settings import SandboxError, SandboxSettings
from .state import Sandbox

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 15.0


class _Uvicorn(uvicorn.Server):
    """uvicorn with a pause: the port is closed and opened again, as by a server that restarts."""

    def __init__(self, config: uvicorn.Config, sandbox: Sandbox, address: tuple[str, int]) -> None:
        super().__init__(config)
        self._sandbox = sandbox
        self._address = address
        self._loop: asyncio.AbstractEventLoop | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._loop = asyncio.get_running_loop()

    def restart(self, seconds: float) -> None:
        """Go away for a while; callable from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._begin_restart, seconds)

    def _begin_restart(self, seconds: float) -> None:
        task = asyncio.ensure_future(self._restart(seconds))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _restart(self, seconds: float) -> None:
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        self._sandbox.queue.kill_all()
        await asyncio.sleep(seconds)
        self._sandbox.reset()
        if not self.should_exit:
            await self._listen()

    async def _listen(self) -> None:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        protocol = functools.partial(
            make, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        loop = asyncio.get_running_loop()
        host, port = self._address
        self.servers = [await loop.create_server(protocol, host, port, reuse_address=True)]


class SandboxServer:
    """A sandbox on a port of this machine, in a thread.

    Example:
        >>> from pathlib import Path
        >>> import tempfile, urllib.request
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with SandboxServer(SandboxSettings(models_dir=Path(folder))) as server:
        ...         urllib.request.urlopen(server.url + "/sandbox").status
        200
    """

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        self.settings = settings or SandboxSettings()
        self._thread: threading.Thread | None = None
        self._server: _Uvicorn | None = None
        self._url: str | None = None
        self._app: Any = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end.

        Raises:
            SandboxError: it is not running.
        """
        if self._url is None:
            raise SandboxError("the sandbox is not running; call start() or use it in a with block.")
        return self._url

    @property
    def sandbox(self) -> Sandbox:
        """The server's inside, for tests.

        Raises:
            SandboxError: it is not running.
        """
        if self._app is None:
            raise SandboxError("the sandbox is not running; call start() or use it in a with block.")
        return self._app.state.sandbox  # type: ignore[no-any-return]

    def start(self) -> SandboxServer:
        """Start serving; returns when requests are answered.

        Raises:
            SandboxError: the address is taken, or the server did not come up.
        """
        if self._thread is not None:
            return self
        listener = _bind(self.settings)
        self._app = create_app(self.settings)
        address = listener.getsockname()[:2]
        self._server = _server(self._app, address)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="sandbox-server", daemon=True
        )
        self._thread.start()
        if not _wait_until(lambda: self._server is not None and self._server.started, START_TIMEOUT_S):
            self.stop()
            raise SandboxError(f"the sandbox did not start within {START_TIMEOUT_S:.0f} s.")
        self._url = f"http://{address[0]}:{address[1]}"
        return self

    def stop(self) -> None:
        """Stop serving; running jobs end, waiting connections are closed."""
        if self._server is not None:
            self._app.state.sandbox.queue.stopping.set()
            self._server.should_exit = self._server.force_exit = True
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)
        self._thread = self._server = self._url = self._app = None

    def __enter__(self) -> SandboxServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def run_forever(settings: SandboxSettings) -> None:
    """Serve in this thread until interrupted (Ctrl-C) or told to stop by POST /sdapi/v1/server-stop.

    Raises:
        SandboxError: the address is taken.
    """
    listener = _bind(settings)
    app = create_app(settings)
    server = _server(app, listener.getsockname()[:2])
    server.run(sockets=[listener])


def _bind(settings: SandboxSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol left at 0 asyncio (3.11, base_events._set_nodelay) leaves Nagle's algorithm on, and
    # every answer waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        reason = f"cannot listen on {settings.host}:{settings.port} ({error.strerror})"
        raise SandboxError(
            f"{reason}; is another WebUI or sandbox there? --port 0 takes a free one."
        ) from error
    return listener


def _server(app: Any, address: tuple[str, int]) -> _Uvicorn:
    config = uvicorn.Config(
        app,
        log_level="critical",  # broken-off answers are asked for here: no tracebacks about them
        access_log=False,
        ws="none",
        loop="asyncio",
        timeout_keep_alive=5,  # recorded (q05): fine after 3 s, dropped by 25 s
        timeout_graceful_shutdown=1,
        server_header=True,
    )
    sandbox: Sandbox = app.state.sandbox
    server = _Uvicorn(config, sandbox, (address[0], address[1]))
    sandbox.on_restart = server.restart
    sandbox.on_stop = functools.partial(setattr, server, "should_exit", True)
    return server


def _wait_until(condition: Any, timeout_s: float) -> bool:
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return True
        pause.wait(0.005)
    return False
