"""Keeps passwords and pictures out of messages, logs and `repr`."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

MASK = "***"
_LONGEST = 2000
"""Characters of a server's text that are kept; tracebacks and echoed requests can run to megabytes."""

_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@'\"]*@")
_AUTHORIZATION = re.compile(
    r"(?P<lead>\b(?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?)(?:basic|bearer)?\s*[^\s'\",}]+",
    re.IGNORECASE,
)
# Forge's 500 for /sdapi/v1/cmd-flags carries the whole command line, password included
# (recorded: forge a_nowebui_ok_cmdflags).
_SECRET_FIELD = re.compile(
    r"(?P<lead>['\"]?\b(?:api_auth|gradio_auth|password|passwd|token|secret|ngrok)['\"]?\s*[:=]\s*)"
    r"(?P<quote>['\"])(?:(?!(?P=quote)).)+(?P=quote)",
    re.IGNORECASE,
)
_BASE64 = re.compile(r"(?:data:image/[\w.+-]+;base64,)?[A-Za-z0-9+/]{100,}={0,2}")


def redact(text: str) -> str:
    """Return `text` without credentials and pictures, cut to a length a person can read.

    Example:
        >>> redact("GET http://bob:hunter2@gpu:7860/ failed")
        'GET http://***@gpu:7860/ failed'
    """
    if len(text) > 50 * _LONGEST:
        text = text[: 50 * _LONGEST]
    text = _BASE64.sub(lambda found: f"<{len(found.group())} characters of base64>", text)
    text = _URL_CREDENTIALS.sub(rf"\g<scheme>{MASK}@", text)
    text = _AUTHORIZATION.sub(rf"\g<lead>{MASK}", text)
    text = _SECRET_FIELD.sub(rf"\g<lead>\g<quote>{MASK}\g<quote>", text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + f"… ({len(text) - _LONGEST} more characters)"


def split_credentials(url: str) -> tuple[str, str | None, str | None]:
    """Take `user:password@` out of a URL.

    Returns:
        The URL without them and without a trailing slash, the user name, the password (None when absent).

    Raises:
        ValueError: It is no http or https address.
    """
    url = url.strip()
    if "://" not in url:
        url = f"http://{url}"
    parts, port = _taken_apart(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        shown = f"{parts.scheme}://{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in url else url
        raise ValueError(f"{shown!r} is no http:// or https:// address")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port is None else f"{host}:{port}"
    clean = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
    return clean, _unquoted(parts.username), _unquoted(parts.password)


def _taken_apart(url: str) -> tuple[SplitResult, int | None]:
    # A password with / ? or # in it looks like a port and a path, so nothing of such an address is repeated.
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        if "@" not in url:
            raise ValueError(f"{url!r} is no address: {error}") from None
    else:
        if "@" not in "".join(parts[2:]):
            return parts, port
    raise ValueError(
        "the address cannot be taken apart: give its user name and password apart from it (username=,"
        " password=), or write / ? # @ in them as %2F %3F %23 %40"
    ) from None


def _unquoted(text: str | None) -> str | None:
    from urllib.parse import unquote

    return None if text is None else unquote(text)
