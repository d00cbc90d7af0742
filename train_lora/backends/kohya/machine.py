"""Processes and locks on this machine."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import TrainError
from .supervisor import proc_stat, processes

LOCK = ".training.lock"


def is_running(pid: int | None, start: int | None) -> bool:
    """Whether a process lives, and is still the one meant: pids are given again, starts are not.

    Args:
        pid: None = there is none.
        start: As `supervisor.proc_stat` gives it; None = it was not known (no /proc), and any process counts.
    """
    if pid is None:
        return False
    stat = proc_stat(pid)
    if stat is not None:
        return start is None or stat[3] == start
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_group(group: int, session: int, start: int | None) -> list[int]:
    """Kill what is left of a trainer's process group after its supervisor died.

    The group's leader may be dead already, its children not. A process is only ours when group, session and
    time fit: none of it is older than the trainer.

    Returns:
        The pids that were killed.
    """
    killed = []
    for pid, (_, its_group, its_session, its_start) in processes().items():
        if (its_group, its_session) == (group, session) and (start is None or its_start >= start):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
    return killed


@contextmanager
def training_lock(folder: Path, what: str) -> Iterator[None]:
    """Keep a second training out of a folder, also one of another process. Freed by the kernel in any case.

    Args:
        folder: Made when it is not there.
        what: What is trained, for the other one's message.

    Raises:
        TrainError: Somebody trains there; says who.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK).open("a+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise TrainError(
            f"{folder} cannot be written to: {error.strerror}.", "Check permissions and free space."
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            raise TrainError(
                f"{_owner(stream.read())} is training in {folder} already.",
                "Wait until it is done, or stop it; then run the same command again.",
            ) from error
        except OSError as error:
            raise TrainError(
                f"{folder} cannot be locked ({error.strerror}): two trainings at once would go unnoticed.",
                "Choose a folder on a disk of this machine, or a share with locks.",
            ) from error
        stream.truncate(0)
        # With a full disk the lock holds all the same; only the name is missing in the other one's message.
        with contextlib.suppress(OSError):
            stream.write(json.dumps({"pid": os.getpid(), "since": time.time(), "what": what}))
            stream.flush()
        yield


def _owner(text: str) -> str:
    try:
        note = json.loads(text)
        since = time.strftime("%H:%M", time.localtime(float(note["since"])))
        return f"Process {int(note['pid'])} ({note['what']}, since {since})"
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return "Another process"
