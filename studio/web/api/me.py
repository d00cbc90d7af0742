"""One's own account."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy import select

from ...accounts import (
    create_token,
    csrf_token,
    end_all_sessions,
    list_tokens,
    revoke_token,
    set_language,
    set_password,
)
from ...data import Receipt, User
from ...refusals import Language, Refused, not_found
from ..account_pages import prove_owner
from ..session import Signed, drop_session, origin_of, studio_of
from .answers import (
    Asked,
    Done,
    Id,
    MeView,
    NewToken,
    ReceiptView,
    TokenView,
    me_view,
    receipt_view,
    token_facts,
)

router = APIRouter(prefix="/me", tags=["me"])


class MeChange(Asked):
    """What may be changed."""

    language: Language


class PasswordChange(Asked):
    """A new password."""

    new: str = Field(max_length=1024)
    current: str | None = Field(None, max_length=1024)
    """None for an account without one."""


class TokenAsked(Asked):
    """A new token."""

    name: str = Field(max_length=200)
    days: int | None = Field(90, ge=1, le=3650)
    """None = until it is revoked."""


class Goodbye(Asked):
    """Proof that the owner asks: the password, or the address of an account without one."""

    password: str = Field("", max_length=1024)
    email: str = Field("", max_length=1000)


@router.get("")
def me(request: Request, visitor: Signed) -> MeView:
    """Who asks."""
    csrf = csrf_token(studio_of(request), visitor.session) if visitor.session else None
    return me_view(visitor.user, csrf)


@router.patch("")
def change_me(request: Request, visitor: Signed, asked: MeChange) -> MeView:
    """Set the language of pages and mails."""
    studio = studio_of(request)
    set_language(studio, visitor.user.id, asked.language)
    with studio.db.session() as db:
        user = db.get_one(User, visitor.user.id)
    return me_view(user, csrf_token(studio, visitor.session) if visitor.session else None)


@router.put("/password")
def change_password(request: Request, visitor: Signed, asked: PasswordChange) -> Done:
    """Set a password; the other sessions end. The first one is set in a browser."""
    if visitor.user.password_hash is None and visitor.session is None:
        raise _in_a_browser()
    current = asked.current if visitor.user.password_hash is None else asked.current or ""
    set_password(studio_of(request), visitor.user.id, asked.new, current=current, keep=visitor.session)
    return Done()


def _in_a_browser() -> Refused:
    """Whoever finds a token must not make a lasting account of it."""
    return Refused(
        "browser-only",
        en="A token cannot set the first password of an account.",
        ko="토큰으로는 계정의 첫 비밀번호를 설정할 수 없습니다.",
        hint_en="Sign in with a mailed link and set it on the account page.",
        hint_ko="메일로 받은 링크로 로그인한 뒤 계정 페이지에서 설정해 주세요.",
        status=403,
    )


@router.delete("/sessions")
def sign_out_everywhere(request: Request, response: Response, visitor: Signed) -> Done:
    """End all browser sessions."""
    end_all_sessions(studio_of(request), visitor.user.id)
    drop_session(request, response)
    return Done()


@router.get("/tokens")
def tokens(request: Request, visitor: Signed) -> list[TokenView]:
    """All tokens."""
    return [TokenView(**token_facts(row)) for row in list_tokens(studio_of(request), visitor.user.id)]


@router.post("/tokens", status_code=201)
def make_token(request: Request, visitor: Signed, asked: TokenAsked) -> NewToken:
    """Make a token."""
    row, token = create_token(studio_of(request), visitor.user.id, asked.name, asked.days)
    return NewToken(**token_facts(row), token=token)


@router.delete("/tokens/{token_id}")
def end_token(request: Request, visitor: Signed, token_id: Id) -> Done:
    """Revoke a token."""
    revoke_token(studio_of(request), visitor.user.id, token_id)
    return Done()


@router.get("/receipts")
def receipts(request: Request, visitor: Signed) -> list[ReceiptView]:
    """What was deleted, newest first."""
    asked = select(Receipt).where(Receipt.user_id == visitor.user.id).order_by(Receipt.at.desc()).limit(100)
    with studio_of(request).db.session() as db:
        return [receipt_view(row) for row in db.scalars(asked)]


@router.get("/receipts/{receipt_id}")
def receipt(request: Request, visitor: Signed, receipt_id: Id) -> ReceiptView:
    """One receipt."""
    with studio_of(request).db.session() as db:
        row = db.get(Receipt, receipt_id)
    if row is None or row.user_id != visitor.user.id:
        raise not_found()
    return receipt_view(row)


@router.delete("")
def delete_me(request: Request, response: Response, visitor: Signed, asked: Goodbye) -> ReceiptView:
    """Delete the account and everything of it, for good."""
    from ...erasure import erase_account

    studio = studio_of(request)
    prove_owner(studio, visitor, password=asked.password, email=asked.email, origin=origin_of(request))
    row = erase_account(studio, visitor.user.id, jobs=request.app.state.jobs)
    drop_session(request, response)
    return receipt_view(row)
