"""Signed-in browsers (a token in a cookie, its hash in the database), and the tokens that guard forms."""

from __future__ import annotations

import time

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from ..core import Studio
from ..data import SignedSession, User
from ..service_settings import DAY_S
from .tokens import digest, is_secret, keyed, new_secret, same

SEEN_EVERY_S = 600.0
"""A session is written to at most so often: a page that polls makes no writes."""


def begin_session(studio: Studio, user_id: str) -> str:
    """Sign a browser in, without asking for anything.

    Returns:
        The token for its cookie.
    """
    with studio.db.session() as db:
        return add_session(studio, db, user_id)


def add_session(studio: Studio, db: Session, user_id: str) -> str:
    """As `begin_session`, within a transaction."""
    token, now = new_secret(), time.time()
    expires_at = now + studio.settings.session_days * DAY_S
    db.add(SignedSession(token_hash=digest(token), user_id=user_id, expires_at=expires_at))
    db.flush()
    return token


def user_of_session(studio: Studio, token: str | None) -> User | None:
    """Who is signed in with this token; None when it is unknown, ended or too old, or the user disabled."""
    if not is_secret(token):
        return None
    assert token is not None
    now = time.time()
    with studio.db.session() as db:
        session = db.get(SignedSession, digest(token))
        user = db.get(User, session.user_id) if session is not None else None
        if session is None or user is None or user.disabled_at is not None or session.expires_at <= now:
            return None
        if session.seen_at < now - SEEN_EVERY_S:
            # Not by the row: it may be ended at this very moment, which is no error.
            mine = SignedSession.token_hash == session.token_hash
            db.execute(update(SignedSession).where(mine).values(seen_at=now))
        return user


def end_session(studio: Studio, token: str | None) -> None:
    """Sign a browser out; a token that means nothing is fine."""
    if is_secret(token):
        assert token is not None
        with studio.db.session() as db:
            db.execute(delete(SignedSession).where(SignedSession.token_hash == digest(token)))


def end_all_sessions(studio: Studio, user_id: str, *, keep: str | None = None) -> None:
    """Sign all browsers of a user out, but the one with the token `keep`."""
    with studio.db.session() as db:
        end_sessions(db, user_id, keep=keep)


def end_sessions(db: Session, user_id: str, *, keep: str | None = None) -> None:
    """As `end_all_sessions`, within a transaction."""
    asked = delete(SignedSession).where(SignedSession.user_id == user_id)
    if keep is not None:
        asked = asked.where(SignedSession.token_hash != digest(keep))
    db.execute(asked)


def csrf_token(studio: Studio, session_token: str) -> str:
    """What a form of this session carries; nobody can make it without the studio's secret.

    Args:
        studio: The studio.
        session_token: The session's; before signing in, any random value that the browser holds in a cookie.
    """
    return keyed(studio.secret, "csrf", session_token)


def check_csrf(studio: Studio, session_token: str | None, given: str | None) -> bool:
    """Whether a form carries the token of its session."""
    if not session_token or not given:
        return False
    return same(csrf_token(studio, session_token), given)
