"""Write docs/command-line.md from the commands themselves; a test compares.

python scripts/make_command_reference.py
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from studio.cli._app import SECTIONS, app
from studio.settings import VARIABLES

TARGET = Path(__file__).resolve().parents[1] / "docs" / "command-line.md"
HEAD = """# Command line

Made by `scripts/make_command_reference.py` from what `--help` says.
`python -m sdwebui_client` is the same as `sdwebui-client`.
"""


def commands(group: click.Group, names: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    """Commands and subcommands by their full name."""
    for name in names:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            for sub, inner in commands(command, tuple(command.commands)):
                yield f"{name} {sub}", inner


def section(name: str, command: click.Command) -> str:
    """One command: usage, help, options."""
    arguments = [
        f"`{p.make_metavar(click.Context(command))}`" for p in command.params if isinstance(p, click.Argument)
    ]
    head = f"### {name}" + (f" {' '.join(arguments)}" if arguments else "")
    options = [row(option) for option in command.params if isinstance(option, click.Option)]
    table = ["| option | |", "|---|---|", *options] if options else []
    return "\n".join([head, "", prose(command.help or ""), *([""] if table else []), *table, ""])


def prose(text: str) -> str:
    """Help as Markdown: what click is told to leave alone becomes a code block."""
    parts = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```text\n{part[2:].strip(chr(10))}\n```" if part.startswith("\b") else part for part in parts
    )


def row(option: click.Option) -> str:
    """One option as a table row."""
    names = ", ".join(f"`{name}`" for name in option.opts)
    takes = "" if option.is_flag else f" `{option.metavar or ' '.join(getattr(option.type, 'choices', ()))}`"
    default = f" [default: {option.default}]" if option.show_default else ""
    required = " [required]" if option.required else ""
    return f"| {names}{takes} | {option.help}{default}{required} |".replace("NAME|FILE", "NAME\\|FILE")


def reference() -> str:
    """The page."""
    parts = [HEAD]
    for title, names in SECTIONS:
        parts.append(f"## {title}\n")
        parts += [section(name, command) for name, command in commands(app, names)]
    variables = [f"| `{name}` | {meaning} |" for name, meaning in VARIABLES.items()]
    parts.append("\n".join(["## Environment\n", "| variable | what it says |", "|---|---|", *variables, ""]))
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    TARGET.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
