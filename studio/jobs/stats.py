"""What a worker's row says it did."""

from __future__ import annotations

from typing import Any, Protocol


class Stats(Protocol):
    """Counts of this process; `studio.work.WorkerStats` is one."""

    def expect(self, url: str) -> None:
        """A server that is there, so that an idle one counts as idle."""

    def to_json(self) -> dict[str, Any]:
        """As `Worker.stats` keeps it."""
