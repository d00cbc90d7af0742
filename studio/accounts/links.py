"""Mailed links that work once."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Literal

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ..core import Studio
from ..data import ApiToken, Attempt, Link, User
from .addresses import normal_address
from .limits import limit, limit_origin
from .refused import dead_link
from .rows import changed, hold_user
from .sessions import add_session, end_sessions
from .tokens import digest, is_secret, keyed, new_secret

Purpose = Literal["sign-in", "confirm", "reset"]
LINK_S = 30 * 60.0
"""How long a link works that signs in or sets a new password."""
CONFIRM_S = 24 * 3600.0
"""How long the link works that ends a sign-up."""
HOUR_S = 3600.0
PER_ADDRESS_HOUR = 5
"""Mails that strangers can have sent to one address in an hour."""
PER_ORIGIN_HOUR = 30


def link_url(studio: Studio, token: str) -> str:
    """Where a mailed link leads: a page with a button, for programs that look through mail open links too."""
    return f"{studio.public_url}/link/{token}"


def ask_link(studio: Studio, *, email: str, purpose: Purpose, origin: str | None) -> None:
    """Have a link mailed. The answer is the same whether or not there is such an account.

    Args:
        studio: The studio.
        email: As it was typed.
        purpose: What the link does. "confirm" is for users who are signed in with an unproved address; a
            stranger asks for the others, which prove it as well and forget what was set before the proof.
        origin: Where the request comes from; None when that is not known.

    Raises:
        Refused: `too-many`, or `bad-address`.
    """
    address = normal_address(email)
    limit_origin(studio, "link", origin, times=PER_ORIGIN_HOUR, per_s=HOUR_S)
    limit(studio, "link", address, times=PER_ADDRESS_HOUR, per_s=HOUR_S)
    with studio.db.session() as db:
        user = db.scalar(select(User).where(User.email == address))
        if user is not None and user.disabled_at is None and not (purpose == "confirm" and user.confirmed_at):
            mail_link(studio, db, user, purpose)
        else:
            # As much is written for nobody: the time taken tells nothing either.
            nothing = keyed(studio.secret, "nobody", new_secret())
            db.add_all([Attempt(key=nothing), Attempt(key=nothing)])


def mail_link(studio: Studio, db: Session, user: User, purpose: Purpose) -> None:
    """Make a link and ask for its mail, both within one transaction."""
    from ..mail import post

    token, now = new_secret(), time.time()
    expires_at = now + (CONFIRM_S if purpose == "confirm" else LINK_S)
    db.add(Link(token_hash=digest(token), user_id=user.id, purpose=purpose, expires_at=expires_at))
    params = {"link": link_url(studio, token), "expires_at": expires_at}
    post(studio, key=f"link:{digest(token)}", user=user, template=purpose, params=params, db=db)


def peek_link(studio: Studio, token: str) -> Purpose | None:
    """What a link is for, without using it; None when it does nothing (any more)."""
    if not is_secret(token):
        return None
    with studio.db.session() as db:
        link = db.get(Link, digest(token))
        if link is None or link.used_at is not None or link.expires_at <= time.time():
            return None
        user = db.get(User, link.user_id)
    return link.purpose if user is not None and user.disabled_at is None else None  # type: ignore[return-value]


def open_link(studio: Studio, token: str, *, purposes: Collection[str]) -> tuple[User, str]:
    """Use a link: once, however many try at once. Proves the address, and signs in.

    Args:
        studio: The studio.
        token: From the link.
        purposes: What it may be for here; another link is left unused.

    Returns:
        Whose link it is, and the token of a new session.

    Raises:
        Refused: `dead-link`.
    """
    if not is_secret(token):
        raise dead_link()
    with studio.db.session() as db:
        link = db.get(Link, digest(token))
        user = hold_user(db, link.user_id) if link is not None else None
        if link is None or user is None or user.disabled_at is not None or not _use(db, link, purposes):
            raise dead_link()
        if user.confirmed_at is None:
            _confirm(db, user, link)
        return user, add_session(studio, db, user.id)


def _use(db: Session, link: Link, purposes: Collection[str]) -> bool:
    now = time.time()
    usable = (
        Link.token_hash == link.token_hash,
        Link.purpose.in_(list(purposes)),
        Link.used_at.is_(None),
        Link.expires_at > now,
    )
    return changed(db, update(Link).where(*usable).values(used_at=now)) == 1


def _confirm(db: Session, user: User, link: Link) -> None:
    user.confirmed_at = time.time()
    if link.purpose != "confirm":
        # Whoever signed up with this address never showed that it is theirs; this person just did. What the
        # first one knows or holds must not open the account.
        user.password_hash = None
        end_sessions(db, user.id)
        db.execute(delete(ApiToken).where(ApiToken.user_id == user.id))
    others = (Link.user_id == user.id, Link.purpose == "confirm", Link.token_hash != link.token_hash)
    db.execute(delete(Link).where(*others))
    db.flush()
