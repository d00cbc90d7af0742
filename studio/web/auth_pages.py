"""Signing up, in and out, as plain forms: they work without JavaScript and before the page is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from ..accounts import (
    ask_link,
    csrf_token,
    end_session,
    open_link,
    peek_link,
    set_password,
    sign_in,
    sign_up,
)
from ..refusals import Refused
from .pages import go, is_page_served, language_of, local_place, render
from .session import (
    COOKIE,
    check_form,
    drop_session,
    keep_session,
    origin_of,
    sign_in_first,
    studio_of,
    visitor_of,
)

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=2000)]
Purpose = Literal["sign-in", "reset"]
_ALL_PURPOSES = ("sign-in", "confirm", "reset")


@router.get("/")
def start(request: Request) -> Response:
    """The page for those who are signed in, the welcome for all others."""
    visitor = visitor_of(request)
    if visitor is None:
        return render(request, "welcome.html", {"open": _is_open(request)})
    return go(f"/{visitor.user.language}/" if is_page_served(request) else "/account")


@router.get("/sign-in")
def sign_in_form(request: Request, next: str = "") -> Response:
    """Ask for address and password."""
    if visitor_of(request) is not None:
        return go(local_place(next))
    return _sign_in_page(request, next)


@router.post("/sign-in")
def sign_in_now(
    request: Request,
    email: Text = "",
    password: Text = "",
    next: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Begin a session."""
    studio = studio_of(request)
    try:
        token = sign_in(studio, email=email, password=password, origin=origin_of(request))
    except Refused as refused:
        return _sign_in_page(request, next, email, refused)
    # The session that was there is another person's, or the same one's old one.
    end_session(studio, request.cookies.get(COOKIE))
    return _signed_in(request, token, local_place(next))


@router.get("/sign-up")
def sign_up_form(request: Request) -> Response:
    """Ask for an address and, if liked, a password."""
    return render(request, "sign_up.html", {"open": _is_open(request), "email": ""})


@router.post("/sign-up")
def sign_up_now(request: Request, email: Text = "", password: Text = "") -> Response:
    """Make an account. Where addresses need no proof, the new user is signed in at once."""
    studio, origin = studio_of(request), origin_of(request)
    language = language_of(request)
    try:
        sign_up(studio, email=email, password=password or None, language=language, origin=origin)
    except Refused as refused:
        values = {"open": _is_open(request), "email": email, "refused": refused}
        return _refused_page(request, "sign_up.html", values, refused)
    if password and not studio.settings.must_confirm:
        try:
            token = sign_in(studio, email=email, password=password, origin=origin)
        except Refused:
            # There is an account with another password: its owner has a mail, and we say the same to all.
            return _sent(request)
        return _signed_in(request, token, "/")
    return _sent(request)


@router.get("/sign-in/link")
def ask_sign_in_form(request: Request) -> Response:
    """Ask where to mail a sign-in link to."""
    return _ask_page(request, "sign-in")


@router.post("/sign-in/link")
def ask_sign_in(request: Request, email: Text = "") -> Response:
    """Mail a sign-in link."""
    return _ask(request, "sign-in", email)


@router.get("/forgot")
def forgot_form(request: Request) -> Response:
    """Ask where to mail a link for a new password to."""
    return _ask_page(request, "reset")


@router.post("/forgot")
def forgot(request: Request, email: Text = "") -> Response:
    """Mail a link for a new password."""
    return _ask(request, "reset", email)


@router.get("/link/{token}")
def link_form(request: Request, token: str) -> Response:
    """A button: programs that look through mail open links, and must not use them up."""
    purpose = peek_link(studio_of(request), token)
    return render(request, "link.html", {"purpose": purpose}, status=200 if purpose else 410)


@router.post("/link/{token}")
def link_now(request: Request, token: str) -> Response:
    """Use the link."""
    studio = studio_of(request)
    purpose = peek_link(studio, token)
    try:
        _, session = open_link(studio, token, purposes=_ALL_PURPOSES)
    except Refused as refused:
        return render(request, "link.html", {"purpose": None}, status=refused.status)
    end_session(studio, request.cookies.get(COOKIE))
    return _signed_in(request, session, "/new-password" if purpose == "reset" else "/")


@router.get("/new-password")
def new_password_form(request: Request) -> Response:
    """Ask for a new password, after a mailed link was opened."""
    return _new_password_page(request)


@router.post("/new-password")
def new_password(
    request: Request,
    new: Text = "",
    csrf: Text = "",
) -> Response:
    """Set it, once for each link."""
    studio, visitor = studio_of(request), visitor_of(request)
    if visitor is None:
        raise sign_in_first()
    check_form(studio, visitor, csrf)
    try:
        set_password(studio, visitor.user.id, new, current=None, keep=visitor.session)
    except Refused as refused:
        return _new_password_page(request, refused)
    return go("/")


@router.post("/sign-out")
def sign_out(request: Request, csrf: Text = "") -> Response:
    """End this browser's session."""
    studio, visitor = studio_of(request), visitor_of(request)
    if visitor is not None:
        check_form(studio, visitor, csrf)
        end_session(studio, visitor.session)
    response = go("/")
    drop_session(request, response)
    return response


def _sign_in_page(request: Request, place: str, email: str = "", refused: Refused | None = None) -> Response:
    values = {"next": local_place(place), "email": email, "open": _is_open(request), "refused": refused}
    return _refused_page(request, "sign_in.html", values, refused)


def _new_password_page(request: Request, refused: Refused | None = None) -> Response:
    visitor = visitor_of(request)
    if visitor is None or visitor.session is None:
        return go("/sign-in")
    csrf = csrf_token(studio_of(request), visitor.session)
    values = {"csrf": csrf, "email": visitor.user.email, "refused": refused}
    return _refused_page(request, "new_password.html", values, refused)


def _ask_page(
    request: Request, purpose: Purpose, email: str = "", refused: Refused | None = None
) -> Response:
    name = {"sign-in": "by-mail", "reset": "reset"}[purpose]
    action = {"sign-in": "/sign-in/link", "reset": "/forgot"}[purpose]
    values = {
        "purpose_title": name,
        "purpose_text": f"{name}-text",
        "action": action,
        "email": email,
        "refused": refused,
    }
    return _refused_page(request, "ask_link.html", values, refused)


def _ask(request: Request, purpose: Purpose, email: str) -> Response:
    try:
        ask_link(studio_of(request), email=email, purpose=purpose, origin=origin_of(request))
    except Refused as refused:
        return _ask_page(request, purpose, email, refused)
    return _sent(request)


def _sent(request: Request) -> Response:
    return render(request, "sent.html", {"mails": studio_of(request).settings.mails_are_sent})


def _signed_in(request: Request, token: str, place: str) -> Response:
    response = go(place)
    keep_session(request, response, token)
    return response


def _refused_page(
    request: Request, template: str, values: Mapping[str, Any], refused: Refused | None
) -> Response:
    """The same form again, saying why."""
    headers = {}
    if refused is not None and refused.retry_after_s is not None:
        headers["Retry-After"] = str(round(refused.retry_after_s))
    return render(request, template, values, status=refused.status if refused else 200, headers=headers)


def _is_open(request: Request) -> bool:
    return studio_of(request).settings.sign_up == "open"
