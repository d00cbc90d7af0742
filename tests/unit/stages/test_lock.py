"""Two runs never share an output folder; a dead one does not block it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages.errors import WorkFolderBusy
from stages.lock import FolderLock

_HOLD = """
import sys, time
from pathlib import Path
from stages.lock import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / ".work" / "lock"
    with (
        FolderLock(path),
        pytest.raises(WorkFolderBusy, match=f"process {os.getpid()}") as caught,
        FolderLock(path),
    ):
        pass
    assert caught.value.pid == os.getpid()
    assert str(tmp_path) in caught.value.message


def test_it_can_be_taken_again_after_it_was_let_go(tmp_path: Path) -> None:
    path = tmp_path / ".work" / "lock"
    for _ in range(2):
        with FolderLock(path):
            assert path.read_text().strip() == str(os.getpid())
    assert path.read_text() == ""


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / ".work" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(WorkFolderBusy, match=f"process {holder.pid}"), FolderLock(path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        assert path.read_text().strip() == str(holder.pid)
        with FolderLock(path):
            assert path.read_text().strip() == str(os.getpid())
    finally:
        holder.kill()
        holder.wait(10)
        if holder.stdout is not None:
            holder.stdout.close()


def test_an_unreadable_note_still_says_busy(tmp_path: Path) -> None:
    path = tmp_path / ".work" / "lock"
    with FolderLock(path):
        path.write_text("nonsense")
        with pytest.raises(WorkFolderBusy, match="another process") as caught, FolderLock(path):
            pass
    assert caught.value.pid is None


def test_the_folder_it_makes_is_private(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "out" / ".work" / "lock"):
        assert (tmp_path / "out" / ".work").stat().st_mode & 0o077 == 0
