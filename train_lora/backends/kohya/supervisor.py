"""Runs one trainer and never leaves it behind: `python supervisor.py JOB_DIR`.

Copied to GPU hosts and run there by whatever Python they have: one file, standard library, Python 3.9 or
later.

    JOB_DIR/spec.json     argv, cwd, env (added to ours) and unset (names taken away), time_limit_s and
                          stall_limit_s (null = none), lifeline, parent_pid (only with lifeline)
    JOB_DIR/status.json   state, pid, pid_start, supervisor_pid, supervisor_start, boot, started_at, ended_at,
                          exit_code, reason; always whole
    JOB_DIR/cancel        its appearance ends the training
    JOB_DIR/stdout.log, stderr.log    what the trainer says

The trainer gets a process group of its own and, on Linux, SIGKILL from the kernel when this process dies.
With `lifeline`, the end of our standard input means that whoever wanted the training is gone, and it ends;
without, it outlives the connection that started it. States: starting, running, exited (by itself; a negative
`exit_code` is a signal's number), killed (by us; `reason` says why).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

POLL_S = 0.1
GRACE_S = 0.4
"""Between SIGTERM and SIGKILL. sd-scripts v0.10.1 saves nothing on SIGTERM, so a longer wait gains
nothing."""
FULL_BYTES = 1 << 20
"""Less free space than this when the trainer failed: the disk was full."""
LOGS = ("stdout.log", "stderr.log")
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


# ---- processes


def proc_stat(pid: int) -> tuple[int, int, int, int] | None:
    """Parent, group, session and start (clock ticks since boot) of a living process.

    None when there is none, or no /proc. Pid and start together name a process for good: a pid is given
    again.
    """
    try:
        raw = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = raw.rpartition(b")")[2].split()  # the name in brackets may hold anything, brackets too: proc(5)
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19])


def boot() -> str | None:
    """Which start of the system this is: pids of another one mean nothing. None where it is not told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def processes() -> dict[int, tuple[int, int, int, int]]:
    """Every living process, as `proc_stat` tells of it."""
    if not Path("/proc").is_dir():
        return {}
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {pid: stat for pid, stat in ((pid, proc_stat(pid)) for pid in pids) if stat is not None}


def descendants(pid: int) -> set[int]:
    """Living processes below one."""
    table, below, todo = processes(), set[int](), [pid]
    while todo:
        parent = todo.pop()
        children = {child for child, stat in table.items() if stat[0] == parent} - below
        below |= children
        todo.extend(children)
    return below


def _prctl(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def _send(group: int, number: int) -> None:
    """A signal to the trainer's group; SIGKILL also to what left the group, which is still below us
    (subreaper)."""
    with contextlib.suppress(OSError):
        os.killpg(group, number)
    if number == signal.SIGKILL:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(pid, number)


def _end(trainer: subprocess.Popen[bytes]) -> None:
    """End the trainer and everything it started."""
    _send(trainer.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        trainer.wait(GRACE_S)
    _send(trainer.pid, signal.SIGKILL)
    trainer.wait()


# ---- the job folder


class Status:
    """JOB_DIR/status.json. It can be written on a full disk: the room for it is taken beforehand."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "status.json"
        self._reserve = folder / "status.reserve"
        own = proc_stat(os.getpid())
        self._content: dict[str, Any] = {
            "state": "starting",
            "pid": None,
            "pid_start": None,
            "supervisor_pid": os.getpid(),
            "supervisor_start": own[3] if own else None,
            "boot": boot(),
            "started_at": time.time(),
            "ended_at": None,
            "exit_code": None,
            "reason": None,
        }

    def write(self, **changes: Any) -> None:
        """Note changes. What cannot be written is said on stderr: the training itself may still succeed."""
        self._content.update(changes)
        data = json.dumps(self._content).encode()
        data += b" " * max(0, 4095 - len(data)) + b"\n"
        try:
            try:
                self._replace(data)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                self._replace_with_reserve(data)
        except OSError as error:
            sys.stderr.write(f"status.json cannot be written: {error}\n")

    def _replace(self, data: bytes) -> None:
        if not self._reserve.exists():
            _write(self._reserve, b" " * len(data), "wb")
        temporary = self._path.with_suffix(".part")
        try:
            _write(temporary, data, "wb")
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        temporary.replace(self._path)

    def _replace_with_reserve(self, data: bytes) -> None:
        _write(self._reserve, data, "r+b")  # bytes that are there already take no new room
        self._reserve.replace(self._path)


def _write(path: Path, data: bytes, mode: str) -> None:
    with path.open(mode) as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


class Watch:
    """Says when the training has to end, and why."""

    def __init__(self, folder: Path, spec: dict[str, Any]) -> None:
        self._folder = folder
        self._lifeline = bool(spec.get("lifeline"))
        self._parent = spec.get("parent_pid")
        self._time_limit_s = spec.get("time_limit_s")
        self._stall_limit_s = spec.get("stall_limit_s")
        self._started = self._moved = time.monotonic()
        self._seen = self._sizes()
        self._signalled = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)

    def reason(self) -> str | None:
        """None while all is well."""
        now = time.monotonic()
        sizes = self._sizes()
        if sizes != self._seen:
            self._seen, self._moved = sizes, now
        if self._signalled:
            return "terminated"
        if _is_there(self._folder / "cancel", else_=False):
            return "cancelled"
        if self._lifeline and self._parent_is_gone():
            return "parent gone"
        if not _is_there(self._folder, else_=True):
            return "job folder gone"
        if self._time_limit_s is not None and now - self._started > self._time_limit_s:
            return "time limit"
        if self._stall_limit_s is not None and now - self._moved > self._stall_limit_s:
            return "stalled"
        return None

    def _note(self, _number: int, _frame: object) -> None:
        self._signalled = True

    def _sizes(self) -> list[int]:
        return [_size(self._folder / name) for name in LOGS]

    def _parent_is_gone(self) -> bool:
        # The pipe alone is not enough: a process the parent forked may hold its other end open.
        if self._parent is not None and os.getppid() != self._parent:
            return True
        readable, _, _ = select.select([0], [], [], 0)
        return bool(readable) and os.read(0, 4096) == b""


def _is_there(path: Path, *, else_: bool) -> bool:
    """Whether a path exists; `else_` while a network disk does not say: no reason to end a training."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return else_
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


# ---- the run


def _start(folder: Path, spec: dict[str, Any]) -> subprocess.Popen[bytes]:
    supervisor = os.getpid()

    def prepare() -> None:
        os.setpgid(0, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # it died before the line above could help
            os._exit(1)

    environment = {name: value for name, value in os.environ.items() if name not in spec.get("unset", ())}
    environment.update({name: str(value) for name, value in spec.get("env", {}).items()})
    with (folder / LOGS[0]).open("ab", 0) as out, (folder / LOGS[1]).open("ab", 0) as err:
        return subprocess.Popen(
            spec["argv"],
            cwd=spec.get("cwd"),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            preexec_fn=prepare,
        )


def _run(folder: Path, spec: dict[str, Any]) -> int:
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    status = Status(folder)
    status.write()
    watch = Watch(folder, spec)
    try:
        trainer = _start(folder, spec)
    except (OSError, subprocess.SubprocessError) as error:
        status.write(state="exited", exit_code=127, reason=f"cannot start: {error}", ended_at=time.time())
        return 2
    stat = proc_stat(trainer.pid)
    status.write(state="running", pid=trainer.pid, pid_start=stat[3] if stat else None)
    reason = None
    try:
        while trainer.poll() is None and reason is None:
            time.sleep(POLL_S)
            reason = watch.reason()
        killed = trainer.poll() is None
    finally:
        _end(trainer)  # whatever happens here, nothing of it is left behind
    code = trainer.returncode
    if not killed:
        reason = "disk full" if code != 0 and _free_bytes(folder) < FULL_BYTES else None
    state = "killed" if killed else "exited"
    status.write(state=state, exit_code=code, reason=reason, ended_at=time.time())
    return 0


def _free_bytes(folder: Path) -> int:
    try:
        found = os.statvfs(folder)
    except OSError:
        return FULL_BYTES
    return found.f_bavail * found.f_frsize


def main(arguments: list[str]) -> int:
    """Run the job of a folder to its end.

    Returns:
        0 when the trainer ran, whatever came of it; 2 when it could not be started; 3 when the folder has a
        supervisor already; 64 for a wrong call.
    """
    if len(arguments) != 1:
        sys.stderr.write("usage: supervisor.py JOB_DIR\n")
        return 64
    folder = Path(arguments[0]).absolute()
    os.umask(0o077)  # photos and captions of a person
    if os.getpid() != os.getsid(0):
        with contextlib.suppress(OSError):
            os.setsid()
    with (folder / "supervisor.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("This job folder has a supervisor already.\n")
            return 3
        except OSError as error:
            sys.stderr.write(f"The folder's disk has no locks ({error}); two supervisors are not told.\n")
        return _run(folder, json.loads((folder / "spec.json").read_bytes()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
