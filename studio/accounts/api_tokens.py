"""Tokens of the REST API: shown once, kept as hashes."""

from __future__ import annotations

import time

from sqlalchemy import ColumnElement, delete, func, select, update

from ..core import Studio
from ..data import ApiToken, User
from ..refusals import not_found
from ..service_settings import DAY_S
from .refused import bad_token_wish, too_many_tokens
from .rows import changed, hold_user
from .sessions import SEEN_EVERY_S
from .tokens import digest, is_secret, new_secret

PREFIX = "sdw_"
"""So that people and secret scanners see what it is."""
MAX_TOKENS = 20
"""Of one user."""
MAX_NAME = 80
MAX_DAYS = 3650


def create_token(studio: Studio, user_id: str, name: str, days: int | None) -> tuple[ApiToken, str]:
    """Make a token.

    Args:
        studio: The studio.
        user_id: Whose.
        name: What the user calls it, 1..80 characters; only ever shown, escaped.
        days: How long it works, 1..3650; None = until it is revoked.

    Returns:
        The row, and the token itself, which nobody can look up later.

    Raises:
        Refused: `bad-token` or `too-many-tokens`; `not-found` for an unknown user.
    """
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    if not 1 <= len(shown) <= MAX_NAME or not (days is None or 1 <= days <= MAX_DAYS):
        raise bad_token_wish()
    text, now = PREFIX + new_secret(), time.time()
    row = ApiToken(user_id=user_id, token_hash=digest(text), name=shown)
    row.expires_at = None if days is None else now + days * DAY_S
    with studio.db.session() as db:
        if hold_user(db, user_id) is None:
            raise not_found()
        db.add(row)
        db.flush()
        mine = select(func.count()).where(ApiToken.user_id == user_id, _alive(now))
        if db.execute(mine).scalar_one() > MAX_TOKENS:
            raise too_many_tokens(MAX_TOKENS)
    return row, text


def user_of_token(studio: Studio, text: str | None) -> User | None:
    """Whose token it is; None when it is none, too old, revoked, or the account is disabled."""
    if text is None or not text.startswith(PREFIX) or not is_secret(text.removeprefix(PREFIX)):
        return None
    now = time.time()
    with studio.db.session() as db:
        row = db.scalar(select(ApiToken).where(ApiToken.token_hash == digest(text), _alive(now)))
        user = db.get(User, row.user_id) if row is not None else None
        if row is None or user is None or user.disabled_at is not None:
            return None
        if row.used_at is None or row.used_at < now - SEEN_EVERY_S:
            db.execute(update(ApiToken).where(ApiToken.id == row.id).values(used_at=now))
        return user


def list_tokens(studio: Studio, user_id: str) -> list[ApiToken]:
    """The user's tokens that are not revoked, oldest first; those that ran out too."""
    with studio.db.session() as db:
        asked = select(ApiToken).where(ApiToken.user_id == user_id)
        return list(db.scalars(asked.order_by(ApiToken.created_at, ApiToken.id)))


def revoke_token(studio: Studio, user_id: str, token_id: str) -> None:
    """End a token of the user.

    Raises:
        Refused: `not-found`: there is none, or it is somebody else's.
    """
    mine = delete(ApiToken).where(ApiToken.id == token_id, ApiToken.user_id == user_id)
    with studio.db.session() as db:
        if not changed(db, mine):
            raise not_found()


def _alive(now: float) -> ColumnElement[bool]:
    return (ApiToken.expires_at.is_(None)) | (ApiToken.expires_at > now)
