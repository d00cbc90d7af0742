"""What a machine that trains must be able to do with a job folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ENDED = ("exited", "killed")
"""States after which nothing of a job runs."""
LOG_BYTES = 1 << 20
"""Of a log read at once, about."""


@dataclass(frozen=True, slots=True)
class OutFile:
    """A file the trainer wrote."""

    rel: str
    """Path below JOB/out, with "/"."""
    bytes: int


class JobHost(Protocol):
    """A machine that trains, and one job folder on it. Paths called `rel` are below that folder, with "/".

    Every method may raise TrainError: the machine cannot be reached, its disk is full, …
    """

    @property
    def job_dir(self) -> str:
        """The job folder's absolute path, as the trainer sees it."""
        ...

    @property
    def survives(self) -> bool:
        """Whether the job goes on when this process ends: then a running one is followed, not ended."""
        ...

    @property
    def poll_s(self) -> float:
        """Seconds between two looks at the job."""
        ...

    def probe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What `probe_trainer.py`, run by the trainer's interpreter there, says to a request."""
        ...

    def put_file(self, rel: str, content: bytes | Path) -> None:
        """Write a file (folders are made); it is whole or not there."""
        ...

    def read_file(self, rel: str) -> bytes | None:
        """A small file; None when it is not there."""
        ...

    def start(self, spec: Mapping[str, Any]) -> None:
        """Start the supervisor on `spec` (without lifeline and parent_pid: they are the host's business).
        Logs of an earlier start and a cancel file are removed first."""
        ...

    def status(self) -> dict[str, Any] | None:
        """status.json; None when there is none. When it says running but the supervisor is gone: state
        "killed", reason "supervisor gone", and nothing of the job is left running."""
        ...

    def read_log(self, name: str, offset: int) -> bytes:
        """What "stdout.log" or "stderr.log" holds from a byte on, or the first `LOG_BYTES` of that: logs grow
        to any size. b"" when nothing is new."""
        ...

    def log_tail(self, name: str, size: int) -> bytes:
        """The last `size` bytes of a log; b"" when there is none."""
        ...

    def list_out(self) -> tuple[OutFile, ...]:
        """All files below JOB/out, however deep."""
        ...

    def fetch(self, rel: str, dst: Path) -> None:
        """Copy a file of the job folder here."""
        ...

    def cancel(self) -> None:
        """Ask for the end; `status` shows when it has come. Does nothing when nothing runs."""
        ...

    def remove(self, rel: str) -> None:
        """Remove a file or folder; nothing when it is not there."""
        ...

    def remove_tree(self) -> None:
        """Remove the job folder with everything in it. Nothing may be running."""
        ...
