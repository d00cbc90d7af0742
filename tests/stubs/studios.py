"""A studio in a folder of its own, and people in it, without waiting for migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.core import Studio
from studio.data import Base, User
from studio.service_settings import load_settings


def make_studio(folder: Path, **settings: Any) -> Studio:
    """Open a studio; its tables are made directly."""
    studio = Studio.open(
        load_settings(data_dir=folder, **settings), public_url="https://studio.example.org", migrate=False
    )
    Base.metadata.create_all(studio.db.engine)
    return studio


def make_user(studio: Studio, email: str = "kim@example.org", **columns: Any) -> User:
    """Somebody with an account."""
    user = User(email=email, **{"language": "ko", **columns})
    with studio.db.session() as db:
        db.add(user)
    return user
