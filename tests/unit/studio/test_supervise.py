"""Children that are kept running, and that end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.supervise import Child

ROOT = Path(__file__).resolve().parents[3]
SAYS_PID = (
    "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"  # ends when its standard input closes
)


def eventually(what: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Wait until it is so."""
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Heard:
    """A child that says its pid, and what was heard of it."""

    def __init__(self, code: str = SAYS_PID, *, first_pause_s: float = 0.01) -> None:
        self.lines: list[str] = []
        self.child = Child(
            "test",
            ["-c", code],
            program=(sys.executable,),
            on_line=self.lines.append,
            first_pause_s=first_pause_s,
        )


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    heard.child.start()
    eventually(lambda: len(heard.lines) == 1)
    yield heard
    heard.child.stop()


def test_a_killed_child_is_started_again(heard: Heard) -> None:
    first = heard.child.pid
    assert first == int(heard.lines[0])
    os.kill(first, signal.SIGKILL)
    eventually(lambda: len(heard.lines) == 2)
    assert heard.child.pid == int(heard.lines[1]) != first
    assert heard.child.starts == 2


def test_a_stopped_child_is_not_started_again(heard: Heard) -> None:
    pid = heard.child.pid
    assert pid is not None
    heard.child.stop()
    assert heard.child.pid is None
    assert not is_running(pid)
    assert heard.child.starts == 1


def test_a_child_that_ignores_sigterm_is_killed() -> None:
    deaf = Heard(
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    deaf.child.start()
    eventually(lambda: len(deaf.lines) == 1)
    deaf.child.stop(grace_s=0.1)
    assert not is_running(int(deaf.lines[0]))


def test_one_that_dies_at_birth_is_tried_again_ever_more_slowly() -> None:
    broken = Heard("raise SystemExit(3)", first_pause_s=0.05)
    broken.child.start()
    eventually(lambda: broken.child.starts >= 3)
    began = time.monotonic()
    seen = broken.child.starts
    eventually(lambda: broken.child.starts > seen)
    assert time.monotonic() - began > 0.1  # the third and fourth start are 0.2 s apart, or more
    broken.child.stop()
    after = broken.child.starts
    time.sleep(0.5)
    assert broken.child.starts == after


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    child = (
        "import os, sys, threading\n"
        "from studio.supervise import watch_lifeline\n"
        "ended = threading.Event()\n"
        "watch_lifeline(ended.set)\n"
        f"open({str(told)!r} + '.part', 'w').write(str(os.getpid()))\n"
        f"os.rename({str(told)!r} + '.part', {str(told)!r})\n"
        "ended.wait()\n"
    )
    parent = (
        "import sys, time\n"
        "from studio.supervise import Child\n"
        f"Child('c', ['-c', {child!r}], program=(sys.executable,)).start()\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT) as process:
        eventually(told.is_file)
        pid = int(told.read_text("utf-8"))
        assert is_running(pid)
        process.kill()
    eventually(lambda: not is_running(pid))


def test_one_that_does_not_obey_its_lifeline_is_ended(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from studio.supervise import watch_lifeline\n"
        "watch_lifeline(lambda: None, grace_s=0.05)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 1
