"""Who is asking: a browser by its cookie, a program by its token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer

from ..accounts import check_csrf, user_of_session, user_of_token
from ..core import Studio
from ..data import User
from ..refusals import Refused, not_found
from ..service_settings import DAY_S
from .security import SAFE_METHODS

COOKIE = "studio_session"
CSRF_HEADER = "X-CSRF-Token"

# Only said in the OpenAPI document; `visitor_of` does the work.
BEARER = HTTPBearer(auto_error=False, description="A token of the account page or of POST /api/v1/tokens.")
SESSION = APIKeyCookie(
    name=COOKIE, auto_error=False, description=f"With {CSRF_HEADER} on everything but GET."
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in.

    Attributes:
        user: Who.
        session: The browser's session token; None for a program with an API token.
    """

    user: User
    session: str | None


def studio_of(request: Request) -> Studio:
    """The studio this application serves."""
    studio: Studio = request.app.state.studio
    return studio


def visitor_of(request: Request) -> Visitor | None:
    """Who asks; None for a stranger. Asks the database: call it in a thread.

    Raises:
        Refused: `bad-token` (401): a token was given, and it is none of ours, revoked or too old.
    """
    studio = studio_of(request)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        user = user_of_token(studio, given.strip())
        if user is None:
            raise _bad_token()
        return Visitor(user, None)
    session = request.cookies.get(COOKIE)
    user = user_of_session(studio, session) if session else None
    return Visitor(user, session) if user else None


def signed_in(request: Request) -> Visitor:
    """A signed-in visitor; what changes something needs a session's CSRF token too.

    Raises:
        Refused: `sign-in` (401), `bad-token` (401) or `csrf` (403).
    """
    visitor = visitor_of(request)
    if visitor is None:
        raise sign_in_first()
    if visitor.session is not None and request.method not in SAFE_METHODS:
        check_form(studio_of(request), visitor, request.headers.get(CSRF_HEADER, ""))
    return visitor


def operator(visitor: Annotated[Visitor, Depends(signed_in)]) -> Visitor:
    """An operator; for everybody else there is nothing here."""
    if visitor.user.role != "operator":
        raise not_found()
    return visitor


Signed = Annotated[Visitor, Depends(signed_in)]
Operator = Annotated[Visitor, Depends(operator)]


def check_form(studio: Studio, visitor: Visitor, given: str) -> None:
    """Make sure that the session's own page sent this.

    Raises:
        Refused: `csrf` (403).
    """
    if visitor.session is None or not check_csrf(studio, visitor.session, given):
        raise Refused(
            "csrf",
            en="This page was open for too long, so nothing was changed.",
            ko="페이지가 너무 오래 열려 있어 변경하지 않았습니다.",
            hint_en="Load the page again and repeat it.",
            hint_ko="페이지를 새로 고친 뒤 다시 시도해 주세요.",
            status=403,
        )


def keep_session(request: Request, response: Response, token: str) -> None:
    """Give the browser its session."""
    studio = studio_of(request)
    response.set_cookie(
        COOKIE,
        token,
        max_age=round(studio.settings.session_days * DAY_S),
        path="/",
        secure=is_https(request),
        httponly=True,
        samesite="lax",
    )


def drop_session(request: Request, response: Response) -> None:
    """Take the browser's session back."""
    response.delete_cookie(COOKIE, path="/", secure=is_https(request), httponly=True, samesite="lax")


def is_https(request: Request) -> bool:
    """Whether cookies may only go through https; yes also when a proxy forgets to say so."""
    return request.url.scheme == "https" or studio_of(request).public_url.startswith("https://")


def origin_of(request: Request) -> str:
    """The address the request came from, for limits; behind trusted proxies the one they name."""
    return request.client.host if request.client else ""


def sign_in_first() -> Refused:
    """Nobody is signed in."""
    return Refused(
        "sign-in",
        en="You are not signed in.",
        ko="로그인되어 있지 않습니다.",
        hint_en="Sign in, or send a token: Authorization: Bearer sdw_…",
        hint_ko="로그인해 주세요. 프로그램에서는 Authorization: Bearer sdw_… 토큰을 보내 주세요.",
        status=401,
    )


def _bad_token() -> Refused:
    return Refused(
        "bad-token",
        en="This token is not valid any more.",
        ko="더 이상 사용할 수 없는 토큰입니다.",
        hint_en="Make a new one on your account page.",
        hint_ko="계정 페이지에서 새 토큰을 만들어 주세요.",
        status=401,
    )
