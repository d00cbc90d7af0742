"""What a running recipe tells whoever is watching.

Events are plain frozen values. They reach the watcher one at a time (never from two threads at once), in
the order in which things happened, and each carries what a progress bar needs: a shot's identifier, a
stage's name, a fraction.

A *shot* is one picture on its way: `front-1` is the first candidate drawn for the pose `front`,
`front-1-cool` is that candidate in the cool tone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from sdwebui_client import Progress


@dataclass(frozen=True)
class Event:
    """The root of everything a recipe reports."""


@dataclass(frozen=True)
class Note(Event):
    """Something worth a line: a server left out, a damaged record redone."""

    text: str


@dataclass(frozen=True)
class ServerChecked(Event):
    """One server was asked what it can do."""

    url: str
    flavour: str
    version: str
    sandbox: bool
    able: bool
    """Whether it can run every stage of the plan; one that cannot is left out when another can."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhotosProgress(Event):
    """So many photos have been looked at; their verdicts come when all have."""

    done: int
    total: int


@dataclass(frozen=True)
class PhotoChecked(Event):
    """One photo was judged. `index` counts from 1 to `total`."""

    file: str
    accepted: bool
    reason: str
    """A sentence a person understands; empty text when there is nothing to say."""
    advice: str
    index: int
    total: int


@dataclass(frozen=True)
class PhotosDone(Event):
    """All photos were judged and enough are left."""

    accepted: int
    rejected: int


@dataclass(frozen=True)
class TrainingProgress(Event):
    """The person's LoRA is being trained."""

    step: int
    steps: int
    fraction: float
    """0 to 1."""
    eta_s: float | None
    message: str = ""
    phase: str = ""
    """"preparing", "caching", "training" or "saving"."""
    loss: float | None = None
    """Running average; None before the first step."""


@dataclass(frozen=True)
class TrainingPlanned(Event):
    """A training is about to begin."""

    steps: int
    photos: int
    """Photos that are trained on."""
    held_out: int
    """Photos kept out of it to judge the checkpoints by."""
    minutes: str = ""
    """How long it will take, in words, and how that is known."""


@dataclass(frozen=True)
class CheckpointJudged(Event):
    """A checkpoint made its pictures and was compared with the person."""

    step: int
    weight: float
    likeness: float
    """Mean over its pictures, 0..1."""
    score: float
    """What the choice goes by, 0..1: likeness, less what copies a photo or is always the same."""
    index: int
    """Trials so far, from 1."""
    total: int


@dataclass(frozen=True)
class LoraChosen(Event):
    """The best checkpoint and weight were found."""

    step: int
    weight: float
    why: str


@dataclass(frozen=True)
class LoraPublished(Event):
    """The LoRA lies in a server's models folder, and the server lists it."""

    server: str
    name: str
    place: str
    copied: bool
    """False when the same file was there already."""


@dataclass(frozen=True)
class LoraVerified(Event):
    """A server really drew with the LoRA: its infotext names the file's hash."""

    server: str
    name: str
    evidence: str


@dataclass(frozen=True)
class LoraReady(Event):
    """The person's LoRA is where every server in use lists it."""

    name: str
    sha256: str | None
    """Of the file; None for a LoRA named by the user whose file only the server has."""
    trainer: str
    sandbox: bool
    cached: bool


@dataclass(frozen=True)
class PlanReady(Event):
    """What will be made, before any of it is."""

    total_generations: int
    """Jobs the servers get if no portrait has to be tried a second time."""
    portraits: int
    generations: dict[str, int] = field(default_factory=dict)
    """Per stage."""


@dataclass(frozen=True)
class PlanGrown(Event):
    """More generations became necessary than planned."""

    total_generations: int
    reason: str


@dataclass(frozen=True)
class StageStarted(Event):
    """A stage of a shot began; not sent when its result was in the store."""

    shot: str
    stage: str
    why: str


@dataclass(frozen=True)
class StageProgress(Event):
    """How far the server is with a stage of a shot."""

    shot: str
    stage: str
    progress: Progress


@dataclass(frozen=True)
class StageDone(Event):
    """A stage of a shot has its result."""

    shot: str
    stage: str
    cached: bool
    why: str
    """"cached", "first run", "parameter denoising_strength changed 0.3 -> 0.35", …"""
    seconds: float
    generation: bool = False
    """Whether the stage is a job of a server (and not scoring or finishing)."""
    output: str | None = None
    """SHA-256 of its picture in the store; None when it makes none."""
    server: str = ""
    """Address of the server that did it just now; empty for what was found, and for what is done here."""


@dataclass(frozen=True)
class ShotScored(Event):
    """A picture was compared with the person's photos."""

    shot: str
    stage: str
    likeness: float
    """0 to 1, 0.5 at the decision boundary."""
    distance: float | None
    """The face model's own measure; None when no face was found."""


@dataclass(frozen=True)
class ShotRejected(Event):
    """A picture goes no further."""

    shot: str
    reason: str


@dataclass(frozen=True)
class Delivered(Event):
    """A portrait lies in the output folder."""

    file: str
    """Relative to the output folder."""
    shot: str
    pose: str
    tone: str
    seed: int
    likeness: float


@dataclass(frozen=True)
class Overall(Event):
    """The whole run: sent whenever it moved. `fraction` never decreases."""

    fraction: float
    time_left_s: float | None
    done: int
    total: int
    """Generations."""


Listener: TypeAlias = Callable[[Event], None]
