"""A cable between a client and a server that can be cut after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Cable:
    """Passes TCP connections on; a context manager.

    Attributes:
        port: Where clients connect, on 127.0.0.1.
        cuts: After how many bytes from the client each connection is cut, in the order they are made; later
            ones are left whole.
        mute: Whether a cut cable falls silent instead of being hung up.
        connections: How many were made.
    """

    def __init__(self, port: int, *, cuts: tuple[int, ...] = (), mute: bool = False) -> None:
        self._target, self.cuts, self.mute, self.connections = port, cuts, mute, 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # wakes accept
        for end in [self._server, *self._open]:
            _hang_up(end)
        for thread in self._threads:
            thread.join(10)

    def _spawn(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            left = self.cuts[self.connections] if self.connections < len(self.cuts) else None
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self._target))
            self._open += [client, server]
            self._spawn(self._pass, client, server, left)
            self._spawn(self._pass, server, client, None)

    def _pass(self, source: socket.socket, sink: socket.socket, left: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if left is not None:
                    left -= len(data)
                    if left <= 0:
                        break
                sink.sendall(data)
        if left is not None and left <= 0 and self.mute:
            return
        _hang_up(source)
        _hang_up(sink)


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
