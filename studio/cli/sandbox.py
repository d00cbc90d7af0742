"""`sandbox`: the stand-in for a WebUI, as a server of its own."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sdwebui_client.sandbox.settings import Fault

# Spelt out here so that --help needs no import; a test compares them with the sandbox's own lists.
FLAVOURS = ("a1111", "forge", "reforge", "sdnext")
PROFILES = ("portrait", "recorded")
FAULTS = ("hang", "500", "oom", "truncated", "reset", "html", "restart", "slow")

HELP = """Run the built-in stand-in for a WebUI until Ctrl-C.

It speaks the WebUI's REST API, with its queue, its errors and its silent failures, and makes simple pictures
that say SANDBOX. Any client can talk to it. It is meant for this machine only.

\b
Examples:
  sandbox                                 A1111 at http://127.0.0.1:7860
  sandbox --flavour forge --port 7870
  sandbox --without controlnet            as if the extension were not installed
  sandbox --fault 500,after=3             the fourth generation fails
  sandbox --fault hang,seconds=30,count=0 every generation hangs for 30 s
"""


@click.command(help=HELP, short_help="Run the built-in stand-in for a WebUI.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=7860,
    show_default=True,
    help="0 takes any free one.",
)
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Address to listen on."
)
@click.option(
    "--flavour", type=click.Choice(FLAVOURS), default="a1111", show_default=True, help="The WebUI it plays."
)
@click.option(
    "--api-auth", metavar="USER:PASSWORD", help="Ask for this name and password, as --api-auth does."
)
@click.option("--models-dir", metavar="DIR", help="Where its LoRAs lie. [default: the user's data folder]")
@click.option(
    "--seconds-per-step",
    type=click.FloatRange(0, 60),
    metavar="S",
    default=0.01,
    show_default=True,
    help="How long a sampling step takes.",
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="portrait",
    show_default=True,
    help="An ordinary portrait set-up, or the catalogue of the server the recordings were made on.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="NAME",
    help="Leave out adetailer, controlnet, usdu, or a model by name; may be repeated.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND[,KEY=VALUE…]",
    help=f"Something that goes wrong: {', '.join(FAULTS)}; keys: count, after, path, seconds.",
)
@click.option("--lifeline", is_flag=True, hidden=True, help="End when standard input closes.")
def sandbox(
    host: str,
    port: int,
    models_dir: str | None,
    without: tuple[str, ...],
    faults: tuple[str, ...],
    lifeline: bool,
    **given: Any,
) -> None:
    """Build the settings and serve."""
    from sdwebui_client.sandbox import SandboxServer, SandboxSettings
    from sdwebui_client.sandbox.settings import default_models_dir

    settings = SandboxSettings(
        host=host,
        port=port,
        models_dir=Path(models_dir).expanduser() if models_dir else default_models_dir(),
        without=frozenset(without),
        faults=tuple(parse_fault(text) for text in faults),
        **given,
    )
    with SandboxServer(settings) as server:
        click.echo(f"SANDBOX, playing {settings.flavour}, at {server.url}; Ctrl-C ends it.")
        click.echo(f"Its LoRAs lie in {settings.lora_dir}.")
        ended = threading.Event()
        if lifeline:
            from ..supervise import watch_lifeline

            watch_lifeline(ended.set)
        try:
            ended.wait()
        except KeyboardInterrupt:
            click.echo("\nStopped.")


def parse_fault(text: str) -> Fault:
    """Read `KIND,key=value,…`.

    Raises:
        SandboxError: an unknown kind or key, or a value of the wrong type.
    """
    from sdwebui_client.sandbox.settings import Fault, SandboxError

    kind, *rest = text.split(",")
    pairs = [part.partition("=") for part in rest]
    wrong = [key for key, sep, _ in pairs if not sep]
    if wrong:
        raise SandboxError(f"--fault {text}: {wrong[0]!r} is no KEY=VALUE.")
    return Fault.parse({"kind": kind.strip(), **{key.strip(): value.strip() for key, _, value in pairs}})
