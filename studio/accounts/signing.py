"""Signing up, and signing in by password."""

from __future__ import annotations

import time
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from ..core import Studio
from ..data import User
from ..refusals import Refused
from .addresses import normal_address
from .changing import checked_language
from .limits import forgive, forgive_origin, limit, limit_origin
from .links import HOUR_S, PER_ADDRESS_HOUR, PER_ORIGIN_HOUR, mail_link
from .passwords import check_new_password, is_outdated, is_right, new_hash
from .refused import address_taken, sign_up_closed, wrong_sign_in
from .rows import hold_user
from .sessions import add_session

WINDOW_S = 15 * 60.0
TRIES_PER_ADDRESS = 10
"""Wrong passwords for one address in the window, from wherever; a mailed link still gets its owner in."""
TRIES_PER_ORIGIN = 30
"""Wrong sign-ins of one origin in the window, for whatever addresses."""


def sign_up(studio: Studio, *, email: str, password: str | None, language: str, origin: str | None) -> None:
    """Make an account, and mail the link that proves the address.

    Outwardly the same when there is one already: its owner gets a mail that says so.

    Args:
        studio: The studio.
        email: As it was typed.
        password: None for those who sign in by mailed links only.
        language: "ko" or "en".
        origin: Where the request comes from; None when that is not known.

    Raises:
        Refused: `sign-up-closed`, `bad-address`, `bad-language`, `weak-password` or `too-many`.
    """
    if studio.settings.sign_up == "closed":
        raise sign_up_closed()
    address, spoken = normal_address(email), checked_language(language)
    if password is not None:
        check_new_password(password, address)
    limit_origin(studio, "sign-up", origin, times=PER_ORIGIN_HOUR, per_s=HOUR_S)
    limit(studio, "sign-up", address, times=PER_ADDRESS_HOUR, per_s=HOUR_S)
    password_hash = None if password is None else new_hash(password)
    known = _known(studio, address)
    # Compared in any case, so that the time taken is the same.
    agrees = password is not None and is_right(known.password_hash if known else None, password)
    if known is None:
        fresh = User(email=address, password_hash=password_hash, language=spoken)
        agrees = _added(studio, fresh)
        # Not added: somebody was faster by a moment, and is treated as one who was there before.
        known = fresh if agrees else _known(studio, address)
    if known is not None and known.disabled_at is None:
        _welcome(studio, known, agrees=agrees)


def _known(studio: Studio, address: str) -> User | None:
    with studio.db.session() as db:
        return db.scalar(select(User).where(User.email == address))


def _added(studio: Studio, user: User) -> bool:
    try:
        with studio.db.session() as db:
            db.add(user)
    except IntegrityError:
        return False
    return True


def _welcome(studio: Studio, user: User, *, agrees: bool) -> None:
    """Mail what somebody gets who signed up; `agrees`: the account is new, or has the same password."""
    from ..mail import post

    if user.confirmed_at is not None or not (studio.settings.must_confirm or agrees):
        key = f"have-account:{user.id}:{int(time.time() // HOUR_S)}"
        post(
            studio,
            key=key,
            user=user,
            template="have-account",
            params={"link": f"{studio.public_url}/sign-in"},
        )
        return
    with studio.db.session() as db:
        if not agrees:
            # Two sign-ups for one unproved address, and nobody knows whose it is: neither password counts.
            # The owner opens the link and sets a new one.
            unproved = (User.id == user.id, User.confirmed_at.is_(None))
            db.execute(update(User).where(*unproved).values(password_hash=None))
        mail_link(studio, db, user, "confirm")


def create_user(
    studio: Studio,
    *,
    email: str,
    password: str | None,
    language: str = "en",
    role: Literal["user", "operator"] = "user",
    confirmed: bool = True,
) -> User:
    """Make an account without a mail: for operators, and for tests.

    Raises:
        Refused: `address-taken`, `bad-address`, `bad-language` or `weak-password`.
    """
    address = normal_address(email)
    if password is not None:
        check_new_password(password, address)
    user = User(
        email=address,
        password_hash=None if password is None else new_hash(password),
        language=checked_language(language),
        role=role,
        confirmed_at=time.time() if confirmed else None,
    )
    if not _added(studio, user):
        raise address_taken()
    return user


def sign_in(studio: Studio, *, email: str, password: str, origin: str | None) -> str:
    """Sign a browser in.

    Where addresses must be proved, one that is not is refused like a wrong password: otherwise a sign-up
    followed by a sign-in would tell whether an address had an account before.

    Returns:
        The token of the new session.

    Raises:
        Refused: `wrong-sign-in` (401), the same for an unknown address and a wrong password; `too-many`.
    """
    try:
        address = normal_address(email)
    except Refused:
        raise wrong_sign_in() from None
    limit_origin(studio, "sign-in", origin, times=TRIES_PER_ORIGIN, per_s=WINDOW_S)
    limit(studio, "sign-in", address, times=TRIES_PER_ADDRESS, per_s=WINDOW_S)
    user = _known(studio, address)
    right = is_right(user.password_hash if user else None, password)
    if user is None or not right or not _may_sign_in(studio, user):
        raise wrong_sign_in()
    verified = user.password_hash
    assert verified is not None
    with studio.db.session() as db:
        now = hold_user(db, user.id)
        if now is None or now.password_hash != verified:
            # Changed while it was compared.
            raise wrong_sign_in()
        token = add_session(studio, db, user.id)
    forgive(studio, "sign-in", address)
    forgive_origin(studio, "sign-in", origin)
    if is_outdated(verified):
        fresh, mine = new_hash(password), (User.id == user.id, User.password_hash == verified)
        with studio.db.session() as db:
            db.execute(update(User).where(*mine).values(password_hash=fresh))
    return token


def _may_sign_in(studio: Studio, user: User) -> bool:
    proved = user.confirmed_at is not None or not studio.settings.must_confirm
    return proved and user.disabled_at is None
