"""How a job folder is reached. `LocalHost` is a folder on this machine; `remote` has one on a GPU host."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..._files import write_atomically
from ...errors import TrainError
from . import supervisor
from .machine import end_group, is_running

SUPERVISOR = Path(supervisor.__file__)
PROBE = SUPERVISOR.with_name("probe_trainer.py")
ENDED = ("exited", "killed")
"""States after which nothing of a job runs."""
_ENDING_S = 10.0
"""How long a supervisor may take to end what it watches; it takes under a second unless the machine is
choking."""
_PROBE_S = 120.0


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
        """What "stdout.log" or "stderr.log" holds from a byte on; b"" when nothing is new."""
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


class LocalHost:
    """A job folder on this machine. Its trainer ends with this process, however that ends.

    Args:
        job_dir: The folder; made when needed, readable for its owner only.
        python: The trainer's interpreter, for `probe`.
    """

    survives = False
    poll_s = 0.1

    def __init__(self, job_dir: Path, python: Path) -> None:
        self._dir = Path(job_dir).absolute()
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def job_dir(self) -> str:
        """See `JobHost`, as for all below."""
        return str(self._dir)

    def probe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return run_probe(self._python, request)

    def put_file(self, rel: str, content: bytes | Path) -> None:
        target = self._at(rel)
        try:
            self._make(target.parent)
            write_atomically(target, content if isinstance(content, bytes) else content.read_bytes())
            target.chmod(0o600)
        except OSError as error:
            raise TrainError(
                f"{target} cannot be written: {error.strerror}.", "Check permissions and free space."
            ) from error

    def read_file(self, rel: str) -> bytes | None:
        try:
            return self._at(rel).read_bytes()
        except FileNotFoundError:
            return None

    def start(self, spec: Mapping[str, Any]) -> None:
        self._make(self._dir / "out")
        for name in ("cancel", "status.json", *supervisor.LOGS):
            (self._dir / name).unlink(missing_ok=True)
        content = {**spec, "lifeline": True, "parent_pid": os.getpid()}
        self.put_file("spec.json", json.dumps(content).encode())
        with (self._dir / "supervisor.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(SUPERVISOR), str(self._dir)],
                cwd=self._dir,
                stdin=subprocess.PIPE,  # the lifeline: closed by the kernel when this process ends
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def status(self) -> dict[str, Any] | None:
        died = self._supervisor_died()  # before reading: it writes the last status, then ends
        status = self._read_status()
        if status is not None and status["state"] in ENDED:
            self._let_go()
            return status
        if status is None and self._process is None:
            return None
        if not died:
            return status
        self._let_go()
        status = status or {"state": "starting", "pid": None, "pid_start": None, "supervisor_pid": None}
        if status.get("pid") and status.get("boot") == supervisor.boot():
            end_group(int(status["pid"]), int(status["supervisor_pid"]), status.get("pid_start"))
        return {**status, "state": "killed", "exit_code": None, "reason": "supervisor gone"}

    def read_log(self, name: str, offset: int) -> bytes:
        try:
            with (self._dir / name).open("rb") as stream:
                stream.seek(offset)
                return stream.read()
        except FileNotFoundError:
            return b""

    def list_out(self) -> tuple[OutFile, ...]:
        top = self._dir / "out"
        files = sorted(path for path in top.rglob("*") if path.is_file())
        return tuple(OutFile(path.relative_to(top).as_posix(), path.stat().st_size) for path in files)

    def fetch(self, rel: str, dst: Path) -> None:
        try:
            shutil.copyfile(self._at(rel), dst)
        except OSError as error:
            dst.unlink(missing_ok=True)
            raise TrainError(
                f"{self._at(rel)} cannot be copied to {dst}: {error.strerror}.",
                "Check permissions and free space, then run the same command again.",
            ) from error

    def cancel(self) -> None:
        if self._dir.is_dir():
            with contextlib.suppress(OSError):  # a full disk: closing the lifeline below ends it too
                (self._dir / "cancel").touch()
        if self._process is not None and self._process.stdin is not None and not self._can_say():
            self._process.stdin.close()

    def remove(self, rel: str) -> None:
        path = self._at(rel)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def remove_tree(self) -> None:
        self._let_go()
        if self._dir.exists():
            shutil.rmtree(self._dir)

    # ---- inside

    def _at(self, rel: str) -> Path:
        if rel.startswith("/") or ".." in rel.split("/"):
            raise ValueError(f"{rel} leaves the job folder")
        return self._dir / rel

    def _make(self, folder: Path) -> None:
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _read_status(self) -> dict[str, Any] | None:
        raw = self.read_file("status.json")
        try:
            status = json.loads(raw) if raw else None
        except ValueError:
            return None
        return status if isinstance(status, dict) and "state" in status else None

    def _supervisor_died(self) -> bool:
        if self._process is not None:
            return self._process.poll() is not None
        status = self._read_status() or {}
        return not is_running(status.get("supervisor_pid"), status.get("supervisor_start"))

    def _can_say(self) -> bool:
        return (self._dir / "cancel").exists()

    def _let_go(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()  # takes the trainer with it: PDEATHSIG
            process.wait()


def run_probe(python: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the trainer's interpreter on this machine for facts.

    Raises:
        TrainError: It does not run, or gives no answer.
    """
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [str(python), str(PROBE), json.dumps(request)], capture_output=True, timeout=_PROBE_S, check=False
        )
    except OSError as error:
        raise TrainError(
            f"The trainer's Python, {python}, cannot be run: {error.strerror}.",
            "Set SD_SCRIPTS_PYTHON to the python of the environment sd-scripts is installed in.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise TrainError(
            f"The trainer's Python, {python}, gave no answer for {_PROBE_S:g} s.",
            "Look for a hanging disk or GPU.",
        ) from error
    try:
        facts = json.loads(done.stdout)
    except ValueError as error:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
        raise TrainError(
            f"The trainer's Python, {python}, failed after {time.monotonic() - begun:.0f} s: {said[0]}",
            "It must be Python 3.9 or later; run `sh scripts/setup_trainer.sh` to make a fresh one.",
        ) from error
    return dict(facts)
