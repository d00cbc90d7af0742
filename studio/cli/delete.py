"""`delete`: a run, for good."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ..deletion import Deletion, plan_deletion
from ..errors import BadInput
from ..settings import Settings
from ._options import read_models_dir
from ._words import plural


@click.command(short_help="Delete a run for good: photos, LoRA and portraits.")
@click.argument("name", required=False)
@click.option("--out", metavar="DIR", help="The run's folder. [default: output/NAME]")
@click.option(
    "--models-dir",
    metavar="DIR|URL",
    help="The WebUI's models folder (a path or an address), if the LoRA was published there and the run "
    "does not know. [$SDWEBUI_MODELS_DIR]",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON to standard output.")
def delete(name: str | None, out: str | None, models_dir: str | None, yes: bool, as_json: bool) -> None:
    """Delete a run for good: the copies of the photos, the data set, the LoRA, all pictures, the log.

    The photos you gave with --user are yours and stay. The published LoRA is deleted wherever the models
    folder can be reached from here, also over SFTP; otherwise the receipt says what is left to do.

    \b
    Examples:
      delete alice            the run in output/alice
      delete --out /data/run1
    """
    from .. import deletion

    if (name is None) == (out is None):
        raise BadInput("Say which run: either its NAME or --out DIR.")
    models = read_models_dir(models_dir) if models_dir else Settings.from_env().models_dir
    plan = plan_deletion(Path(out).expanduser() if out else Path("output") / str(name), models)
    if not yes:
        _ask(plan)
    deletion.delete(plan)
    if as_json:
        click.echo(json.dumps(_receipt(plan), indent=2, ensure_ascii=False))
        return
    click.echo(f"Deleted {plan.folder}: {_size(plan)}.")
    for lora in plan.loras:
        click.echo(f"Deleted {lora}.")
    for rest in plan.left:
        click.echo(rest)


def _ask(plan: Deletion) -> None:
    what = "\n".join([f"{plan.folder}: {_size(plan)}", *(str(lora) for lora in plan.loras), *plan.left])
    if not (sys.stdin is not None and sys.stdin.isatty()):
        raise BadInput(f"Deleting needs a yes:\n{what}", hint="Nobody is there to ask; add --yes.")
    click.echo(what, err=True)
    click.confirm("Delete this for good?", abort=True, err=True)


def _size(plan: Deletion) -> str:
    return (
        f"{plural(plan.files, 'file')}, {plural(plan.portraits, 'portrait')}, {plan.size_bytes / 1e6:.1f} MB"
    )


def _receipt(plan: Deletion) -> dict[str, object]:
    return {
        "schema": "sdwebui-deletion/1",
        "folder": str(plan.folder),
        "files": plan.files,
        "size_bytes": plan.size_bytes,
        "portraits": plan.portraits,
        "loras": [str(lora) for lora in plan.loras],
        "left": list(plan.left),
    }
