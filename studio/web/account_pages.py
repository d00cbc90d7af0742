"""The account: language, password, API tokens, receipts, and leaving for good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from sqlalchemy import select

from ..accounts import (
    ask_link,
    create_token,
    csrf_token,
    end_all_sessions,
    end_session,
    list_tokens,
    normal_address,
    revoke_token,
    set_language,
    set_password,
    sign_in,
)
from ..core import Studio
from ..data import Receipt
from ..refusals import Language, Refused, not_found
from .pages import day, go, is_page_served, moment, render, spoken_in
from .receipts import receipt_lines
from .session import Visitor, check_form, drop_session, origin_of, sign_in_first, studio_of, visitor_of

router = APIRouter(prefix="/account", include_in_schema=False)

Text = Annotated[str, Form(max_length=2000)]


def _reader(request: Request) -> Visitor:
    visitor = visitor_of(request)
    if visitor is None or visitor.session is None:
        raise sign_in_first()
    return visitor


def _writer(request: Request, csrf: Text = "") -> Visitor:
    visitor = _reader(request)
    check_form(studio_of(request), visitor, csrf)
    return visitor


Reader = Annotated[Visitor, Depends(_reader)]
Writer = Annotated[Visitor, Depends(_writer)]


@router.get("")
def account(request: Request, saved: bool = False) -> Response:
    """Everything about the account on one page."""
    visitor = visitor_of(request)
    if visitor is None or visitor.session is None:
        return go("/sign-in?next=/account")
    return _page(request, visitor, {"saved": saved})


@router.post("/language")
def change_language(request: Request, visitor: Writer, language: Text = "") -> Response:
    """Set the language of pages and mails."""
    set_language(studio_of(request), visitor.user.id, language)
    # The address asks for it too, which makes the browser remember it for the time after signing out.
    return go(f"/account?saved=1&lang={language}")


@router.post("/password")
def change_password(request: Request, visitor: Writer, current: Text = "", new: Text = "") -> Response:
    """Change it, or set the first one."""
    asked = current if visitor.user.password_hash is not None else None
    try:
        set_password(studio_of(request), visitor.user.id, new, current=asked, keep=visitor.session)
    except Refused as refused:
        return _page(request, visitor, {"refused": refused}, refused.status)
    return go("/account?saved=1")


@router.post("/confirm")
def mail_again(request: Request, visitor: Writer) -> Response:
    """Mail a link again; opening any link proves the address."""
    try:
        ask_link(studio_of(request), email=visitor.user.email, purpose="confirm", origin=origin_of(request))
    except Refused as refused:
        return _page(request, visitor, {"refused": refused}, refused.status)
    return render(request, "sent.html", {"mails": studio_of(request).settings.mails_are_sent})


@router.post("/sign-out-everywhere")
def sign_out_everywhere(request: Request, visitor: Writer) -> Response:
    """End all sessions, this one too."""
    end_all_sessions(studio_of(request), visitor.user.id)
    response = go("/")
    drop_session(request, response)
    return response


@router.post("/tokens")
def make_token(request: Request, visitor: Writer, name: Text = "", days: Text = "") -> Response:
    """Make an API token; this answer alone shows it."""
    try:
        # What is no number is refused like an impossible one.
        lifetime = (int(days) if days.strip().isdecimal() and len(days) < 9 else 0) if days.strip() else None
        _, token = create_token(studio_of(request), visitor.user.id, name, lifetime)
    except Refused as refused:
        return _page(request, visitor, {"refused": refused}, refused.status)
    return _page(request, visitor, {"new_token": token})


@router.post("/tokens/{token_id}/revoke")
def end_token(request: Request, visitor: Writer, token_id: str) -> Response:
    """Revoke a token of one's own."""
    revoke_token(studio_of(request), visitor.user.id, token_id)
    return go("/account#tokens")


@router.get("/receipts/{receipt_id}")
def receipt(request: Request, visitor: Reader, receipt_id: str) -> Response:
    """What was deleted."""
    with studio_of(request).db.session() as db:
        row = db.get(Receipt, receipt_id)
    if row is None or row.user_id != visitor.user.id:
        raise not_found()
    return _receipt_page(request, row, gone=False)


@router.get("/delete")
def delete_form(request: Request, visitor: Reader) -> Response:
    """Say what will be gone, and ask once more."""
    return _delete_page(request, visitor)


@router.post("/delete")
def delete_now(request: Request, visitor: Writer, password: Text = "", email: Text = "") -> Response:
    """Delete the account and everything of it."""
    from ..erasure import erase_account

    studio, language = studio_of(request), visitor.user.language
    try:
        prove_owner(studio, visitor, password=password, email=email, origin=origin_of(request))
    except Refused as refused:
        return _delete_page(request, visitor, refused)
    row = erase_account(studio, visitor.user.id, jobs=request.app.state.jobs)
    response = _receipt_page(request, row, gone=True, language=language)  # type: ignore[arg-type]
    drop_session(request, response)
    return response


def prove_owner(studio: Studio, visitor: Visitor, *, password: str, email: str, origin: str) -> None:
    """Make sure it is the owner who deletes: by the password, or without one by typing the address.

    Raises:
        Refused: `wrong-sign-in`, `too-many` or `not-same`.
    """
    user = visitor.user
    if user.password_hash is not None:
        end_session(studio, sign_in(studio, email=user.email, password=password, origin=origin))
        return
    if normal_address(email) != user.email:
        raise Refused(
            "not-same",
            en="That is not the address of this account.",
            ko="입력하신 주소가 계정의 주소와 다릅니다.",
        )


def _page(request: Request, visitor: Visitor, values: Mapping[str, Any], status: int = 200) -> Response:
    studio = studio_of(request)
    assert visitor.session is not None
    shown: dict[str, Any] = {
        "user": visitor.user,
        "csrf": csrf_token(studio, visitor.session),
        "tokens": list_tokens(studio, visitor.user.id),
        "receipts": _receipts(studio, visitor.user.id),
        "has_page": is_page_served(request),
        "saved": False,
        "new_token": None,
        "day": day,
        **values,
    }
    return render(request, "account.html", shown, status=status, language=visitor.user.language)  # type: ignore[arg-type]


def _delete_page(request: Request, visitor: Visitor, refused: Refused | None = None) -> Response:
    assert visitor.session is not None
    values = {
        "csrf": csrf_token(studio_of(request), visitor.session),
        "has_password": visitor.user.password_hash is not None,
        "refused": refused,
    }
    return render(request, "delete_account.html", values, status=refused.status if refused else 200)


def _receipt_page(
    request: Request, row: Receipt, *, gone: bool, language: Language | None = None
) -> Response:
    values = {
        "receipt": row,
        "lines": receipt_lines(row, spoken_in(request, language)),
        "at": moment(row.at),
        "gone": gone,
    }
    return render(request, "receipt.html", values, language=language)


def _receipts(studio: Studio, user_id: str) -> list[Receipt]:
    with studio.db.session() as db:
        asked = select(Receipt).where(Receipt.user_id == user_id).order_by(Receipt.at.desc()).limit(20)
        return list(db.scalars(asked))
