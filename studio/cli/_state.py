"""What one invocation carries around: its arguments, its consoles, its log."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 110
"""Columns of a table when the output is no terminal and COLUMNS says nothing."""

BROKEN_PIPE = 128 + 13
"""Exit status when `… | head` has closed our output: what a shell shows for SIGPIPE."""


@dataclass
class State:
    """The invocation; click carries it as `ctx.obj`.

    Attributes:
        args: the arguments after the program's name.
        log_file: where a traceback goes, once a command has opened a log.
    """

    args: Sequence[str] = field(default_factory=tuple)
    log_file: Path | None = None

    def again(self) -> str:
        """The command that runs the same thing again, for a shell; without passwords."""
        program = Path(sys.argv[0]).name
        start = (
            [program]
            if program.startswith("sdwebui-client")
            else [_shown(sys.executable), "-m", "sdwebui_client"]
        )
        return shlex.join([*start, *(redact(arg) for arg in self.args)])

    @contextmanager
    def logging_to(self, path: Path | None, *, verbose: bool) -> Iterator[None]:
        """Write the log to a file (parents are made), and with `verbose` to standard error too."""
        root = logging.getLogger()
        before = root.level
        handlers: list[logging.Handler] = []
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(path, encoding="utf-8"))
            self.log_file = path
        if verbose:
            handlers.append(logging.StreamHandler(sys.stderr))
        line = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        # UTC with a Z: a log is often read beside a server's of another time zone.
        line.converter, line.default_time_format, line.default_msec_format = (
            time.gmtime,
            "%Y-%m-%dT%H:%M:%S",
            "%s.%03dZ",
        )
        for handler in handlers:
            handler.setFormatter(line)
            root.addHandler(handler)
        root.setLevel(logging.DEBUG if verbose else logging.INFO)
        try:
            yield
        finally:
            root.setLevel(before)
            for handler in handlers:
                root.removeHandler(handler)
                handler.close()


def redact(text: str) -> str:
    """A text with the password of `scheme://user:password@host` replaced."""
    scheme, sep, rest = text.partition("://")
    netloc, slash, path = rest.partition("/")
    credentials, at, host = netloc.rpartition("@")
    if not (sep and at):
        return text
    return f"{scheme}://{credentials.partition(':')[0]}:***@{host}{slash}{path}"


def make_console(*, stderr: bool) -> Console:
    """A rich console that keeps long paths in one piece and tables readable where there is no terminal."""
    from rich.console import Console

    class PipeConsole(Console):
        """Ends with the status a shell expects when the reader is gone, where rich says 1."""

        def on_broken_pipe(self) -> None:
            try:
                super().on_broken_pipe()
            except SystemExit:
                raise SystemExit(BROKEN_PIPE) from None

    # Without emoji=False rich prints a heart for the `:heart:` of <lora:heart:0.8>.
    console = PipeConsole(stderr=stderr, highlight=False, soft_wrap=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    return console


def _shown(path: str) -> str:
    """A path as a person would type it: relative where it lies below the current folder."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
