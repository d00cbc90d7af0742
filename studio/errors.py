"""What goes wrong, as a person reads it and as a shell sees it.

    StudioError
    ├── BadInput            exit 2: an option, a folder, a name
    └── ExtraMissing        exit 3: an optional part of the installation is absent

`explain` turns the errors of every room into a `Failure`; what it does not know is unexpected (exit 1).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module


class ExitCode(IntEnum):
    """The process's exit status; part of the command line's interface."""

    DONE = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    SERVER = 3
    NOTHING_REACHED = 4
    INTERRUPTED = 130


class StudioError(Exception):
    """Root of the application's own errors."""

    exit_code = ExitCode.UNEXPECTED
    title = "Something went wrong"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadInput(StudioError):
    """An option, a folder or a name that cannot be worked with."""

    exit_code = ExitCode.BAD_INPUT
    title = "That cannot be done as asked"


class ExtraMissing(StudioError):
    """A package of an optional extra is not installed."""

    exit_code = ExitCode.SERVER
    title = "A part of the installation is missing"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error ready to be shown.

    Attributes:
        exit_code: the process's exit status.
        title: one line saying what kind of trouble it is.
        message: what happened, with the server's own words where there are any.
        hint: what to do now, or "".
    """

    exit_code: ExitCode
    title: str
    message: str
    hint: str = ""


# (module, class, exit code, title), the most special first; a module is imported when an error has happened.
_ROOTS: tuple[tuple[str, str, ExitCode, str], ...] = (
    ("sdwebui_client.errors", "Cancelled", ExitCode.INTERRUPTED, "Interrupted"),
    ("sdwebui_client.errors", "InvalidRequest", ExitCode.BAD_INPUT, "That cannot be sent to a WebUI"),
    ("sdwebui_client.errors", "CapabilityMissing", ExitCode.SERVER, "The WebUI lacks something this needs"),
    ("sdwebui_client.errors", "EffectMissing", ExitCode.SERVER, "The WebUI said OK but did not do it"),
    ("sdwebui_client.errors", "ConnectFailed", ExitCode.SERVER, "No WebUI answers there"),
    ("sdwebui_client.errors", "WebUIError", ExitCode.SERVER, "The WebUI could not do it"),
    (
        "sdwebui_client.sandbox.settings",
        "SandboxError",
        ExitCode.BAD_INPUT,
        "The sandbox cannot start like that",
    ),
    (
        "stages.errors",
        "LikenessNotReached",
        ExitCode.NOTHING_REACHED,
        "No portrait reached the asked likeness",
    ),
    ("stages.errors", "PlanError", ExitCode.SERVER, "The WebUI lacks something this needs"),
    ("stages.errors", "WorkFolderBusy", ExitCode.BAD_INPUT, "The folder is in use"),
    ("stages.errors", "DiskFull", ExitCode.BAD_INPUT, "The disk is full"),
    ("stages.errors", "ProvenanceError", ExitCode.BAD_INPUT, "The picture cannot be made again"),
    ("stages.errors", "StagesError", ExitCode.SERVER, "A step could not be done"),
    ("stages.presets", "PresetError", ExitCode.BAD_INPUT, "The preset cannot be used"),
    ("train_lora.errors", "PhotosError", ExitCode.BAD_INPUT, "The photos cannot be used"),
    ("train_lora.errors", "RecipeError", ExitCode.BAD_INPUT, "The training settings cannot be used"),
    ("train_lora.errors", "TrainCancelled", ExitCode.INTERRUPTED, "Interrupted"),
    ("train_lora.errors", "TrainError", ExitCode.SERVER, "The LoRA could not be made or published"),
    ("prompt_library.errors", "PromptError", ExitCode.BAD_INPUT, "The prompt cannot be used"),
    ("faces.errors", "FacesError", ExitCode.SERVER, "Finding faces did not work"),
)

SETUP_HINT = 'Run `sh scripts/setup.sh`, or `pip install -e ".[profile]"`.'
"""What to do when an extra is missing."""


def explain(error: BaseException) -> Failure | None:
    """Describe an error to a person.

    Args:
        error: what was raised.

    Returns:
        The failure to show, or None for an error nobody expected (keep its traceback).
    """
    if isinstance(error, StudioError):
        return Failure(error.exit_code, error.title, error.message, error.hint)
    if isinstance(error, ModuleNotFoundError) and error.name and not _is_ours(error.name):
        return Failure(
            ExitCode.SERVER,
            ExtraMissing.title,
            f"The Python package `{error.name}` is not installed.",
            SETUP_HINT,
        )
    for module, name, code, title in _ROOTS:
        kind = _load(module, name)
        if kind is not None and isinstance(error, kind):
            return Failure(code, title, _message(error), str(getattr(error, "hint", "") or ""))
    if isinstance(error, PermissionError) and error.filename:
        return Failure(
            ExitCode.BAD_INPUT, BadInput.title, f"No permission for {error.filename}: {error.strerror}."
        )
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return Failure(
            ExitCode.BAD_INPUT,
            BadInput.title,
            f"{error.filename or 'The folder'} cannot be written: {error.strerror}.",
            "Mount it for writing, or name another folder with --out.",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Failure(
            ExitCode.BAD_INPUT,
            "The disk is full",
            f"{error.filename or 'writing'}: {error.strerror}.",
            "Free some space and run the same command again: finished stages are kept.",
        )
    return None


def _message(error: BaseException) -> str:
    """What happened, with the server's own words."""
    message = str(getattr(error, "message", "") or error)
    said = str(getattr(error, "server_text", "") or "")
    return f"{message}\nThe server said: {said}" if said and said not in message else message


def _is_ours(name: str) -> bool:
    return name.split(".")[0] in {
        "sdwebui_client",
        "stages",
        "train_lora",
        "prompt_library",
        "faces",
        "studio",
    }


def _load(module: str, name: str) -> type[BaseException] | None:
    """The class; None where its room cannot be imported for want of an extra (so it did not raise either)."""
    try:
        kind = getattr(import_module(module), name, None)
    except ImportError:
        return None
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None
