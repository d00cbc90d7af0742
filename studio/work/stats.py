"""What a worker has done since it started: how busy each server was, and why pictures were refused."""

from __future__ import annotations

import threading
import time
from typing import Any

REFUSALS = {
    "no face": "no-face",
    "not sharp": "not-sharp",
    "likeness": "not-like",
}
"""Part of a refusal's sentence -> its name in the metrics."""


class WorkerStats:
    """Adds up; thread-safe. `to_json` is what `Worker.stats` keeps."""

    def __init__(self, *, now: float | None = None) -> None:
        self._since = time.time() if now is None else now
        self._lock = threading.Lock()
        self._servers: dict[str, dict[str, float]] = {}
        self._refusals: dict[str, int] = {}

    def expect(self, url: str) -> None:
        """A server that is there, so that an idle one counts as idle."""
        with self._lock:
            self._entry(url)

    def busy(self, url: str, seconds: float, *, generations: int = 1) -> None:
        """A server worked so long, on so many pictures."""
        with self._lock:
            entry = self._entry(url)
            entry["busy_s"] += max(0.0, seconds)
            entry["generations"] += generations

    def refused(self, reason: str) -> None:
        """A picture was refused; `reason` is the recipe's sentence."""
        name = next((name for part, name in REFUSALS.items() if part in reason), "other")
        with self._lock:
            self._refusals[name] = self._refusals.get(name, 0) + 1

    def to_json(self) -> dict[str, Any]:
        """{"servers": {url: {"busy_s", "generations", "since"}}, "refusals": {name: n}}."""
        with self._lock:
            servers = {
                url: {**entry, "busy_s": round(entry["busy_s"], 3)} for url, entry in self._servers.items()
            }
            return {"servers": servers, "refusals": dict(self._refusals)}

    def _entry(self, url: str) -> dict[str, float]:
        return self._servers.setdefault(url, {"busy_s": 0.0, "generations": 0, "since": self._since})
