"""Brings the database to this version's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .models import Base

if TYPE_CHECKING:
    from .database import Database


def upgrade(database: Database) -> None:
    """Make what is missing."""
    Base.metadata.create_all(database.engine)
