"""`serve`: the whole studio, page and API and worker, with one command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ..errors import ExitCode
from ._options import WebUIOptions, read_webui_options, webui_options
from ._state import make_console
from ._trainer import read_trainer_options, trainer_options

if TYPE_CHECKING:
    from rich.console import Console

    from ..core import Studio
    from ..jobs import Jobs
    from ..serving import Workplace

DEFAULT_PORT = 8000

HELP = """Run the studio: people sign in on its page, send photos, go away, and get their portraits by mail.

Starts the page, the REST API and a worker, and prints the address. Everything it keeps lies in the data
directory ($SDWEBUI_DATA_DIR). Without a WebUI it works with the sandbox, and says so on every page. Without a
mail server ($SDWEBUI_SMTP_HOST) mails are written as files into the data directory's outbox.

Ctrl-C ends it; what was under way goes on when it is started again. docs/operations.md has the rest:
PostgreSQL, more workers and GPU hosts, mail, HTTPS, backups.

\b
Examples:
  serve                                     at http://127.0.0.1:8000, with the sandbox if no WebUI is found
  serve --host 0.0.0.0 --webui http://gpu:7860 --models-dir /mnt/webui/models
  serve --no-worker                         the page alone; workers run elsewhere
"""


@click.command(help=HELP, short_help="Run the studio: page, API and worker.")
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 for other machines (behind HTTPS, see docs/operations.md).",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=DEFAULT_PORT,
    show_default=True,
    help="0 takes any free one.",
)
@click.option("--data-dir", metavar="DIR", help="Where everything is kept. [$SDWEBUI_DATA_DIR]")
@click.option("--no-worker", is_flag=True, help="The page and the API alone.")
@webui_options
@trainer_options
def serve(host: str, port: int, data_dir: str | None, no_worker: bool, **given: Any) -> int:
    """Open the studio, start the children, serve until told to stop."""
    from pathlib import Path

    from ..core import Studio
    from ..jobs import Jobs
    from ..logs import configure_logs
    from ..mail import check_mail_settings
    from ..service_settings import load_settings
    from ..serving import address_of, alone, bind, children

    webui = read_webui_options(
        *(given[key] for key in ("webui", "models_dir", "api_auth_file", "ca_file", "insecure"))
    )
    read_trainer_options(given["trainer"], given["base_model"])  # a slip should cost a second
    settings = load_settings(data_dir=Path(data_dir) if data_dir else None)
    configure_logs(settings, process="page")
    check_mail_settings(settings)
    console = make_console(stderr=False)
    with bind(host, port) as listener:
        url = address_of(listener, host)
        # Workers elsewhere draw with WebUIs of their own, whatever is named here.
        stand_in = webui.target.sandbox and not no_worker
        studio = Studio.open(settings, public_url=url, sandbox=stand_in)
        console.print(f"Starting the studio at {url}: the page takes some seconds to load …", highlight=False)
        jobs = Jobs(studio)
        try:
            alone(studio, worker=not no_worker)
            # Before the worker is started, so that one process alone makes DBOS's tables.
            jobs.warm_up()
            with children(
                studio,
                sandbox=stand_in,
                urls=_urls(webui),
                worker_args=_worker_args(given),
                workers=0 if no_worker else 1,
            ) as workplace:
                _serve(studio, jobs, listener, console, url, workplace, worker=not no_worker)
        finally:
            jobs.close()
            studio.close()
    return ExitCode.DONE


def _serve(
    studio: Studio,
    jobs: Jobs,
    listener: Any,
    console: Console,
    url: str,
    workplace: Workplace,
    *,
    worker: bool,
) -> None:
    from ..serving import make_server
    from ..web.app import build_app

    app = build_app(studio, jobs, page=True)
    server = make_server(app, trusted_proxies=studio.settings.trusted_proxies)
    _greet(console, studio, url, workplace, worker=worker)
    server.run(sockets=[listener])


def _urls(webui: WebUIOptions) -> list[str]:
    """The WebUIs with their credentials, for the worker's environment: its arguments are seen by `ps`."""
    from urllib.parse import quote, urlsplit, urlunsplit

    urls = []
    for address in webui.target.addresses:
        parts = urlsplit(address.url)
        if address.username:
            secret = f":{quote(address.password, safe='')}" if address.password is not None else ""
            parts = parts._replace(netloc=f"{quote(address.username, safe='')}{secret}@{parts.netloc}")
        urls.append(urlunsplit(parts))
    return urls


def _worker_args(given: dict[str, Any]) -> list[str]:
    """What the worker must be told beside its environment."""
    args = ["--role", "all", "--gpu", "local"]
    for option in ("models_dir", "api_auth_file", "ca_file", "trainer", "base_model"):
        if given[option]:
            args += [f"--{option.replace('_', '-')}", given[option]]
    return [*args, "--insecure"] if given["insecure"] else args


def _greet(console: Console, studio: Studio, url: str, workplace: Workplace, *, worker: bool) -> None:
    """Say where it is, and what is a stand-in."""
    settings = studio.settings

    def line(text: str, **style: Any) -> None:
        console.print(text, highlight=False, soft_wrap=True, **style)

    line(f"\nThe studio is open: {url}", style="bold green")
    line(f"  Everything it keeps:  {studio.layout.root}")
    line(f"  Database:             {studio.db.engine.dialect.name}")
    if not worker:
        line("  No worker was started here: jobs wait for `worker` on this or another machine.")
    elif workplace.sandbox:
        line(
            "  SANDBOX: no WebUI was named or found, so its pictures are stand-ins, no portraits "
            "(--webui URL or $SDWEBUI_URL names one).",
            style="yellow",
        )
    if settings.mails_are_sent:
        line(f"  Mails go through:     {settings.smtp_host}:{settings.smtp_port}")
    else:
        line(
            "  No mail server is set ($SDWEBUI_SMTP_HOST): mails are written as files into "
            f"{studio.layout.outbox}",
            style="yellow",
        )
    line("  An operator's account: python -m sdwebui_client studio users add YOU@EXAMPLE.ORG --operator")
    line(f"  (pid {os.getpid()}; Ctrl-C ends it)\n")
