"""`make-profile`: photos of a person in, studio portraits out."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import consent, runs
from ..connect import Connection, connect
from ..errors import ExitCode
from ._asked import Asked, read_asked
from ._interrupt import interruptible
from ._options import WebUIOptions, webui_options
from ._run import after_the_fall, somebody_there
from ._state import State, make_console
from ._trainer import trainer_options

if TYPE_CHECKING:
    from ._display import Display

DEFAULT_PRESET = "studio-sd15"
MAX_COUNT = 200
"""Portraits in one run; more is more likely a slip of the finger than a wish."""

HELP = """Make studio portraits of the person in a folder of photos.

Put about ten photos of one person into a folder: different days, light and angles, the face well visible.
Each photo is checked and you are told which were refused and why. A LoRA of the person is trained, then every
portrait goes through txt2img, img2img and upscale; the ones most like the person are delivered.

Running the same command again goes on where it stopped; what is finished is not made again.

\b
Examples:
  make-profile --user examples/photos
  make-profile --user photos/ --webui http://gpu:7860 --lora alice_v2
  make-profile --user photos/ --preset studio-sdxl --count 8 --seed 7
  make-profile --user photos/ --set stages.upscale.scale=1.5 --explain
  make-profile --user photos/ --dry-run

\b
Exit status: 0 done, 2 bad input or preset, 3 server or capability,
4 nothing reached the asked likeness, 130 interrupted.
"""


@click.command(help=HELP, short_help="Photos of a person in, studio portraits out.")
@click.option(
    "--user", required=True, metavar="DIR", help="Folder with the person's photos (JPEG, PNG, WebP, HEIC)."
)
@webui_options
@trainer_options
@click.option("--out", metavar="DIR", help="Folder for everything this run makes. [default: output/NAME]")
@click.option(
    "--name",
    metavar="NAME",
    help="The person's name for folder and LoRA. [default: from the folder of photos]",
)
@click.option(
    "--preset",
    default=DEFAULT_PRESET,
    show_default=True,
    metavar="NAME|FILE",
    help="Preset; see `presets list`.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="A.B=C", help="Change one value of the preset; may be repeated."
)
@click.option(
    "--count",
    type=click.IntRange(1, MAX_COUNT),
    metavar="N",
    help="Portraits to deliver, at most 200. [default: every pose in every tone]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    metavar="N",
    help="Seed of the run. [default: drawn once and kept]",
)
@click.option(
    "--lora", metavar="NAME", help="Use this LoRA, which the WebUI has already, instead of training one."
)
@click.option(
    "--tone",
    metavar="auto|both|NAME",
    help="Tone of the portraits: cool, warm, both, or the one that suits the undertone of the skin in the "
    "photos. [default: the preset's tones]",
)
@click.option(
    "--identity",
    type=click.Choice(["lora", "ip_adapter", "both"]),
    help="How the pictures become the person: a LoRA, photos shown to ControlNet's IP-Adapter (no training, "
    "quick, less like), or both. [default: the preset's]",
)
@click.option(
    "--subject",
    metavar="WORD",
    help="What the person is called in prompts: woman, man, person … [default: the preset's]",
)
@click.option(
    "--pose-from", metavar="PHOTO", help="Take the pose from this photo, through the WebUI's detector."
)
@click.option(
    "--consent",
    "--yes",
    "consent_given",
    is_flag=True,
    help="State that these are photos of you, or that you have the person's permission.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show the plan, the requests and the number of generations; make nothing."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print run.json to standard output; all else goes to standard error.",
)
@click.option("--explain", is_flag=True, help="Say of every stage why it runs, or why it need not.")
@click.option("--verbose", is_flag=True, help="Show the log as well.")
@click.option("--log-file", metavar="FILE", help="Write the log there. [default: in the --out folder]")
@click.pass_obj
def make_profile(state: State, /, **given: Any) -> int:
    """Check the input, find a WebUI, run the recipe, name the results."""
    asked = read_asked(given)
    console = make_console(stderr=given["as_json"])
    runs.check_out(asked.out_dir, asked.photos_dir)
    with _log(state, asked, given):
        from ._display import Display

        with Display(console, explain=given["explain"]) as display:
            if given["dry_run"]:
                return _dry_run(display, asked, as_json=given["as_json"])
            return _run(state, display, asked, as_json=given["as_json"], consent_given=given["consent_given"])


@contextmanager
def _log(state: State, asked: Asked, given: dict[str, Any]) -> Iterator[None]:
    """Log into the run's folder unless told otherwise; a dry run makes no folder and so no log."""
    if given["log_file"]:
        path: Path | None = Path(given["log_file"]).expanduser()
    elif given["dry_run"]:
        path = None
    else:
        runs.claim(asked.out_dir, asked.photos_dir, asked.name)
        path = asked.out_dir / runs.WORK / "log.txt"
    with state.logging_to(path, verbose=given["verbose"]):
        yield


def _run(state: State, display: Display, asked: Asked, *, as_json: bool, consent_given: bool) -> int:
    """Run the recipe for real."""
    from sdwebui_client import CancelToken
    from stages.errors import LikenessNotReached
    from stages.recipes.profile import run_profile

    # Loaded before anything is asked or started: a slip in --set should cost a second.
    options = asked.profile_options()
    note = consent.settle(
        asked.photos_dir,
        given=consent_given,
        ask=(lambda question: click.confirm(question, err=as_json)) if somebody_there() else None,
        note=display.say,
    )
    cancel = CancelToken()
    started = time.monotonic()
    models = asked.out_dir / runs.WORK / "sandbox"
    with _connected(display, asked.webui, models, options.preset.family) as connection:
        runs.claim(asked.out_dir, asked.photos_dir, asked.name, publishes_in=connection.publishes_in)
        options = replace(options, models_dir=connection.models_dir, consent=note)
        try:
            with interruptible(cancel.cancel, display.say):
                result = run_profile(options, connection.servers, on_event=display, cancel=cancel)
        except BaseException as error:
            after_the_fall(state, display, error)
            if as_json and isinstance(error, LikenessNotReached):
                _print_run(asked.out_dir)  # the run is whole, only nothing of it was good enough
            raise
    display.summary(result.run, result.out_dir, time.monotonic() - started)
    if as_json:
        _print_run(result.out_dir)
    return ExitCode.DONE


def _print_run(out_dir: Path) -> None:
    click.echo((out_dir / "run.json").read_text(encoding="utf-8"), nl=False)


def _dry_run(display: Display, asked: Asked, *, as_json: bool) -> int:
    """Show what would be done; nothing is generated, and the folder is not made."""
    from stages.recipes.profile import plan_profile

    from ._plan import plan_json, show_plan

    options = asked.profile_options()
    with (
        tempfile.TemporaryDirectory(prefix="sdwebui-client-") as scratch,
        _connected(display, asked.webui, Path(scratch) / "models", options.preset.family) as connection,
    ):
        options = replace(options, models_dir=connection.models_dir)
        servers = connection.servers
        plan = plan_profile(options, [w.capabilities() for w in servers], urls=[w.url for w in servers])
    if as_json:
        click.echo(json.dumps(plan_json(plan), indent=2, ensure_ascii=False))
    else:
        show_plan(display, plan)
    return ExitCode.SERVER if plan.problems else ExitCode.DONE


@contextmanager
def _connected(
    display: Display, webui: WebUIOptions, sandbox_models: Path, family: str
) -> Iterator[Connection]:
    """Connect, and say so if it is the sandbox."""
    with connect(
        webui.target,
        webui.settings,
        sandbox_models=sandbox_models,
        models_dir=webui.models_dir,
        verify=webui.verify,
        family=family,
    ) as connection:
        if connection.sandbox:
            display.sandbox_panel(connection.servers[0].url, asked=connection.asked)
        yield connection
