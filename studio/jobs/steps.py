"""The chain of a job: which step follows which, in which queue it waits, and what its workflow is called.

prepare   light      photos judged, wishes understood
train     train      only when the album has no finished training for these settings
draw      generate   checkpoint chosen, published, every picture
deliver   light      pictures marked, thumbnails, rows, the mail
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StepName = Literal["prepare", "train", "draw", "deliver"]
Role = Literal["generate", "train", "all"]

LIGHT, TRAIN, GENERATE = "light", "train", "generate"
QUEUES = (LIGHT, TRAIN, GENERATE)
GPU_QUEUES = (TRAIN, GENERATE)

WORKFLOWS_VERSION = "1"
"""The application version the workflows are pinned to. Raised when steps, their order or what a row means
change so that workers of both kinds must not share a job; a release that changes none of it needs no new
one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One workflow of the chain."""

    name: StepName
    queue: str
    stage: str
    """What the job's row says while it waits for the step."""
    stages: tuple[str, ...]
    """What it may say until the step is done."""
    timeline: str
    """What the timeline and the metrics call it."""

    @property
    def on_gpu(self) -> bool:
        """Whether it needs a GPU for itself."""
        return self.queue in GPU_QUEUES


STEPS = (
    Step("prepare", LIGHT, "photos", ("photos",), "photos"),
    Step("train", TRAIN, "training", ("training",), "training"),
    Step("draw", GENERATE, "choosing", ("choosing", "drawing"), "drawing"),
    Step("deliver", LIGHT, "delivery", ("delivery", "mail"), "delivery"),
)
FIRST, LAST = STEPS[0], STEPS[-1]
_BY_NAME = {step.name: step for step in STEPS}
_BY_STAGE = {stage: step for step in STEPS for stage in step.stages}


def step_named(name: str) -> Step:
    """The step of a name.

    Raises:
        KeyError: There is none.
    """
    return _BY_NAME[name]  # type: ignore[index]


def step_of(stage: str) -> Step:
    """The step a job is in, or waits for, by its stage.

    Raises:
        KeyError: There is no such stage.
    """
    return _BY_STAGE[stage]


def workflow_id(job_id: str, attempt: int, step: Step) -> str:
    """The workflow's name: the same step of the same attempt is never started twice.

    Example:
        >>> workflow_id("ab12", 1, FIRST)
        'ab12-1-prepare'
    """
    return f"{job_id}-{attempt}-{step.name}"


def queues_of(role: str) -> tuple[str, ...]:
    """The queues a worker of a role takes from; small CPU work is done by all."""
    return {"generate": (LIGHT, GENERATE), "train": (LIGHT, TRAIN), "all": QUEUES}[role]
