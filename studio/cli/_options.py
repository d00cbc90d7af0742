"""Options several commands share, and what they mean together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from ..connect import Target, choose
from ..errors import BadInput
from ..settings import Settings, existing_file, models_place, read_auth_file

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class WebUIOptions:
    """Where to work, as asked on the command line and in the environment.

    Attributes:
        settings: the environment with the command line's credentials in it.
        target: which WebUIs, or the sandbox.
        models_dir: the WebUI's models folder: a path of this machine, an address as text, or None.
        verify: TLS verification: True, False, or a CA file's path.
    """

    settings: Settings
    target: Target
    models_dir: Path | str | None
    verify: bool | str


def webui_options(command: F) -> F:
    """Add --webui and what belongs to it; `read_webui_options` takes the values."""
    for option in reversed(
        (
            click.option(
                "--webui",
                multiple=True,
                metavar="URL",
                help="Address of a WebUI started with --api; may be given "
                "several times. `sandbox` asks for the built-in stand-in. Default: $SDWEBUI_URL, else "
                "http://127.0.0.1:7860 if something listens there, else the sandbox.",
            ),
            click.option(
                "--models-dir",
                metavar="DIR|URL",
                help="The WebUI's models folder (with Lora/ in it), where the person's LoRA is published: a "
                "path this machine can write to, sftp://user@host/path (see $SDWEBUI_SSH_KEY), or the "
                "address of a storage fsspec knows. [$SDWEBUI_MODELS_DIR]",
            ),
            click.option(
                "--api-auth-file",
                metavar="FILE",
                help="A file holding `user:password` as given to the WebUI's "
                "--api-auth. [$SDWEBUI_AUTH_FILE, $SDWEBUI_AUTH]",
            ),
            click.option(
                "--ca-file",
                metavar="FILE",
                help="Certificate authority of an https WebUI. [$SDWEBUI_CA_FILE]",
            ),
            click.option("--insecure", is_flag=True, help="Do not verify the https certificate."),
        )
    ):
        command = option(command)
    return command


def read_webui_options(
    webui: tuple[str, ...],
    models_dir: str | None,
    api_auth_file: str | None,
    ca_file: str | None,
    insecure: bool,
) -> WebUIOptions:
    """Check what `webui_options` collected, against the environment.

    Raises:
        BadInput: naming the option.
    """
    settings = Settings.from_env()
    if api_auth_file:
        username, password = read_auth_file(existing_file(api_auth_file, "--api-auth-file"))
        settings = replace(settings, username=username, password=password)
    if ca_file and insecure:
        raise BadInput("--ca-file and --insecure contradict each other.")
    ca = existing_file(ca_file, "--ca-file") if ca_file else settings.ca_file
    models = read_models_dir(models_dir) if models_dir else settings.models_dir
    return WebUIOptions(
        settings=settings,
        target=choose(webui, settings),
        models_dir=models,
        verify=False if insecure else str(ca) if ca else True,
    )


def read_models_dir(text: str) -> Path | str:
    """The value of --models-dir: a folder that is there, or an address, which is asked later.

    Raises:
        BadInput: no such folder, or no address.
    """
    place = models_place(text, "--models-dir")
    return existing_dir(str(place), "--models-dir") if isinstance(place, Path) else place


def existing_dir(text: str, what: str) -> Path:
    """The path, if a folder is there.

    Raises:
        BadInput: there is none; `what` names the option.
    """
    path = Path(text).expanduser()
    if path.is_file():
        raise BadInput(f"{what} {text} is a file; a folder is needed.")
    if not path.is_dir():
        raise BadInput(f"{what}: there is no folder {text}.")
    return path
