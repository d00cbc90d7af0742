"""`reproduce`: a delivered picture, made again."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..connect import connect
from ..settings import existing_file
from ._interrupt import interruptible
from ._options import read_webui_options, webui_options
from ._state import make_console

if TYPE_CHECKING:
    from stages.reproduce import ReproduceResult

    from ._display import Display

HELP = """Make a delivered picture again from its provenance, and say whether the bytes are equal.

PICTURE is a file of a run's portraits folder, with its .provenance.json beside it. Every stage is made again
and compared; the first that differs is named, with what was not as it was then (server, model, request).

\b
Exit status: 0 equal, 1 different, 2 bad input, 3 server or capability, 130 interrupted.
"""


@click.command(help=HELP, short_help="Make a delivered picture again from its provenance.")
@click.argument("picture")
@webui_options
@click.option("--save", metavar="FILE", help="Keep the picture that came out this time.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON to standard output.")
def reproduce(picture: str, save: str | None, as_json: bool, **given: Any) -> int:
    """Connect, make, compare, tell."""
    path = existing_file(picture, "PICTURE")
    options = read_webui_options(**given)

    from sdwebui_client import CancelToken
    from stages.reproduce import reproduce as make_again

    from ._display import Display

    cancel = CancelToken()
    with (
        Display(make_console(stderr=as_json)) as display,
        tempfile.TemporaryDirectory(prefix="sdwebui-client-") as scratch,
        connect(
            options.target,
            options.settings,
            sandbox_models=Path(scratch),
            models_dir=options.models_dir,
            verify=options.verify,
        ) as connection,
        interruptible(cancel.cancel, display.say),
    ):
        if connection.sandbox:
            display.sandbox_panel(connection.servers[0].url, asked=connection.asked)
        result = make_again(
            path,
            connection.servers,
            on_progress=display.progress,
            cancel=cancel,
            models_dir=connection.models_dir,
        )
    if save:
        result.picture.save(Path(save).expanduser())
    if as_json:
        click.echo(json.dumps(_as_json(path, result), indent=2, ensure_ascii=False))
    else:
        _show(display, result)
    return 0 if result.equal else 1


def _show(display: Display, result: ReproduceResult) -> None:
    for stage in result.stages:
        display.say(f"{'equal    ' if stage.equal else 'DIFFERENT'} {stage.stage}")
        for difference in stage.differences:
            display.say(f"            {difference}")
    if result.equal:
        display.say("The bytes are equal.", style="green")
        return
    first = result.first_difference
    display.say(f"The bytes are different{f', from {first.stage} on' if first else ''}.", style="red")


def _as_json(picture: Path, result: ReproduceResult) -> dict[str, Any]:
    return {
        "schema": "sdwebui-reproduction/1",
        "picture": str(picture),
        "equal": result.equal,
        "expected_sha256": result.expected_sha256,
        "got_sha256": result.got_sha256,
        "stages": [
            {"stage": stage.stage, "equal": stage.equal, "differences": list(stage.differences)}
            for stage in result.stages
        ],
    }
