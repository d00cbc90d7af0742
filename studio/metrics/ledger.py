"""Keeps counters from falling.

Counters are counted from rows, and rows go: accounts are erased, results expire, a job is begun again.
Prometheus takes a counter that fell for one that began at nothing, and counts all of it again. So for each
series the last count is remembered, and what it fell by is added from then on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

from sqlalchemy import update
from sqlalchemy.orm import Session

from ..data import Flag

KEY = "metrics:totals"
"""The flag that remembers: {series: [last count, what was lost since]}."""

Series = tuple[str, ...]
"""Name of a family, its labels' values, and what else tells two counts apart."""


def settle(db: Session, count: Callable[[Session], Mapping[Series, float]]) -> dict[Series, float]:
    """Count, and make up for what was deleted since the last time.

    Two processes that count at once are put one after the other by a lock on the flag's row: with counts of
    different moments the newer one would look like a fall.

    Args:
        db: A transaction in which nothing was read or written yet.
        count: Counts in that transaction.

    Returns:
        The counts, each at least what it was before.

    Raises:
        IntegrityError: Another process made the flag at the same moment; try again.
    """
    locked = db.execute(update(Flag).where(Flag.key == KEY).values(at=time.time()))
    if not locked.rowcount:  # type: ignore[attr-defined]  # an UPDATE's result has it
        db.add(Flag(key=KEY, value={}))
        db.flush()
    flag = db.get(Flag, KEY)
    assert flag is not None
    before: dict[str, list[float]] = dict(flag.value)
    now = {json.dumps(series): value for series, value in count(db).items()}
    after = {
        key: _kept(before.get(key, [0.0, 0.0]), now.get(key, 0.0))
        for key in sorted(before.keys() | now.keys())
    }
    if after != before:
        flag.value = after
    return {tuple(json.loads(key)): last + lost for key, (last, lost) in after.items()}


def _kept(before: list[float], now: float) -> list[float]:
    last, lost = before
    return [now, lost + max(0.0, last - now)]
