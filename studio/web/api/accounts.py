"""What strangers may do: sign up, have a link mailed, get a token for their password."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field

from ...accounts import ask_link, create_token, end_session, sign_in, sign_up, user_of_session
from ...refusals import Language
from ..session import origin_of, sign_in_first, studio_of
from .answers import Asked, Done, NewToken, token_facts

router = APIRouter(tags=["accounts"])


class SignUp(Asked):
    """A new account."""

    email: str = Field(max_length=1000)
    password: str | None = Field(None, max_length=1024)
    """At least 10 characters; None = sign in by mailed links only."""
    language: Language = "en"
    """Of pages and mails."""


class LinkAsked(Asked):
    """A link to be mailed."""

    email: str = Field(max_length=1000)
    purpose: Literal["sign-in", "reset"] = "sign-in"


class TokenForPassword(Asked):
    """A token for a program, without a browser."""

    email: str = Field(max_length=1000)
    password: str = Field(max_length=1024)
    name: str = Field("API", max_length=80)
    days: int | None = Field(30, ge=1, le=3650)
    """None = until it is revoked."""


@router.post("/accounts", status_code=202)
def make_account(request: Request, asked: SignUp) -> Done:
    """Sign up. The answer is the same whether or not there is such an account; a mail tells the owner."""
    sign_up(
        studio_of(request),
        email=asked.email,
        password=asked.password,
        language=asked.language,
        origin=origin_of(request),
    )
    return Done()


@router.post("/links", status_code=202)
def mail_link(request: Request, asked: LinkAsked) -> Done:
    """Have a link mailed; the answer is the same whether or not there is such an account."""
    ask_link(studio_of(request), email=asked.email, purpose=asked.purpose, origin=origin_of(request))
    return Done()


@router.post("/tokens", status_code=201)
def token_for_password(request: Request, asked: TokenForPassword) -> NewToken:
    """Get a token for address and password."""
    studio = studio_of(request)
    session = sign_in(studio, email=asked.email, password=asked.password, origin=origin_of(request))
    try:
        user = user_of_session(studio, session)
        if user is None:
            raise sign_in_first()
        row, token = create_token(studio, user.id, asked.name, asked.days)
    finally:
        end_session(studio, session)
    return NewToken(**token_facts(row), token=token)
