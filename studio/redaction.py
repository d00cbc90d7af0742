"""Takes personal data and secrets out of what is about to be written to a log.

Whoever logs should not have put them there; this is the net below. It prefers to take too much.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 20_000
"""Characters of one text that are kept; a picture in base64 is no log line."""

SECRET_KEYS = frozenset(
    {
        *("access_token", "api_key", "authorization", "cookie", "csrf", "csrf_token", "email", "file_name"),
        *("filename", "jwt", "link", "password", "password_hash", "proxy_authorization", "recipient"),
        *("recipients", "secret", "session", "session_token", "set_cookie", "shown_name", "smtp_password"),
        *("to", "token", "token_hash", "x_csrf_token"),
    }
)
"""Names of fields whose value is never written, whatever it looks like."""

_QUERY_NAMES = (
    "access_token|api_key|auth|code|csrf|csrf_token|email|key|link|password|session|sig|signature|token"
)
_PICTURES = "avif|bmp|dng|gif|heic|heif|jpeg|jpg|jpe|png|raw|tif|tiff|webp"
# A file that the studio or a recipe named, perhaps after some words: an identifier, or `01-front-cool.png`.
_OURS = re.compile(
    r"(?:[a-z ]+ )?"
    r"(?:[0-9a-f]{8,64}|preview-[0-9a-f]{1,20}|\d{1,3}-[a-z0-9]+(?:[-_][a-z0-9]+)*|contact-sheet|grid)"
    rf"\.(?:{_PICTURES})",
)
_PICTURE_END = re.compile(rf"\.(?:{_PICTURES})(?!\w)", re.IGNORECASE)
# Blanks and brackets are no end of a name: phones write `IMG 4711 (1).jpg`.
_BEFORE_A_NAME = re.compile(r"""[/\\:="'`<>|,;\[\]{}\r\n]""")
MAX_NAME = 200
"""Characters that a file's name may have."""

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Values of a database statement: SQLAlchemy's errors show them.
    (re.compile(r"\[parameters: .*?\]\s*(?=\n|$)", re.DOTALL), "[parameters: ***]"),
    (
        re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-csrf-token)(\W{1,5})[^\r\n]+"),
        r"\1\2***",
    ),
    (re.compile(r"(?i)\b(bearer|basic|digest)\s+[\w.~+/=-]{4,}"), r"\1 ***"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/?#]*@", re.IGNORECASE), r"\1***@"),
    (re.compile(rf"(?i)([?&;](?:{_QUERY_NAMES})=)[^\s&;#\"'<>]+"), r"\1***"),
    # Links that are secrets: to results (/r/…), and those that sign in.
    (re.compile(r"(?i)(/(?:r|link|links|l|reset|confirm|sign-in)/)[\w.~%=-]{8,}"), r"\1***"),
    (re.compile(r"\bsdw_[\w-]+"), "sdw_***"),
    # Anything long in upper case, lower case and digits: tokens in places nobody thought of.
    (re.compile(r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[A-Za-z0-9_-]{32,}"), "***"),
)
_E_MAIL = re.compile(
    r"""(?:"[^"\r\n]{1,64}"|[^\s@<>"(),;:\[\]\\]+)(?:@|%40)(?:\[[^\]\s]*\]|[^\s@<>"'(),;:\[\]\\/?&\#]+)""",
    re.IGNORECASE,
)
E_MAIL, PHOTO = "<e-mail>", "<picture>"


def redact_text(text: str) -> str:
    """A text without e-mail addresses, credentials, tokens and names of people's pictures.

    Example:
        >>> redact_text("mail to kim@example.org failed")
        'mail to <e-mail> failed'
    """
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]} … ({len(text)} characters)"
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    if "@" in text or "%40" in text:
        text = _E_MAIL.sub(_address, text)
    return _without_pictures(text)


def redact(value: Any, *, depth: int = 6) -> Any:
    """The same for whatever is logged; fields with a telling name lose their value.

    Args:
        value: A text, a number, a mapping, a sequence, or anything with a `str`.
        depth: How deep mappings and sequences are followed; below that only their type is told.
    """
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {
            redact_text(str(key)): "***" if is_secret(str(key)) else redact(inner, depth=depth - 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner, depth=depth - 1) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return redact_text(str(value))


def is_secret(key: str) -> bool:
    """Whether a field of this name is never written."""
    return key.lower().replace("-", "_") in SECRET_KEYS


def _address(match: re.Match[str]) -> str:
    # What is left of a URL's credentials looks like an address, and is none.
    local = match[0].rpartition("@")[0]
    return match[0] if local.strip("/") == "***" else E_MAIL


def _without_pictures(text: str) -> str:
    parts, done = [], 0
    for end in _PICTURE_END.finditer(text):
        start = max(done, end.start() - MAX_NAME)
        for edge in _BEFORE_A_NAME.finditer(text, start, end.start()):
            start = edge.end()
        name = text[start : end.end()]
        ours = _OURS.fullmatch(name)
        lead = name[: len(name) - len(name.lstrip())]
        parts += [text[done:start], name if ours else lead + PHOTO]
        done = end.end()
    return "".join([*parts, text[done:]])
