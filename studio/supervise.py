"""Child processes that are kept running: started again when they die, ended when this process ends.

Each child holds the reading end of a pipe as its standard input. When this process dies, however it dies, the
pipe closes and the child knows (`watch_lifeline`): no worker outlives the studio that started it.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

LOG = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_HEALTHY_AFTER_S = 30.0
"""A child that lived so long is started again at once; the pause grows only for those that die at birth."""
_GRACE_S = 15.0
"""Between SIGTERM and SIGKILL."""


class Child:
    """One child process, started by `start` and kept running by a thread until `stop`."""

    def __init__(
        self,
        name: str,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "sdwebui_client"),
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        """
        Args:
            name: For log lines.
            args: Arguments of the program.
            env: Added to this process's environment; secrets belong here, not into `args`.
            on_line: Told each line of the child's standard output; None leaves it where ours goes.
            program: What is run; this project's command line.
            first_pause_s: Before it is started again the first time; doubles for those that die at birth.
        """
        self.name, self._args, self._on_line = name, (*program, *args), on_line
        self._first_pause_s = first_pause_s
        self._env = {**os.environ, **(env or {}), "PYTHONUNBUFFERED": "1"}
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"keep-{name}", daemon=True)
        self._lock = threading.Lock()
        self.starts = 0
        """How often it was started."""

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start it and the thread that keeps it running."""
        self._spawn()
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, and start it no more."""
        self._stopping.set()
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()

    def stop(self, *, grace_s: float = _GRACE_S) -> None:
        """End it: SIGTERM, and SIGKILL when that does not help."""
        self.ask_to_stop()
        process = self._process
        if process is None:
            return
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._close_pipes(process)

    def _spawn(self) -> None:
        with self._lock:
            if self._stopping.is_set():
                return
            self._process = subprocess.Popen(
                self._args,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if self._on_line else None,
                text=True,
                env=self._env,
                # Ctrl-C in the terminal is for the studio, which then ends its children in order.
                start_new_session=True,
            )
            self.starts += 1
        if self._on_line:
            threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert self._on_line is not None
        for line in process.stdout:
            self._on_line(line.rstrip("\n"))

    def _keep(self) -> None:
        pause = self._first_pause_s
        while not self._stopping.is_set():
            process = self._process
            assert process is not None
            since = time.monotonic()
            code = process.wait()
            self._close_pipes(process)
            if self._stopping.is_set():
                return
            if time.monotonic() - since > _HEALTHY_AFTER_S:
                pause = self._first_pause_s
            LOG.warning("%s ended (exit status %s); it is started again in %.0f s", self.name, code, pause)
            if self._stopping.wait(pause):
                return
            pause = min(_LONGEST_PAUSE_S, pause * 2)
            self._spawn()

    @staticmethod
    def _close_pipes(process: subprocess.Popen[str]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # nobody reads any more: that is why it is closed
                    continue


def watch_lifeline(stop: Callable[[], None], *, grace_s: float = _GRACE_S) -> None:
    """In a child: call `stop` when the parent is gone, and end for good if that is not obeyed.

    Args:
        stop: Asks the work to end.
        grace_s: How long it may take.
    """

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            continue
        stop()
        time.sleep(grace_s)
        os._exit(1)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
