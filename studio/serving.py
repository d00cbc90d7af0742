"""The whole studio on one machine: page and API in this process, the worker and the sandbox in children.

A worker is a process of its own because its work (finding faces, encoding pictures) would make the page
stutter, and because it may be killed by what it does (out of memory) without taking the page along.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .core import Studio
from .errors import BadInput
from .supervise import Child

if TYPE_CHECKING:
    import uvicorn

LOG = logging.getLogger(__name__)

_KEPT: list[object] = []
"""Locks that last as long as the process."""

_SANDBOX_AT = re.compile(r"\bat (http://\S+?);")
_SANDBOX_START_S = 60.0


@dataclass(frozen=True)
class Workplace:
    """What the studio's worker works with."""

    urls: tuple[str, ...]
    """Addresses of WebUIs, without credentials."""
    sandbox: bool
    """Whether they are the stand-in, started here."""


class Sandbox:
    """The stand-in for a WebUI as a child process; its models lie in the data directory."""

    def __init__(self, studio: Studio) -> None:
        self._found = threading.Event()
        self.url = ""
        self._port_file = studio.layout.sandbox_models.parent / "port"
        studio.layout.sandbox_models.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.child = Child(
            "sandbox",
            # The same port after a restart: whoever was told the address finds it again.
            ["sandbox", "--port", str(_free_port(self._last_port())), "--models-dir",
             str(studio.layout.sandbox_models), "--lifeline"],
            on_line=self._line,
        )  # fmt: skip

    def start(self) -> str:
        """Start it and wait until it listens.

        Returns:
            Its address.

        Raises:
            BadInput: It does not start.
        """
        self.child.start()
        if not self._found.wait(_SANDBOX_START_S):
            self.child.stop()
            raise BadInput(
                "The sandbox did not start.", hint="Run `python -m sdwebui_client sandbox` to see why."
            )
        return self.url

    def _line(self, line: str) -> None:
        match = _SANDBOX_AT.search(line)
        if match:
            self.url = match[1]
            self._port_file.write_text(self.url.rpartition(":")[2], encoding="utf-8")
            self._found.set()

    def _last_port(self) -> int:
        try:
            return int(self._port_file.read_text("utf-8"))
        except (OSError, ValueError):
            return 0


def _free_port(wanted: int) -> int:
    """The wanted port when nothing listens there, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise BadInput("No free port on this machine.")


@contextmanager
def children(
    studio: Studio, *, sandbox: bool, urls: Sequence[str], worker_args: Sequence[str], workers: int
) -> Iterator[Workplace]:
    """The sandbox (if asked for) and the workers, running until the end of the block.

    Args:
        studio: The studio.
        sandbox: Whether the WebUI is the stand-in.
        urls: The WebUIs' addresses with credentials, as SDWEBUI_URL has them; ignored for the sandbox.
        worker_args: Arguments that every worker is given.
        workers: How many; 0 for the page alone.
    """
    with ExitStack() as stack:
        if sandbox and workers:
            stand_in = Sandbox(studio)
            stack.callback(stand_in.child.stop)
            urls = [stand_in.start()]
        env = {"SDWEBUI_DATA_DIR": str(studio.layout.root), "SDWEBUI_URL": " ".join(urls)}
        # Passed on because the address in mails is this page's.
        env["SDWEBUI_PUBLIC_URL"] = studio.public_url
        command = ["worker", "--lifeline", *worker_args]
        running = [
            Child(f"worker {number}", [*command, "--name", f"local-{number}"], env=env)
            for number in range(1, workers + 1)
        ]
        for child in running:
            child.start()
            stack.callback(child.stop)
        for child in running:
            stack.callback(child.ask_to_stop)  # all at once, then each is waited for
        yield Workplace(tuple(urls), sandbox)


def alone(studio: Studio, *, worker: bool) -> None:
    """See that no other studio with a worker runs on the data directory; until this process ends none may.

    Two would start a worker of the same name each, and take its jobs from one another.

    Raises:
        BadInput: There is one.
    """
    from stages.errors import WorkFolderBusy
    from stages.lock import FolderLock

    if not worker:
        return
    try:
        _KEPT.append(FolderLock(studio.layout.root / "serve.lock").__enter__())
    except WorkFolderBusy as error:
        holder = f" (process {error.pid})" if error.pid else ""
        raise BadInput(
            f"Another studio runs on {studio.layout.root}{holder}.",
            hint="Stop it first; name another --data-dir; or add --no-worker for a second page.",
        ) from error


def bind(host: str, port: int) -> socket.socket:
    """The listening socket; made before anything else is started, so that a taken port costs a second.

    Raises:
        BadInput: The port is taken or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadInput(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            hint="Is another studio running? Choose another port: --port 8010 (0 takes any free one).",
        ) from error
    listener.set_inheritable(False)
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """What to type into a browser."""
    port = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def make_server(app: object, *, trusted_proxies: str) -> uvicorn.Server:
    """Uvicorn for the page; it logs through the studio's own logging."""
    import uvicorn

    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,  # the application writes its own line, with the request id
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies or None,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)
