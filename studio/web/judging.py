"""Judges albums one after the other, and lets nobody wait too long for it.

Finding faces takes about half a second a photo on all cores. When many people send photos at once, an upload
is answered without verdicts after a while; they are found all the same, and seen by the next who looks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from anyio import CapacityLimiter, to_thread

LOG = logging.getLogger(__name__)

PATIENCE_S = 20.0
"""How long an upload waits for its verdicts."""


class Judging:
    """One application's; its methods belong to the event loop."""

    def __init__(self) -> None:
        self._turn = CapacityLimiter(1)
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def judge(self, album_id: str, work: Callable[[], object], *, patience_s: float | None) -> bool:
        """Have an album judged.

        Args:
            album_id: Which; those who ask for one that has not begun share one judging.
            work: Judges it, in a thread.
            patience_s: How long to wait; None = until it is done.

        Returns:
            Whether it is done. An error of `work` is raised, or logged when nobody waits any more.
        """
        task = self._waiting.get(album_id)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(self._judge(album_id, work))
            self._waiting[album_id] = task
            self._running.add(task)
            task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=patience_s)
        if done:
            await task
        return bool(done)

    async def _judge(self, album_id: str, work: Callable[[], object]) -> None:
        try:
            await self._turn.acquire()
        finally:
            # A photo that comes from here on may not be seen by this judging: it asks for another.
            self._waiting.pop(album_id, None)
        try:
            await to_thread.run_sync(work, limiter=CapacityLimiter(1))
        finally:
            self._turn.release()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            LOG.warning("photos could not be judged: %s", type(task.exception()).__name__)
