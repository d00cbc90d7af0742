"""How long to wait for what."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; None means no limit.

    Raises:
        ValueError: A limit is zero or negative.
    """

    connect_s: float = 10.0
    """Until a connection stands."""
    read_s: float = 120.0
    """Silence while a read or a short command is answered.
    Refreshes wait for a running job, so this is not small."""
    idle_s: float | None = 600.0
    """A job, or the queue before it, that shows no movement for this long is given up."""
    total_s: float | None = None
    """A whole generation, queue included."""
    recover_s: float = 120.0
    """After a lost answer: how long a server that does not answer at all is waited for before giving up."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and not value > 0:
                raise ValueError(f"{item.name} must be more than 0 seconds, not {value}")
