"""The group of commands, loaded as they are called, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from ..errors import ExitCode, Failure, explain
from ._interrupt import ending_softly
from ._state import BROKEN_PIPE, State, make_console

# name -> (module of this package, function, short help). Stated here so that `--help` imports no command.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "make-profile": ("make_profile", "make_profile", "Photos of a person in, studio portraits out."),
    "train-lora": ("train_lora", "train_lora", "Photos of a person in, a LoRA of that person out."),
    "serve": ("serve", "serve", "Run the studio: page, API and worker."),
    "worker": ("worker", "worker", "Do the studio's jobs: train, draw, or both."),
    "studio": ("studio", "studio", "Look after a studio: people, jobs, workers, mails, backups."),
    "reproduce": ("reproduce", "reproduce", "Make a delivered picture again from its provenance."),
    "inspect": ("inspect", "inspect", "Say how a picture came about: marks, signature."),
    "photos": ("photos", "photos", "See which photos would be used, and why not."),
    "presets": ("presets", "presets", "List, show and check presets."),
    "doctor": ("doctor", "doctor", "Look whether everything the recipe needs is there."),
    "sandbox": ("sandbox", "sandbox", "Run the built-in stand-in for a WebUI."),
    "delete": ("delete", "delete", "Delete a run for good: photos, LoRA and portraits."),
    "version": ("version", "version", "Show versions and which extras are installed."),
}

SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Portraits", ("make-profile", "train-lora", "reproduce", "inspect", "delete")),
    ("Before a run", ("photos", "presets", "doctor")),
    ("Without a GPU", ("sandbox",)),
    ("The studio", ("serve", "worker", "studio")),
    ("About", ("version",)),
)

HELP = """Studio portraits of a person, made by your own Stable Diffusion WebUI.

With no WebUI at hand everything runs on a built-in stand-in, the sandbox.

\b
Examples:
  python -m sdwebui_client make-profile --user examples/photos
  python -m sdwebui_client doctor --webui http://gpu:7860
  python -m sdwebui_client COMMAND --help
"""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The commands, in the order of the help."""
        return [name for _, names in SECTIONS for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Import and return one command, or None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f".{module}", __package__), function)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        """Write the commands in sections, without importing them."""
        width = max(map(len, COMMANDS))
        for title, names in SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), COMMANDS[name][2]) for name in names])


@click.group(
    cls=LazyGroup,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
def app() -> None:
    """The root; its help is HELP."""


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line; see `studio.cli.main`."""
    for stream in (sys.stdout, sys.stderr):
        # Where a character cannot be shown (LANG=C, a Windows pipe) a question mark is better than an end.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    state = State(tuple(sys.argv[1:] if args is None else args))
    try:
        with ending_softly():
            result = app.main(
                args=list(state.args), prog_name="sdwebui-client", standalone_mode=False, obj=state
            )
        return int(result) if isinstance(result, int) else ExitCode.DONE
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return ExitCode.DONE
    except click.ClickException as error:
        error.show()
        return ExitCode.BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nInterrupted.", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _closed_pipe()
    except Exception as error:  # noqa: BLE001  the outermost frame: everything becomes an exit status here
        failure = explain(error)
        if failure is None:
            return _unexpected(error, state)
        show_failure(failure)
        return failure.exit_code


def show_failure(failure: Failure) -> None:
    """Print a failure to standard error: what kind, what happened, what to do."""
    console = make_console(stderr=True)
    console.print(f"\n{failure.title}", style="bold red", markup=False, soft_wrap=True)
    for text in (failure.message, failure.hint):
        if text:
            console.print(text, markup=False, soft_wrap=True)


def _unexpected(error: Exception, state: State) -> int:
    """Keep the traceback where a report can be made of it, and say where that is."""
    text = "".join(traceback.format_exception(error))
    path = state.log_file
    if path is None or not path.parent.is_dir():
        with tempfile.NamedTemporaryFile("w", prefix="sdwebui-client-", suffix=".log", delete=False) as log:
            path = Path(log.name)
    with path.open("a", encoding="utf-8") as log_file:
        log_file.write(text)
    show_failure(
        Failure(
            ExitCode.UNEXPECTED,
            "Unexpected error",
            f"{type(error).__name__}: {error}",
            f"The details are in {path}; a report with them helps. Running the same command again resumes.",
        )
    )
    return ExitCode.UNEXPECTED


def _closed_pipe() -> int:
    """`… | head` closed our output: nothing to say, and nowhere to say it."""
    # Python's own flush at exit must not complain again.
    sys.stdout = None
    return BROKEN_PIPE
