"""A stand-in for a Stable Diffusion WebUI: the recorded API, silent failures included, and drawn portraits.

Needs the `sandbox` extra. Nothing heavy is imported before a name of this module is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app
    from .server import SandboxServer, run_forever
    from .settings import Fault, SandboxError, SandboxSettings

__all__ = ["Fault", "SandboxError", "SandboxServer", "SandboxSettings", "create_app", "run_forever"]

_HOMES = {
    "Fault": "settings",
    "SandboxError": "settings",
    "SandboxServer": "server",
    "SandboxSettings": "settings",
    "create_app": "app",
    "run_forever": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f".{_HOMES[name]}", __name__)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"starlette", "uvicorn", "numpy", "cv2"}:
            raise
        raise ModuleNotFoundError(
            f'the sandbox needs {error.name}: pip install -e ".[profile]" or sh scripts/setup.sh',
            name=error.name,
        ) from error
    return getattr(module, name)
