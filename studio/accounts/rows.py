"""A user's row, held by one transaction at a time."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from ..data import User


def hold_user(db: Session, user_id: str) -> User | None:
    """Read a user's row and keep it as it is until the transaction ends.

    Whoever writes several rows of one user takes this one first: two that take them in another order wait for
    each other for ever.
    """
    # A write that changes nothing: SQLite has no SELECT FOR UPDATE, and on PostgreSQL that one would also
    # wait for the foreign keys of others, who may be waiting for this row.
    held = update(User).where(User.id == user_id).values(language=User.language)
    if not changed(db, held.execution_options(synchronize_session=False)):
        return None
    return db.get(User, user_id, populate_existing=True)


def changed(db: Session, statement: Any) -> int:
    """Run an UPDATE or a DELETE; returns how many rows it met."""
    return cast("CursorResult[Any]", db.execute(statement)).rowcount
