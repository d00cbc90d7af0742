"""What users change of their accounts: password and language."""

from __future__ import annotations

import time

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from ..core import Studio
from ..data import ApiToken, Link, User
from ..refusals import Language, not_found
from .limits import forgive, limit
from .links import LINK_S
from .passwords import check_new_password, is_right, new_hash
from .refused import bad_language, wrong_password
from .rows import changed, hold_user
from .sessions import end_sessions

TRIES = 10
WINDOW_S = 15 * 60.0


def set_password(
    studio: Studio, user_id: str, new: str, *, current: str | None, keep: str | None = None
) -> None:
    """Set a password, and end the other sessions and the mailed links that are under way.

    Args:
        studio: The studio.
        user_id: Whose.
        new: The new one.
        current: The one until now. None is taken from users who have none, and once from those who opened a
            mailed link for a new password in the last half hour; their API tokens are revoked then as well.
        keep: The token of the session that asks: it stays.

    Raises:
        Refused: `weak-password`, `wrong-password`, `too-many`; `not-found` for an unknown user.
    """
    with studio.db.session() as db:
        user = db.get(User, user_id)
    if user is None:
        raise not_found()
    check_new_password(new, user.email)
    if current is not None:
        limit(studio, "set-password", user_id, times=TRIES, per_s=WINDOW_S)
        if not is_right(user.password_hash, current):
            raise wrong_password()
        forgive(studio, "set-password", user_id)
    fresh = new_hash(new)
    with studio.db.session() as db:
        now = hold_user(db, user_id)
        if now is None or now.password_hash != user.password_hash:
            # Of two changes at once one finds another password than it compared.
            raise wrong_password()
        if current is None and now.password_hash is not None:
            _by_mail(db, user_id)
        now.password_hash = fresh
        end_sessions(db, user_id, keep=keep)
        db.execute(delete(Link).where(Link.user_id == user_id, Link.used_at.is_(None)))


def _by_mail(db: Session, user_id: str) -> None:
    opened = (Link.user_id == user_id, Link.purpose == "reset", Link.used_at > time.time() - LINK_S)
    if not changed(db, delete(Link).where(*opened)):
        raise wrong_password()
    # Who forgot a password, or had it stolen, does not know who made these.
    db.execute(delete(ApiToken).where(ApiToken.user_id == user_id))


def set_language(studio: Studio, user_id: str, language: str) -> None:
    """Set the language of pages and mails.

    Raises:
        Refused: `bad-language`; `not-found` for an unknown user.
    """
    spoken = checked_language(language)
    with studio.db.session() as db:
        if not changed(db, update(User).where(User.id == user_id).values(language=spoken)):
            raise not_found()


def checked_language(language: str) -> Language:
    """The language, if it is one of ours.

    Raises:
        Refused: `bad-language`.
    """
    if language == "ko" or language == "en":
        return language  # type: ignore[return-value]
    raise bad_language()
