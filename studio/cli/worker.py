"""`worker`: a process of the studio that trains or draws."""

from __future__ import annotations

import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from ..errors import BadInput, ExitCode
from ._options import WebUIOptions, read_webui_options, webui_options
from ._trainer import read_trainer_options, trainer_options

if TYPE_CHECKING:
    from ..jobs import WorkerOptions

ROLES = ("generate", "train", "all")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

HELP = """Do the studio's jobs: train, draw, or both.

`serve` starts one; more run beside it or on other machines. A worker needs the studio's data directory and
database (SDWEBUI_DATA_DIR, SDWEBUI_DATABASE_URL), and a WebUI or a trainer of its own: one job a GPU at a
time. Its name must stay the same over restarts: by it, it finds the job it was doing. When it dies, another
worker takes its job over.

SIGTERM or Ctrl-C ends it: what it was doing goes on when it, or another one, runs again.

\b
Examples:
  worker --role generate --name gpu1 --webui http://gpu1:7860
  worker --role train --name trainer1 --trainer sd-scripts --gpu gpu2
  worker --role all --name both --webui http://127.0.0.1:7860 --gpu local
"""


@click.command(help=HELP, short_help="Do the studio's jobs: train, draw, or both.")
@click.option("--role", type=click.Choice(ROLES), default="all", show_default=True, help="What it does.")
@click.option("--name", metavar="NAME", help="Its name, the same over restarts. [default: ROLE-HOST]")
@click.option(
    "--gpu",
    metavar="NAME",
    help="The name of the GPU it works on; workers that share a GPU give the same name, and take turns. "
    "[default: the WebUI's address]",
)
@webui_options
@trainer_options
@click.option("--lifeline", is_flag=True, hidden=True, help="End when standard input closes.")
def worker(**given: Any) -> int:
    """Read the options, open the studio, work until told to stop."""
    name = worker_name(given["name"], given["role"])
    webui = read_webui_options(
        *(given[key] for key in ("webui", "models_dir", "api_auth_file", "ca_file", "insecure"))
    )
    if given["role"] != "train" and webui.target.sandbox:
        raise BadInput(
            "A worker that draws needs a WebUI: name it with --webui or SDWEBUI_URL.",
            hint="Without one, `serve` starts the sandbox and a worker for it.",
        )
    trainer = read_trainer_options(given["trainer"], given["base_model"])

    from ..core import Studio
    from ..jobs import WorkerOptions, run_worker
    from ..logs import configure_logs
    from ..mail import check_mail_settings
    from ..service_settings import load_settings

    settings = load_settings()
    configure_logs(settings, process=name)
    check_mail_settings(settings)
    options = WorkerOptions(
        name=name,
        role=given["role"],
        webui=webui,
        gpu=given["gpu"],
        trainer=trainer,
    )
    studio = Studio.open(settings)
    try:
        with _told_to_stop() as stop:
            if given["lifeline"]:
                from ..supervise import watch_lifeline

                watch_lifeline(stop.set)
            run_worker(studio, options, stop=stop, on_ready=lambda: _ready(options, webui))
    finally:
        studio.close()
    return ExitCode.DONE


def worker_name(asked: str | None, role: str) -> str:
    """The asked name, or one made of role and host.

    Raises:
        BadInput: It holds other than letters, digits, `.`, `_` and `-`.
    """
    name = asked or f"{role}-{re.sub(r'[^A-Za-z0-9._-]', '-', socket.gethostname())[:50] or 'host'}"
    if not _NAME.fullmatch(name):
        raise BadInput(
            "--name: a worker's name has letters, digits, . _ and - only.", hint="For example: --name gpu1"
        )
    return name


def _ready(options: WorkerOptions, webui: WebUIOptions) -> None:
    where = ", ".join(address.url for address in webui.target.addresses) or "no WebUI"
    click.echo(f"Worker {options.name} ({options.role}) is ready: {where}")


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set; a second one ends at once."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
