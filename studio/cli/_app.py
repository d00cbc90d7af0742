"""The group of commands, loaded one by one as they are called, and the one place where errors become exit codes."""

from __future__ import annotations

import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from ..errors import ExitCode, Failure, explain

# name -> (module of this package, function, short help). Stated here so that `--help` imports no command.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "make-profile": ("make_profile", "make_profile", "Photos of a person in, studio portraits out."),
    "reproduce": ("reproduce", "reproduce", "Make a delivered picture again from its provenance."),
    "photos": ("photos", "photos", "See which photos would be used, and why not."),
    "presets": ("presets", "presets", "List, show and check presets."),
    "doctor": ("doctor", "doctor", "Look whether everything the recipe needs is there."),
    "sandbox": ("sandbox", "sandbox", "Run the built-in stand-in for a WebUI."),
    "delete": ("delete", "delete", "Delete a run for good: photos, LoRA and portraits."),
    "version": ("version", "version", "Show versions and which extras are installed."),
}

SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Portraits", ("make-profile", "reproduce", "delete")),
    ("Before a run", ("photos", "presets", "doctor")),
    ("Without a GPU", ("sandbox",)),
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

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order of the help."""
        return [name for _, names in SECTIONS for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f".{module}", __package__), function)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in sections, without importing them."""
        width = max(map(len, COMMANDS))
        for title, names in SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), COMMANDS[name][2]) for name in names])


@click.group(cls=LazyGroup, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.pass_context
def app(ctx: click.Context) -> None:
    """The root; its help is HELP."""
    ctx.ensure_object(dict)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: the arguments after the program's name; None means this process's.

    Returns:
        The exit status (`studio.errors.ExitCode`).
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows a question mark instead of ending the run (LANG=C, Windows pipes).
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        result = app.main(args=list(sys.argv[1:] if args is None else args), prog_name="sdwebui-client", standalone_mode=False)
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
    except Exception as error:
        failure = explain(error)
        if failure is None:
            return _unexpected(error)
        show_failure(failure)
        return failure.exit_code


def show_failure(failure: Failure) -> None:
    """Print a failure to standard error: a bold title, what happened, what to do."""
    click.secho(f"\n{failure.title}", fg="red", bold=True, err=True)
    click.echo(failure.message, err=True)
    if failure.hint:
        click.echo(failure.hint, err=True)


def _unexpected(error: Exception) -> int:
    """Keep the traceback where a report can be made of it, and say where that is."""
    with tempfile.NamedTemporaryFile("w", prefix="sdwebui-client-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write("".join(traceback.format_exception(error)))
    click.secho(f"\nUnexpected error: {type(error).__name__}: {error}", fg="red", bold=True, err=True)
    click.echo(f"The details are in {Path(log.name)}; please send them with a report.", err=True)
    return ExitCode.UNEXPECTED


def _closed_pipe() -> int:
    """`… | head` closed our output: nothing to say, and nowhere to say it."""
    # Python's own flush at exit must not complain again.
    sys.stdout = None  # type: ignore[assignment]
    return 128 + signal.SIGPIPE
