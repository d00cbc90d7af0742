"""Ctrl-C: the first stops the job on the server and keeps what is done, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""SIGTERM is what `docker stop`, systemd and a closing session send; it deserves the same care."""


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
        note("Stopping: telling the WebUI to drop our job (once more: stop at once) …")
        cancel()

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            raise KeyboardInterrupt
        # In a thread of its own: a handler interrupts the main thread anywhere, even inside a lock both need.
        threading.Thread(target=stop, name="stop", daemon=True).start()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
