"""The command line: one command a file. `main` is `python -m sdwebui_client` and `sdwebui-client`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: the arguments after the program's name; None means this process's.

    Returns:
        The exit status (`studio.errors.ExitCode`).
    """
    try:
        from ._app import run
    except ModuleNotFoundError as error:
        # A clone that was not set up yet: the first thing many people run.
        sys.stderr.write(
            f"The Python package `{error.name}` is not installed.\n"
            "Run `sh scripts/setup.sh` first; it says what to run then.\n"
        )
        return 3
    except KeyboardInterrupt:
        return 130
    return run(args)
