"""Packages of the `[profile]` extra, asked for when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import StageError


def require(module: str, package: str) -> Any:
    """Import a module of an extra.

    Raises:
        StageError: It is not installed; says what to run.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise StageError(
            f"{package} is not installed, and the profile recipe needs it",
            hint='Run `pip install -e ".[profile]"` or `sh scripts/setup.sh`.',
        ) from error
