"""The training recipe: a folder of photos in, a LoRA that is that person out, published and seen to work.

    photos checked -> dataset -> trained -> the best checkpoint and weight chosen by likeness -> published
    -> one picture drawn with it

Running it again on the same folder resumes: a training goes on from its last saved state, a finished one is
not repeated, and what only failed to be published is published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdwebui_client import CancelToken, WebUI, WebUIPool
from train_lora import TrainerAsked

from ..events import Event
from ..presets import TrainingPreset

__all__ = ["TrainOptions", "TrainResult", "TrainingPlan", "plan_training", "run_training"]


@dataclass(frozen=True)
class TrainOptions:
    """What the user asked for. Everything lies under `out_dir`."""

    photos_dir: Path
    out_dir: Path
    name: str
    """What the LoRA is called in prompts: <lora:NAME:0.8>."""
    preset: TrainingPreset
    trainer: TrainerAsked = field(default_factory=TrainerAsked)
    models_dir: Path | str | None = None
    """Where a real WebUI keeps its models, as seen from here; a sandbox tells its own."""
    choose: bool = True
    """Choose the best checkpoint by likeness; else the last one is taken."""
    publish: bool = True
    """Put it on the servers."""
    measure_first: bool = False
    """Time a few steps before the training when this machine was not timed yet."""
    subject: str = "person"
    """"woman", "man", …: the word for the person in captions and prompts."""
    consent: str | None = None
    person: str | None = None
    """The person's name in headings; None names nobody."""


@dataclass(frozen=True)
class TrainResult:
    """A finished LoRA."""

    record: dict[str, Any]
    """The content of training.json."""
    out_dir: Path
    file: Path
    report: Path
    cached: bool
    """Whether it had been trained before."""


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would be, looked at without training."""

    rows: tuple[tuple[str, str], ...]
    """(what, what was found), for people."""
    problems: tuple[str, ...]
    """What is missing, each with what to do."""


def plan_training(
    options: TrainOptions, servers: WebUIPool | Sequence[WebUI], *, on_event: Callable[[Event], None]
) -> TrainingPlan:
    """Check photos, trainer and servers, and work out how long it would take; changes nothing.

    Raises:
        PhotosError: The photos cannot be used.
        TrainError: There is no trainer; it says what to do.
        WebUIError: No server answers.
    """
    from ._train_plan import look

    return look(options, servers, on_event=on_event)


def run_training(
    options: TrainOptions,
    servers: WebUIPool | Sequence[WebUI],
    *,
    on_event: Callable[[Event], None],
    cancel: CancelToken | None = None,
) -> TrainResult:
    """Run the recipe; running it again resumes.

    Args:
        options: What was asked for.
        servers: The WebUIs; none trains without choosing and publishing.
        on_event: Told everything that happens, one event at a time, from whichever thread.
        cancel: Ends the run from another thread; what is finished stays.

    Raises:
        TrainError: The photos, the training or the publishing.
        StagesError: The trainer lacks something, the folder is in use, …
        WebUIError: A server.
    """
    from ._train_run import TrainRun

    return TrainRun(options, servers, on_event=on_event, cancel=cancel or CancelToken()).go()
