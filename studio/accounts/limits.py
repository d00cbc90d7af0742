"""How often something may be tried. Counted in the database, so all processes count together."""

from __future__ import annotations

import ipaddress
import time

from sqlalchemy import delete, func, select, text

from ..core import Studio
from ..data import Attempt
from .refused import too_many
from .tokens import keyed

UNKNOWN_ORIGIN = "unknown"
UNKNOWN_TIMES = 10
"""Requests of which the origin is not known share one count, so it is that much wider."""


def limit(studio: Studio, what: str, who: str, *, times: int, per_s: float) -> None:
    """Count one try of `who` at `what`. Those that are refused do not count.

    Args:
        studio: The studio.
        what: What is tried: "sign-in", "upload" …
        who: For whom it is counted: a user's id, an address, an origin. Only a keyed hash of it is kept.
        times: Tries that are let through …
        per_s: … in any window of so many seconds.

    Raises:
        Refused: `too-many` (429), with the seconds until the oldest of them is forgotten.
    """
    key, now = keyed(studio.secret, "limit", what, who), time.time()
    with studio.db.session() as db:
        if db.get_bind().dialect.name == "postgresql":
            # Two at once would not see each other's row.
            db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(key[:15], 16)})
        # Written before it is counted: SQLite lets one writer in at a time, so the count is whole.
        db.add(Attempt(key=key, at=now))
        db.flush()
        mine = (Attempt.key == key, Attempt.at > now - per_s)
        count, oldest = db.execute(select(func.count(), func.min(Attempt.at)).where(*mine)).one()
        if count > times:
            raise too_many(oldest + per_s - now)


def limit_origin(studio: Studio, what: str, origin: str | None, *, times: int, per_s: float) -> None:
    """As `limit`, for where a request came from; None when that is not known."""
    who = origin_of(origin)
    wide = UNKNOWN_TIMES if who == UNKNOWN_ORIGIN else 1
    limit(studio, f"{what}:origin", who, times=times * wide, per_s=per_s)


def forgive(studio: Studio, what: str, who: str) -> None:
    """Forget the tries of `who` at `what`: it went well."""
    with studio.db.session() as db:
        db.execute(delete(Attempt).where(Attempt.key == keyed(studio.secret, "limit", what, who)))


def forgive_origin(studio: Studio, what: str, origin: str | None) -> None:
    """Take back the newest try of an origin; those that failed stay counted."""
    key = keyed(studio.secret, "limit", f"{what}:origin", origin_of(origin))
    newest = select(func.max(Attempt.id)).where(Attempt.key == key).scalar_subquery()
    with studio.db.session() as db:
        db.execute(delete(Attempt).where(Attempt.id == newest))


def origin_of(origin: str | None) -> str:
    """Whom an address stands for: itself, or its /64 with IPv6, of which one subscriber has 2^64."""
    if not origin:
        return UNKNOWN_ORIGIN
    try:
        address = ipaddress.ip_address(origin.partition("%")[0])
    except ValueError:
        return origin[:100]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
