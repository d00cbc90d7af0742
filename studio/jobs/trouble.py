"""How long it is worth waiting for a server."""

from __future__ import annotations

from .presence import clock

TROUBLE_S = 900.0
"""How long a step waits for a server, without a step forward, before the job fails."""
HAND_OVER_S = 60.0
"""How long before it is left to another worker, if there is one."""
REST_S = 120.0
"""How long a worker takes nothing for the GPU afterwards."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


class Trouble:
    """How long a step has been waiting for a server, without a step forward."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._fraction = -1.0
        self._times = 0

    def goes_on(self, fraction: float) -> bool:
        """Whether waiting is still worth it, the job being done so far."""
        if self._since is None or fraction > self._fraction:
            self._since, self._fraction, self._times = clock(), fraction, 0
        return self.lasts_s < TROUBLE_S

    @property
    def lasts_s(self) -> float:
        """Seconds since it began."""
        return 0.0 if self._since is None else clock() - self._since

    def pause_s(self) -> float:
        """How long to wait this time."""
        self._times += 1
        return float(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (self._times - 1)))
