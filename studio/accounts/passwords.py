"""Passwords: argon2id, and which ones are taken."""

from __future__ import annotations

import threading
import unicodedata
from functools import cache

from argon2 import PasswordHasher, profiles
from argon2.exceptions import InvalidHashError, VerificationError

from .weak import refuse_weak

MAX_PASSWORD = 500
"""Characters; longer ones only make work."""

HASHER = PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
"""64 MiB, 3 passes, 4 lanes: RFC 9106's second recommendation. Tests put a cheap one here."""

# Each hashing takes 64 MiB: a hundred requests at once must not take all memory.
_AT_ONCE = threading.BoundedSemaphore(4)


def new_hash(password: str) -> str:
    """The hash to keep of a password."""
    with _AT_ONCE:
        return HASHER.hash(_normal(password))


def check_new_password(password: str, email: str) -> None:
    """Say no to a password that is too short, too long, the address, or a common one.

    Raises:
        Refused: `weak-password`, with the reason.
    """
    refuse_weak(_normal(password), email, most=MAX_PASSWORD)


def is_right(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one. Takes as long when there is no hash to compare with."""
    if len(password) > MAX_PASSWORD:
        return False
    with _AT_ONCE:
        try:
            HASHER.verify(password_hash or _nobodys(HASHER), _normal(password))
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with other parameters than today's."""
    return HASHER.check_needs_rehash(password_hash)


@cache
def _nobodys(hasher: PasswordHasher) -> str:
    return hasher.hash("the password of nobody")


def _normal(password: str) -> str:
    # The same Korean or accented word is typed as different characters on different systems (NIST SP 800-63B
    # asks for this). Half a surrogate pair is no text, but JSON can carry it.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()
