"""`train-lora`: photos of a person in, a LoRA of that person out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import consent, runs
from ..connect import Connection, connect
from ..errors import BadInput, ExitCode
from ..naming import check_name, derive_name
from ._interrupt import interruptible
from ._options import WebUIOptions, existing_dir, read_webui_options, webui_options
from ._run import after_the_fall, somebody_there
from ._state import State, make_console
from ._trainer import read_trainer_options, trainer_options

if TYPE_CHECKING:
    from stages.presets import TrainingPreset
    from stages.recipes.train import TrainOptions
    from train_lora import TrainerAsked

    from ._display import Display

DEFAULT_PRESET = "sd15-best"
PLAN_SCHEMA = "sdwebui-training-plan/1"

HELP = """Train a LoRA of the person in a folder of photos, and put it into the WebUI.

The photos are checked, cropped and captioned; kohya's sd-scripts train on this machine or on a GPU host
(--trainer ssh://…). A few photos are kept out of the training: every checkpoint makes a few quick pictures in
the WebUI, and the checkpoint and weight most like the photos it never saw win. The LoRA is then published,
and one picture proves that the WebUI uses it.

Running the same command again goes on where it stopped: an interrupted training from its last saved state, a
finished one is only published. The same photos and settings are not trained twice.

\b
Examples:
  train-lora --user photos/ --name alice
  train-lora --user photos/ --name alice --preset sd15-fast --base-model sd15.safetensors
  train-lora --user photos/ --name alice --trainer "ssh://me@gpu/opt/sd-scripts?base_model=/models/sd15.safetensors"
  train-lora --user photos/ --name alice --no-webui
  train-lora --user examples/photos --name demo --webui sandbox

Afterwards <lora:alice:0.8> works in the WebUI, and `make-profile --lora alice` uses it.

\b
Exit status: 0 done, 2 bad input or preset, 3 trainer, server or capability, 130 interrupted.
"""


@click.command(help=HELP, short_help="Photos of a person in, a LoRA of that person out.")
@click.option(
    "--user", required=True, metavar="DIR", help="Folder with the person's photos (JPEG, PNG, WebP, HEIC)."
)
@click.option("--name", metavar="NAME", help="What the LoRA is called. [default: from the folder of photos]")
@click.option(
    "--preset",
    default=DEFAULT_PRESET,
    show_default=True,
    metavar="NAME|FILE",
    help="Training preset: sd15-fast, sd15-best, sdxl, or a file; see `presets list`.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="A=B", help="Change one value of the preset; may be repeated."
)
@trainer_options
@webui_options
@click.option(
    "--calibrate", is_flag=True, help="Time 20 steps on a machine not timed yet, then say how long it takes."
)
@click.option("--no-webui", is_flag=True, help="Only train: choose and publish nothing.")
@click.option("--no-choose", is_flag=True, help="Take the last checkpoint instead of the one most alike.")
@click.option("--no-publish", is_flag=True, help="Leave the LoRA in the --out folder.")
@click.option("--subject", default="person", show_default=True, metavar="WORD", help="woman, man, person …")
@click.option("--out", metavar="DIR", help="Folder for everything this run makes. [default: output/NAME]")
@click.option(
    "--consent",
    "--yes",
    "consent_given",
    is_flag=True,
    help="State that these are photos of you, or that you have the person's permission.",
)
@click.option(
    "--dry-run", is_flag=True, help="Check photos, trainer and WebUI, say how long it takes; train nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print training.json to standard output.")
@click.option("--verbose", is_flag=True, help="Show the log as well.")
@click.option("--log-file", metavar="FILE", help="Write the log there. [default: in the --out folder]")
@click.pass_obj
def train_lora(state: State, /, **given: Any) -> int:
    """Check the input, train, choose, publish."""
    asked = _read(given)
    console = make_console(stderr=given["as_json"])
    runs.check_out(asked.out_dir, asked.photos_dir)
    with _log(state, asked, given):
        from ._display import Display

        with Display(console) as display:
            if given["dry_run"]:
                return _dry_run(display, asked, as_json=given["as_json"])
            return _run(state, display, asked, as_json=given["as_json"], consent_given=given["consent_given"])


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options, checked as far as that goes without a server."""

    photos_dir: Path
    out_dir: Path
    name: str
    person: str | None
    webui: WebUIOptions | None
    preset: TrainingPreset
    trainer: TrainerAsked
    choose: bool
    publish: bool
    calibrate: bool
    subject: str

    def options(self, *, models_dir: Path | str | None, consent_note: str | None) -> TrainOptions:
        """For the recipe."""
        from stages.recipes.train import TrainOptions

        return TrainOptions(
            photos_dir=self.photos_dir,
            out_dir=self.out_dir,
            name=self.name,
            preset=self.preset,
            trainer=self.trainer,
            models_dir=models_dir,
            choose=self.choose,
            publish=self.publish,
            measure_first=self.calibrate,
            subject=self.subject,
            consent=consent_note,
            person=self.person,
        )


def _read(given: dict[str, Any]) -> _Asked:
    from stages.presets.training import load_training_preset

    photos_dir = existing_dir(given["user"], "--user")
    if not any(photos_dir.iterdir()):
        raise BadInput(f"--user: {given['user']} is empty.", hint="Put about ten photos of one person there.")
    name = check_name(given["name"], "--name") if given["name"] is not None else derive_name(photos_dir)
    if not name.isascii():
        raise BadInput(
            f"--name {name!r} cannot name a LoRA: prompts and file systems spell it differently.",
            hint="Use letters a-z, digits, `-` and `_`.",
        )
    if given["no_webui"] and given["webui"]:
        raise BadInput("--webui and --no-webui contradict each other.")
    webui = (
        None
        if given["no_webui"]
        else read_webui_options(
            *(given[key] for key in ("webui", "models_dir", "api_auth_file", "ca_file", "insecure"))
        )
    )
    return _Asked(
        photos_dir=photos_dir,
        out_dir=Path(given["out"]).expanduser() if given["out"] else Path("output") / name,
        name=name,
        person=name if given["name"] is not None else None,
        webui=webui,
        preset=load_training_preset(given["preset"], sets=given["sets"]),
        trainer=read_trainer_options(given["trainer"], given["base_model"]),
        choose=not given["no_choose"],
        publish=not given["no_publish"],
        calibrate=given["calibrate"],
        subject=given["subject"],
    )


@contextmanager
def _log(state: State, asked: _Asked, given: dict[str, Any]) -> Iterator[None]:
    """Log into the run's folder unless told otherwise; a dry run makes no folder and so no log."""
    path: Path | None = None
    if given["log_file"]:
        path = Path(given["log_file"]).expanduser()
    elif not given["dry_run"]:
        runs.claim(asked.out_dir, asked.photos_dir, asked.name)
        path = asked.out_dir / runs.WORK / "log.txt"
    with state.logging_to(path, verbose=given["verbose"]):
        yield


def _run(state: State, display: Display, asked: _Asked, *, as_json: bool, consent_given: bool) -> int:
    from sdwebui_client import CancelToken
    from stages.recipes.train import run_training

    note = consent.settle(
        asked.photos_dir,
        given=consent_given,
        ask=(lambda question: click.confirm(question, err=as_json)) if somebody_there() else None,
        note=display.say,
    )
    cancel = CancelToken()
    started = time.monotonic()
    with _connected(display, asked, asked.out_dir / runs.WORK / "sandbox") as connection:
        places = connection.publishes_in if connection else ()
        runs.claim(asked.out_dir, asked.photos_dir, asked.name, publishes_in=places)
        options = asked.options(models_dir=connection.models_dir if connection else None, consent_note=note)
        try:
            with interruptible(cancel.cancel, display.say):
                result = run_training(
                    options, connection.servers if connection else (), on_event=display, cancel=cancel
                )
        except BaseException as error:
            after_the_fall(state, display, error)
            raise
    display.trained(result.record, result.out_dir, time.monotonic() - started, cached=result.cached)
    if as_json:
        click.echo(json.dumps(result.record, indent=2, ensure_ascii=False))
    return ExitCode.DONE


def _dry_run(display: Display, asked: _Asked, *, as_json: bool) -> int:
    """Look at everything a training needs; nothing is trained, and the folder is not made."""
    import tempfile

    from stages.recipes.train import plan_training

    with (
        tempfile.TemporaryDirectory(prefix="sdwebui-client-") as scratch,
        _connected(display, asked, Path(scratch) / "models") as connection,
    ):
        options = asked.options(models_dir=connection.models_dir if connection else None, consent_note=None)
        plan = plan_training(options, connection.servers if connection else (), on_event=display)
    display.training_plan(plan)
    if as_json:
        found = [{"what": what, "found": text} for what, text in plan.rows]
        told = {"schema": PLAN_SCHEMA, "rows": found, "problems": list(plan.problems)}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    return ExitCode.SERVER if plan.problems else ExitCode.DONE


@contextmanager
def _connected(display: Display, asked: _Asked, sandbox_models: Path) -> Iterator[Connection | None]:
    """Connect, and say so if it is the sandbox; None when there is no WebUI.

    The sandbox has to be asked for here: nobody who wants a LoRA wants a stand-in of one in its place.
    """
    target = asked.webui.target if asked.webui else None
    if asked.webui is None or target is None:
        yield None
        return
    if target.sandbox and not target.source and asked.trainer.name != "sandbox":
        display.say(
            "No WebUI was found at 127.0.0.1:7860: the LoRA is trained, but not chosen by likeness and not "
            "published. Run the same command again with a WebUI to do both.",
            style="yellow",
        )
        yield None
        return
    with connect(
        target,
        asked.webui.settings,
        sandbox_models=sandbox_models,
        models_dir=asked.webui.models_dir,
        verify=asked.webui.verify,
        family=asked.preset.family,
    ) as connection:
        if connection.sandbox:
            display.sandbox_panel(connection.servers[0].url, asked=connection.asked)
        yield connection
