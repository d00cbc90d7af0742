"""Keeps counters from falling.

Counters are counted from rows, and rows go: accounts are erased, results expire, a job is begun again.
Prometheus takes a counter that fell for one that began at nothing, and counts all of it again. So for each
series the last count is remembered, and what it fell by is added from then on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..data import Database, Flag

KEY = "metrics:totals"
"""The flag that remembers: {series: [last count, what was lost before]}."""

TRIES = 4
"""How often is counted when others keep being faster; then what they wrote is told."""

Series = tuple[str, ...]
"""Name of a family, its labels' values, and what else tells two counts apart."""

Remembered = dict[str, list[float]]


def settle(database: Database, count: Callable[[Session], Mapping[Series, float]]) -> dict[Series, float]:
    """Count, and make up for what was deleted since the last time.

    Two processes may count at once, and older counts written after newer ones would look like a fall. So
    what is remembered is read before counting and replaced only if nobody else has replaced it meanwhile;
    who comes second counts again. No lock is held while counting: SQLite has one writer.

    Args:
        database: The studio's.
        count: The counts as they are now.

    Returns:
        The counts, each at least what it was before.
    """
    for _ in range(TRIES):
        with database.session() as db:
            at, before = _read(db)
        with database.session() as db:
            now = {json.dumps(series): value for series, value in count(db).items()}
        after = {
            key: _kept(before.get(key, [0.0, 0.0]), now.get(key, 0.0))
            for key in sorted(before.keys() | now.keys())
        }
        if after == before or _replaced(database, at, after):
            break
    else:
        with database.session() as db:
            _, after = _read(db)
    return {tuple(json.loads(key)): last + lost for key, (last, lost) in after.items()}


def _read(db: Session) -> tuple[float | None, Remembered]:
    flag = db.get(Flag, KEY)
    return (None, {}) if flag is None else (flag.at, dict(flag.value))


def _replaced(database: Database, at: float | None, after: Remembered) -> bool:
    """Whether it was still as it was read, and is now `after`."""
    now = time.time() if at is None else max(time.time(), at + 0.001)
    try:
        with database.session() as db:
            if at is None:
                db.add(Flag(key=KEY, value=after, at=now))
                return True
            query = update(Flag).where(Flag.key == KEY, Flag.at == at).values(value=after, at=now)
            changed: Any = db.execute(query)
            return bool(changed.rowcount == 1)
    except IntegrityError:
        return False  # another process made it at the same moment


def _kept(before: list[float], now: float) -> list[float]:
    last, lost = before
    return [now, lost + max(0.0, last - now)]
