"""`--api-auth`: Basic, checked route by route, with the holes of the real servers."""

from __future__ import annotations

import base64
import binascii
import secrets

from starlette.requests import Request

from .errors import ApiError
from .settings import SandboxSettings

OPEN = ("/sdapi/v1/loras", "/sdapi/v1/refresh-loras")
"""Added by an extension that knows nothing of the password,
as /controlnet, /adetailer and /internal are (recorded: a_*)."""


def is_protected(settings: SandboxSettings, path: str) -> bool:
    """Whether a route asks for the password."""
    if settings.flavour == "sdnext":
        return path.startswith("/sdapi/")
    return path.startswith("/sdapi/") and path not in OPEN


def check(settings: SandboxSettings, request: Request) -> None:
    """Let a request pass, or refuse it: 401 without a WWW-Authenticate header.

    Raises:
        ApiError: no credentials, unreadable ones, or wrong ones.
    """
    if settings.api_auth is None or not is_protected(settings, request.url.path):
        return
    scheme, _, parameter = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise ApiError(401, "Not authenticated")
    try:
        user, colon, password = base64.b64decode(parameter, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon, user, password = "", "", ""
    if not colon:
        raise ApiError(401, "Invalid authentication credentials")
    accounts = dict(pair.split(":", 1) for pair in settings.api_auth.split(","))
    expected = accounts.get(user, "")
    if not (user in accounts and secrets.compare_digest(password.encode(), expected.encode())):
        raise ApiError(401, "Incorrect username or password")
