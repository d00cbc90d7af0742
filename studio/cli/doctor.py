"""`doctor`: everything the recipe needs, found or missing."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdwebui_client.errors import WebUIError

from ..connect import connect
from ..doctor import Check, check_machine, check_preset, check_server, is_ready, report
from ..doctor_trainer import check_trainer
from ..errors import ExitCode, explain
from ._options import WebUIOptions, read_webui_options, webui_options
from ._state import make_console

if TYPE_CHECKING:
    from rich.console import Console

    from sdwebui_client import WebUI
    from stages.presets import Preset

HELP = """Look whether everything the recipe needs is there.

This machine (Python, extras, face models, photo formats, disk), the WebUI (or the sandbox), and what a preset
names: each found or missing, with what to install or rename. Nothing is generated.

\b
Exit status: 0 everything is there, 2 bad input or preset, 3 something is missing.
"""

MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "missing": ("MISSING", "bold red")}


@click.command(help=HELP, short_help="Look whether everything the recipe needs is there.")
@webui_options
@click.option(
    "--preset",
    "presets",
    multiple=True,
    metavar="NAME|FILE",
    help="Preset to hold against the WebUI; may be repeated. [default: that of make-profile]",
)
@click.option(
    "--trainer",
    metavar="TRAINER",
    help="Look at this trainer, as in `train-lora --trainer`. [$SDWEBUI_TRAINER]",
)
@click.option("--lora", metavar="NAME", help="See that the WebUI has this LoRA of the person.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
def doctor(
    presets: tuple[str, ...], trainer: str | None, lora: str | None, as_json: bool, **given: Any
) -> int:
    """Run every check, also after one failed."""
    from stages.presets import load_preset

    from .make_profile import DEFAULT_PRESET

    options = read_webui_options(**given)
    trainer = trainer or os.environ.get("SDWEBUI_TRAINER", "").strip() or None
    loaded = [load_preset(name) for name in presets or (DEFAULT_PRESET,)]
    checks = [*check_machine(Path("output")), *_server_checks(options, loaded, lora)]
    if lora is None and (trainer or not options.target.sandbox):
        checks += check_trainer(trainer, os.environ, loaded[0])
    if as_json:
        click.echo(json.dumps(report(checks), indent=2, ensure_ascii=False))
    else:
        _show(make_console(stderr=False), checks)
    return ExitCode.DONE if is_ready(checks) else ExitCode.SERVER


def _server_checks(options: WebUIOptions, presets: list[Preset], lora: str | None) -> list[Check]:
    """Checks of every WebUI asked for; one that does not answer is a finding, not the end."""
    checks: list[Check] = []
    with tempfile.TemporaryDirectory(prefix="sdwebui-client-") as scratch:
        try:
            with connect(
                options.target,
                options.settings,
                sandbox_models=Path(scratch),
                models_dir=options.models_dir,
                verify=options.verify,
                family=presets[0].family,
            ) as connection:
                for webui in connection.servers:
                    checks += _checks_of(webui, presets, models_dir=connection.models_dir, lora=lora)
        except (WebUIError, ModuleNotFoundError) as error:
            where = ", ".join(address.url for address in options.target.addresses) or "sandbox"
            checks.append(_no_answer(where, error))
    return checks


def _checks_of(
    webui: WebUI, presets: list[Preset], *, models_dir: Path | str | None, lora: str | None
) -> list[Check]:
    try:
        caps = webui.capabilities()
    except WebUIError as error:
        return [_no_answer(webui.url, error)]
    checks = check_server(webui.url, caps, models_dir, lora)
    for preset in presets:
        checks += check_preset(webui.url, preset, caps, lora)
    return checks


def _no_answer(where: str, error: Exception) -> Check:
    failure = explain(error)
    message, hint = (failure.message, failure.hint) if failure else (str(error), "")
    return Check(f"WebUI {where}", "API", "missing", message, hint)


def _show(console: Console, checks: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    for group in dict.fromkeys(check.group for check in checks):
        console.print(f"\n{group}", style="bold", markup=False, soft_wrap=True)
        table = Table(show_header=False, show_edge=False, pad_edge=False, box=None)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold", ratio=1)
        for check in (check for check in checks if check.group == group):
            word, style = MARKS[check.status]
            detail = Text(check.detail)
            if check.advice:
                detail.append(f"\n-> {check.advice}", style="cyan")
            table.add_row(Text(word, style=style), Text(check.name), detail)
        console.print(table)
    missing = sum(check.status == "missing" for check in checks)
    console.print(f"\n{missing} missing." if missing else "\nEverything is there.", style="bold")
