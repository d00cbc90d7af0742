"""A studio with accounts for tests: hashing is cheap, mails are read from their rows, time can be moved."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from studio.accounts import passwords
from studio.core import Studio
from studio.data import Mail
from studio.service_settings import load_settings

GOOD = "lantern river violet"
"""A password that is taken."""
OTHER = "umbrella seven fjord"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def open_studio(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Studio:
    """A new studio in a folder, with settings of the test's and none of the environment's."""
    monkeypatch.setattr(passwords, "HASHER", CHEAP)
    given = {"data_dir": folder / "data", "public_url": "https://studio.example.org", **settings}
    return Studio.open(load_settings(**given))


def mails(studio: Studio) -> list[tuple[str, str]]:
    """Template and link of every mail that was asked for, oldest first."""
    with studio.db.session() as db:
        rows = db.scalars(select(Mail).order_by(Mail.created_at, Mail.id))
        return [(row.template, row.params.get("link", "")) for row in rows]


def last_token(studio: Studio) -> str:
    """What the link of the newest mail carries."""
    return mails(studio)[-1][1].rpartition("/")[2]


class Clock:
    """The time of day, as code sees that asks for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real, self._ahead_s = time.time, 0.0
        monkeypatch.setattr(time, "time", lambda: self._real() + self._ahead_s)

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self._ahead_s += seconds
