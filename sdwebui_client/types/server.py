"""The server itself: settings, memory, progress, its queue."""

from __future__ import annotations

from math import isfinite
from typing import Any

from pydantic import Field, SecretStr, model_validator

from ._base import Response


class Memory(Response):
    """Memory of the server, bytes."""

    ram: dict[str, Any] = Field(default_factory=dict)
    """free, used, total; {"error": …} where it cannot be told."""
    cuda: dict[str, Any] = Field(default_factory=dict)
    """system {free, used, total}, events {oom, retries} …; {"error": …} without a GPU."""


class CmdFlags(Response):
    """The server's command line. It shows its own password, which stays hidden here until
    `get_secret_value()`."""

    api: bool | None = None
    """Whether it was started with --api."""
    api_auth: SecretStr | None = None
    """user:password of the API."""
    gradio_auth: SecretStr | None = None
    """user:password of the page."""


class Told(Response):
    """An answer about progress. What is null or no number (NaN) says nothing, so the neutral value stands:
    a job must not be given up because its bar cannot be read."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nothing(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {key: value for key, value in values.items() if not _says_nothing(value)}


def _says_nothing(value: object) -> bool:
    return value is None or (isinstance(value, float) and not isfinite(value))


class ServerState(Told):
    """What runs right now, whoever sent it."""

    job: str = ""
    """Name of the job; empty when idle."""
    job_no: int = 0
    """Passes done."""
    job_count: int = 0
    """Passes of the job as far as known; grows when ADetailer finds something."""
    job_timestamp: str = ""
    """When it began, YYYYMMDDhhmmss by the server's clock."""
    sampling_step: int = 0
    """Step of the current pass."""
    sampling_steps: int = 0
    """Steps of the current pass."""
    interrupted: bool = False
    """Somebody interrupted; stays true until the next job."""
    skipped: bool = False
    """Somebody skipped a picture."""


class ServerProgress(Told):
    """GET /sdapi/v1/progress: the running job's bar; it knows no ids and may still show the previous job."""

    progress: float = 0.0
    """0 to 1, of the current pass; runs backwards."""
    eta_relative: float = 0.0
    """Seconds left; negative near the end."""
    state: ServerState = Field(default_factory=ServerState)
    """Details."""
    current_image: str | None = None
    """Live preview as base64."""
    textinfo: str | None = None
    """A remark."""


class TaskProgress(Told):
    """POST /internal/progress: the state of one job by its id."""

    active: bool = False
    """It runs now, or was the last to start and failed."""
    queued: bool = False
    """It waits. A job refused before it started can stay here for ever (recorded: q08_pending_leak)."""
    completed: bool = False
    """A job of this id ended (recorded: q06_task_id_reuse)."""
    progress: float | None = None
    """0 to 1, of the current pass."""
    eta: float | None = None
    """Seconds left."""
    live_preview: str | None = None
    """data: address of a picture."""
    id_live_preview: int = -1
    """Number of the preview; hand it back to get only newer ones."""
    textinfo: str | None = None
    """"In queue: 2/3", "Waiting..."."""


class PendingTasks(Response):
    """GET /internal/pending-tasks: jobs that wait; the running one is not among them."""

    size: int = 0
    """How many."""
    tasks: list[str] = Field(default_factory=list)
    """Their ids in order."""


class QuicksettingsHint(Response):
    """One option of the server."""

    name: str
    """Key in options."""
    label: str
    """What the page calls it."""
