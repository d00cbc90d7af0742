"""Ctrl-C: the first stops the job on the server and keeps what is done, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""SIGTERM is what `docker stop` and systemd send, SIGHUP a terminal that is closed: both deserve the same
care."""


@contextmanager
def interruptible(cancel: Callable[[], None], note: Callable[[str], None]) -> Iterator[None]:
    """Turn the first signal into `cancel()`.

    Args:
        cancel: asks the work to end.
        note: prints a line.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers; whoever embeds us cancels by other means
        return
    seen = 0

    def stop() -> None:
        # A terminal that was closed takes no words (rich ends the thread with SystemExit); the job must end.
        with suppress(OSError, SystemExit):
            note("Stopping: telling the WebUI to drop our job (once more: stop at once) …")
        cancel()

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            raise KeyboardInterrupt
        # In a thread of its own: a handler interrupts the main thread anywhere, even inside a lock both need.
        threading.Thread(target=stop, name="stop", daemon=True).start()

    before = _handle(handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending_softly() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does, so that what it opened is closed: jobs on a
    server, the sandbox, temporary folders."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = _handle(handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(handler: Callable[[int, FrameType | None], None]) -> dict[signal.Signals, Any]:
    """Set a handler; returns those there were. `nohup` has SIGHUP ignored, and it stays so."""
    wanted = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in wanted}
