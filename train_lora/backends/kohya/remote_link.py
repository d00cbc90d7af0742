"""A connection to the GPU host that is made again when it breaks: the training there goes on meanwhile."""

from __future__ import annotations

import base64
import json
import shlex
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import TrainCancelled, TrainError
from ...progress import Cancel
from ...ssh import Completed, HostKeyError, SshAuth, SshConnection, SshError, SshLost, SshTarget
from . import remote_side
from .remote_side import MARK
from .runner import PROBE

if TYPE_CHECKING:
    from paramiko import SFTPClient

T = TypeVar("T")

_SIDE = Path(remote_side.__file__)
_PIECE_S = 600.0
LOST = "connection lost, the training goes on; trying again"
LOST_BEFORE = "connection lost; trying again"
FOUND = "connected again"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try. All in seconds."""

    first_wait_s: float = 1.0
    """Before the second attempt; doubled before each further one."""
    longest_wait_s: float = 60.0
    before_start_s: float = 180.0
    """Until giving up on a host that was reached once, while nothing runs there yet."""
    running_s: float = 48 * 3600.0
    """Until giving up on a host whose training runs."""
    cancel_s: float = 20.0
    """Until giving up on telling an unreachable host that the training is to stop."""
    answer_s: float = 120.0
    """Until an unanswered command counts as a broken connection."""


class Link:
    """What is asked of the host, however often the connection has to be made again for it.

    Everything handed to `call` may run twice (the connection can break between the deed and its answer),
    so it has to be harmless twice.

    Args:
        target: The host.
        auth: How to prove who we are.
        on_note: Called with a sentence when the connection is lost, and when it is back.
        cancel: Cuts the waiting short.
        connect: Opens a connection; for tests.
    """

    def __init__(
        self,
        target: SshTarget,
        auth: SshAuth,
        *,
        patience: Patience = Patience(),
        on_note: Callable[[str], None] | None = None,
        cancel: Cancel | None = None,
        connect: Callable[[SshTarget, SshAuth], SshConnection] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.where = f"{target.user}@{target.host}" if target.user else target.host
        self.on_note = on_note
        self.cancel = cancel
        self.running = False
        """Whether a training of ours may be at work there: then patience is long."""
        self._target, self._auth, self._patience = target, auth, patience
        self._connect = connect or (lambda target, auth: SshConnection(target, auth))
        self._sleep = sleep
        self._connection: SshConnection | None = None
        self._reached = self._gave_up = False

    # ---- asking

    def call(self, work: Callable[[SshConnection], T]) -> T:
        """Do `work` with a living connection.

        Raises:
            SshError: The host was not reached at all; or `work` says so.
            TrainError: It was not reached again for too long.
            TrainCancelled: It was cancelled while the host could not be reached.
            OSError: What `work` met on the host: no such file, disk full.
        """
        lost_at: float | None = None
        wait_s = self._patience.first_wait_s
        while True:
            try:
                result = work(self._open())
            except SshError as error:
                if not self._reached or not self._is_loss(error):
                    raise
                self.close()
                if lost_at is None:
                    lost_at = time.monotonic()
                    self._note(LOST if self.running else LOST_BEFORE)
                self._stop_waiting(lost_at, error)
                self._wait(wait_s)
                wait_s = min(2 * wait_s, self._patience.longest_wait_s)
            else:
                if lost_at is not None:
                    self._note(FOUND)
                return result

    def sftp(self, work: Callable[[SFTPClient], T]) -> T:
        """Do `work` with a living SFTP session."""

        def guarded(connection: SshConnection) -> T:
            with connection.guarded():
                return work(connection.sftp())

        return self.call(guarded)

    def run(
        self, argv: list[str], *, stdin: bytes | None = None, timeout_s: float | None = None
    ) -> Completed:
        """Run a command there and wait for its end."""
        limit = timeout_s or self._patience.answer_s
        return self.call(lambda connection: connection.run(argv, stdin=stdin, timeout_s=limit))

    def side(
        self,
        python: str,
        do: str,
        *,
        stdin: bytes | None = None,
        timeout_s: float | None = None,
        **request: Any,
    ) -> dict[str, Any]:
        """Let `remote_side` do something there.

        Raises:
            HostRefused: It could not; TrainError: It did not even answer.
        """
        return self._ask(python, {"do": do, **request}, stdin, timeout_s)[0]

    def piece(self, python: str, path: str, offset: int, length: int) -> tuple[tuple[str, int] | None, bytes]:
        """A part of a file there, shorter where the file ends; at offset 0 also its (SHA-256, size).

        Raises:
            HostRefused: It cannot be read.
        """
        request = {"do": "piece", "path": path, "offset": offset, "length": length}
        answer, data = self._ask(python, request, None, _PIECE_S)
        mark = answer["mark"]
        return (str(mark[0]), int(mark[1])) if mark else None, data

    def _ask(
        self, python: str, request: dict[str, Any], stdin: bytes | None, timeout_s: float | None
    ) -> tuple[dict[str, Any], bytes]:
        argv = [python, "-I", "-S", "-c", _one_line(_SIDE.read_text("utf-8")), json.dumps(request)]
        done = self.run(argv, stdin=stdin, timeout_s=timeout_s)
        _, found, said = done.stdout.partition(b"\n" + MARK.encode())
        line, _, rest = said.partition(b"\n")
        if found:
            answer: dict[str, Any] = json.loads(line)
            if "error" in answer:
                raise HostRefused(self.where, request["do"], str(answer["error"]), str(answer["text"]))
            return answer, rest
        raise TrainError(
            f"{python} on {self.where} ended with code {done.returncode} instead of an answer: "
            f"{_tail(done.stderr)}",
            f"Try it: ssh {shlex.quote(self.where)} {shlex.quote(python)} --version",
        )

    def probe(self, python: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """What `probe_trainer.py`, run by `python` there, says.

        Raises:
            TrainError: It does not run, or gives no answer.
        """
        # Without -I: what the trainer will find by its environment, the probe has to find too.
        argv = [python, "-c", _one_line(PROBE.read_text("utf-8")), json.dumps(dict(request))]
        done = self.run(argv)
        lines = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
        try:
            facts: dict[str, Any] = json.loads(lines[-1])
        except (ValueError, IndexError) as error:
            raise TrainError(
                f"{python} on {self.where} ended with code {done.returncode} instead of telling of its "
                f"machine: {_tail(done.stderr)}",
                "It has to be Python 3.9 or later: name another with ?python=/path/to/venv/bin/python.",
            ) from error
        return facts

    def close(self) -> None:
        """Hang up. The next call connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # ---- when it breaks

    def _open(self) -> SshConnection:
        if self._connection is None:
            connection = self._connect(self._target, self._auth)
            connection.open()
            self._connection = connection
            self._reached = True
        return self._connection

    def _is_loss(self, error: Exception) -> bool:
        """Whether the connection broke, in distinction from a refusal by the host."""
        if isinstance(error, HostKeyError):
            return False
        return isinstance(error, SshLost) or (isinstance(error, SshError) and self._connection is None)

    def _stop_waiting(self, lost_at: float, error: Exception) -> None:
        away_s = time.monotonic() - lost_at
        cancelled = self.cancel is not None and self.cancel.cancelled
        limit_s = self._patience.running_s if self.running else self._patience.before_start_s
        if not self._gave_up and away_s <= (self._patience.cancel_s if cancelled else limit_s):
            return
        self._gave_up = True  # it is not waited for again, to clear up
        if cancelled:
            raise TrainCancelled(
                f"Stopped here, but {self.where} cannot be reached: the training may go on there.",
                "Run the same command again to take it up; stop it then, and its photos are removed there.",
            ) from error
        raise TrainError(
            f"{self.where} could not be reached for {_duration(away_s)}: {error}.",
            "The training may have gone on there: run the same command again to take it up."
            if self.running
            else "Run the same command again when the host can be reached; it goes on where it was.",
        ) from error

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.cancel is not None and self.cancel.cancelled:
                self._sleep(min(2.0, seconds))  # try a few times more to hand the stop on
                return
            self._sleep(min(0.2, seconds))

    def _note(self, text: str) -> None:
        if self.on_note is not None:
            self.on_note(text)


class HostRefused(TrainError):
    """The host could not do what it was asked.

    Attributes:
        code: Name of the system's error such as "ENOSPC", or of the exception.
    """

    def __init__(self, where: str, do: str, code: str, text: str) -> None:
        self.code = code
        message, hint = _REFUSALS.get(code, (f"could not {do}: {text}.", "Look there."))
        super().__init__(f"{where} {message}", hint)


_REFUSALS = {
    "ENOSPC": ("has no space left on its disk.", "Free some there, or name another folder: ?jobs=/path."),
    "EDQUOT": ("has used up your disk quota.", "Free some there, or name another folder: ?jobs=/path."),
    "EROFS": (
        "cannot write into the jobs folder: its disk is read-only.",
        "Name another folder: ?jobs=/path.",
    ),
    "EACCES": ("may not write into the jobs folder.", "Name a folder of your own: ?jobs=/path."),
    "EPERM": ("may not write into the jobs folder.", "Name a folder of your own: ?jobs=/path."),
    "ENOTDIR": ("has a file where the jobs folder would be.", "Name another folder: ?jobs=/path."),
}


def _one_line(program: str) -> str:
    """A program for `python -c` that every login shell passes on: some end a quoted word at a line's end."""
    packed = base64.b64encode(zlib.compress(program.encode(), 9)).decode()
    names = '{"__name__": "__main__", "__file__": "/nowhere/sent.py"}'
    safe = "import sys; sys.path[:] = filter(None, sys.path)"  # "" is the home folder, with anything in it
    return f'{safe}; import base64, zlib; exec(zlib.decompress(base64.b64decode("{packed}")), {names})'


def _tail(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds >= 5400 else f"{max(1, round(seconds / 60))} min"
