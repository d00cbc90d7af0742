"""A job folder on this machine, as `host.JobHost` wants it, and what its trainer's Python can tell."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..._files import write_atomically
from ...errors import TrainError
from . import supervisor
from .host import ENDED, LOG_BYTES, OutFile
from .machine import end_group, is_running

SUPERVISOR = Path(supervisor.__file__)
PROBE = SUPERVISOR.with_name("probe_trainer.py")
_ENDING_S = 10.0
"""How long a supervisor may take to end what it watches; it takes under a second unless the machine is
choking."""
_PROBE_S = 120.0


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
        with _said(target, "written"):
            self._make(target.parent)
            data = content if isinstance(content, bytes) else content.read_bytes()
            write_atomically(target, data, mode=0o600)

    def read_file(self, rel: str) -> bytes | None:
        path = self._at(rel)
        with _said(path, "read"), contextlib.suppress(FileNotFoundError):
            return path.read_bytes()
        return None

    def start(self, spec: Mapping[str, Any]) -> None:
        with _said(self._dir, "written"):
            self._make(self._dir / "out")
            for name in ("cancel", "status.json", *supervisor.LOGS):
                (self._dir / name).unlink(missing_ok=True)
            content = {**spec, "lifeline": True, "parent_pid": os.getpid()}
            self.put_file("spec.json", json.dumps(content).encode())
            self._launch()

    def _launch(self) -> None:
        log_file = os.open(self._dir / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(log_file, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(SUPERVISOR), str(self._dir)],  # -I: nothing from its folder
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
        return self._read_log(name, offset, LOG_BYTES)

    def log_tail(self, name: str, size: int) -> bytes:
        return self._read_log(name, -size, size)

    def _read_log(self, name: str, offset: int, size: int) -> bytes:
        path = self._dir / name
        with _said(path, "read"), contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(offset if offset >= 0 else max(0, end + offset))
            return stream.read(size)
        return b""

    def list_out(self) -> tuple[OutFile, ...]:
        top = self._dir / "out"
        found = []
        with _said(top, "read"):
            for path in sorted(top.rglob("*")):
                with contextlib.suppress(FileNotFoundError):  # the trainer removes old states meanwhile
                    facts = path.lstat()
                    if stat.S_ISREG(facts.st_mode):
                        found.append(OutFile(path.relative_to(top).as_posix(), facts.st_size))
        return tuple(found)

    def fetch(self, rel: str, dst: Path) -> None:
        try:
            with _said(dst, "written"):
                shutil.copyfile(self._at(rel), dst)
        except TrainError:
            dst.unlink(missing_ok=True)
            raise

    def cancel(self) -> None:
        if self._dir.is_dir():
            with contextlib.suppress(OSError):  # a full disk: closing the lifeline below ends it too
                (self._dir / "cancel").touch()
        if self._process is not None and self._process.stdin is not None and not self._can_say():
            self._process.stdin.close()

    def remove(self, rel: str) -> None:
        _remove(self._at(rel))

    def remove_tree(self) -> None:
        self._let_go()
        _remove(self._dir)

    # ---- inside

    def _at(self, rel: str) -> Path:
        if rel.startswith("/") or ".." in rel.split("/"):
            raise ValueError(f"{rel} leaves the job folder")
        return self._dir / rel

    def _make(self, folder: Path) -> None:
        if self._dir.is_symlink():
            raise TrainError(
                f"{self._dir} is a link, and photos that lie behind it would not be removed with it.",
                "Remove the link. To train on another disk, choose an output folder there.",
            )
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._dir.chmod(0o700)  # it may have been there
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


@contextlib.contextmanager
def _said(path: Path, done: str) -> Iterator[None]:
    """Turn the system's errors into sentences."""
    try:
        yield
    except OSError as error:
        raise TrainError(
            f"{error.filename or path} cannot be {done}: {error.strerror or error}.",
            "Check its permissions and the free space, then run the same command again.",
        ) from error


def _remove(path: Path) -> None:
    """Remove a file, a folder or a link; never what a link leads to."""
    with _said(path, "removed"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


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
