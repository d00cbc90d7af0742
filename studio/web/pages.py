"""Draws our own pages: templates, language, and what every page has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..refusals import Language
from .session import is_https, studio_of
from .words import say

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"
LANGUAGE_COOKIE = "studio_language"
_YEAR_S = 365 * 86400
_PLACES = re.compile(r"/(?:(?:ko|en)/|account)?")


@cache
def environment() -> Environment:
    """The templates; everything put into them is escaped."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(
    request: Request,
    template: str,
    values: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    language: Language | None = None,
) -> HTMLResponse:
    """A page in the reader's language.

    Args:
        request: What is answered.
        template: Name in `templates/`.
        values: For the template.
        status: HTTP status.
        headers: Added to the answer's.
        language: Instead of the reader's.
    """
    asked = _asked(request)
    spoken = spoken_in(request, language)
    shown = {
        "t": partial(say, spoken),
        "language": spoken,
        "links": _language_links(request),
        "refused": None,
        "sandbox": studio_of(request).sandbox,
        **(values or {}),
    }
    html = environment().get_template(template).render(shown)
    response = HTMLResponse(html, status, dict(headers or {}))
    if asked:
        response.set_cookie(
            LANGUAGE_COOKIE, asked, max_age=_YEAR_S, secure=is_https(request), httponly=True, samesite="lax"
        )
    return response


def language_of(request: Request) -> Language:
    """The reader's language: asked for in the address, chosen before, or the browser's; else English."""
    return _asked(request) or _known(request.cookies.get(LANGUAGE_COOKIE)) or _preferred(request)


def spoken_in(request: Request, usual: Language | None) -> Language:
    """The language of a page that has a usual one: what the address asks for comes first."""
    return _asked(request) or usual or language_of(request)


def local_place(asked: str | None) -> str:
    """Where to go after signing in: one of a few pages of ours, whatever was asked for."""
    return asked if asked and _PLACES.fullmatch(asked) else "/"


def go(place: str) -> RedirectResponse:
    """Send the browser to one of our pages."""
    return RedirectResponse(place, 303)


def day(at: float | None, language: Language) -> str:
    """A day as people write it."""
    if at is None:
        return ""
    date = datetime.fromtimestamp(at, UTC)
    return f"{date.year}년 {date.month}월 {date.day}일" if language == "ko" else f"{date.day} {date:%B %Y}"


def moment(at: float) -> str:
    """A time with its zone."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def is_page_served(request: Request) -> bool:
    """Whether the Gradio page is mounted."""
    return bool(request.app.state.page)


def _asked(request: Request) -> Language | None:
    return _known(request.query_params.get("lang"))


def _known(name: str | None) -> Language | None:
    return name if name in ("ko", "en") else None  # type: ignore[return-value]


def _preferred(request: Request) -> Language:
    """The better liked of ours in Accept-Language."""
    wishes: list[tuple[float, Language]] = []
    for entry in request.headers.get("accept-language", "")[:200].split(","):
        name, _, quality = entry.strip().partition(";q=")
        known = _known(name[:2].lower())
        if known:
            try:
                wishes.append((float(quality or 1), known))
            except ValueError:
                continue
    return max(wishes, key=lambda wish: wish[0])[1] if wishes else "en"


def _language_links(request: Request) -> dict[str, str]:
    """This page in each language. A page that answers a form is asked for anew."""
    return {
        name: str(request.url.include_query_params(lang=name).replace(scheme="", netloc=""))
        for name in ("ko", "en")
    }
