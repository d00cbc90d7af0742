"""Secrets that are handed out: made here, and kept as hashes only."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def new_secret() -> str:
    """256 random bits as 43 characters of base64url."""
    return secrets.token_urlsafe(_BYTES)


def is_secret(text: object) -> bool:
    """Whether it has the form of one of ours: only then the database is asked."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def digest(secret: str) -> str:
    """What is kept of a secret: SHA-256, 64 hex digits. 256 random bits need no salt and no slowness."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def keyed(key: str, *parts: str) -> str:
    """HMAC-SHA256 of the parts, 64 hex digits: for what could be guessed (addresses), and for what we sign.

    Args:
        key: The studio's secret.
        parts: What it is of; none may be confused with the next, so each is counted.
    """
    message = "".join(f"{len(part)}:{part}" for part in parts)
    return hmac.new(key.encode(), message.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare without telling by the time taken how much of it agrees."""
    return hmac.compare_digest(left.encode("utf-8", "replace"), right.encode("utf-8", "replace"))
