from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from studio.accounts import (
    begin_session,
    check_csrf,
    create_token,
    create_user,
    csrf_token,
    end_all_sessions,
    end_session,
    list_tokens,
    revoke_token,
    user_of_session,
    user_of_token,
)
from studio.accounts.api_tokens import MAX_TOKENS, PREFIX
from studio.accounts.sessions import SEEN_EVERY_S
from studio.accounts.tokens import digest, is_secret, keyed, new_secret, same
from studio.core import Studio
from studio.data import ApiToken, SignedSession, User
from studio.refusals import Refused
from studio.service_settings import DAY_S
from tests.stubs.accounts import Clock, open_studio


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    opened = open_studio(tmp_path, monkeypatch, session_days=2)
    yield opened
    opened.close()


@pytest.fixture
def kim(studio: Studio) -> User:
    return create_user(studio, email="kim@example.org", password=None)


@pytest.fixture
def lee(studio: Studio) -> User:
    return create_user(studio, email="lee@example.org", password=None)


def disable(studio: Studio, user: User) -> None:
    with studio.db.session() as db:
        db.execute(update(User).where(User.id == user.id).values(disabled_at=1.0))


def test_a_session_is_its_users(studio: Studio, kim: User, lee: User) -> None:
    tokens = {user.id: begin_session(studio, user.id) for user in (kim, lee)}
    for user_id, token in tokens.items():
        found = user_of_session(studio, token)
        assert found is not None
        assert found.id == user_id


def test_the_token_itself_is_not_kept(studio: Studio, kim: User) -> None:
    token = begin_session(studio, kim.id)
    with studio.db.session() as db:
        (row,) = db.scalars(select(SignedSession))
    assert row.token_hash == digest(token)
    assert token not in repr(vars(row))
    # Who reads the database cannot sign in with what is there.
    assert user_of_session(studio, row.token_hash) is None


@pytest.mark.parametrize(
    "token", [None, "", "x", "x" * 43, "x" * 100_000, "\ud800" * 43, "한" * 43, "x" * 42 + "\n"]
)
def test_what_is_no_session_is_nobody(studio: Studio, kim: User, token: str | None) -> None:
    begin_session(studio, kim.id)
    assert user_of_session(studio, token) is None
    end_session(studio, token)


def test_a_session_ends(studio: Studio, kim: User, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    first, second, third = (begin_session(studio, kim.id) for _ in range(3))
    end_session(studio, first)
    assert user_of_session(studio, first) is None
    end_all_sessions(studio, kim.id, keep=third)
    assert user_of_session(studio, second) is None
    assert user_of_session(studio, third) is not None
    clock.forward(2 * DAY_S - 60)
    assert user_of_session(studio, third) is not None
    clock.forward(61)
    assert user_of_session(studio, third) is None


def test_all_sessions_of_one_user_end_and_no_others(studio: Studio, kim: User, lee: User) -> None:
    token, others = begin_session(studio, kim.id), begin_session(studio, lee.id)
    end_all_sessions(studio, kim.id)
    assert user_of_session(studio, token) is None
    assert user_of_session(studio, others) is not None


def test_a_page_that_polls_writes_seldom(studio: Studio, kim: User, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, token = Clock(monkeypatch), begin_session(studio, kim.id)

    def seen() -> float:
        with studio.db.session() as db:
            return db.scalars(select(SignedSession.seen_at)).one()

    before = seen()
    clock.forward(SEEN_EVERY_S / 2)
    user_of_session(studio, token)
    assert seen() == before
    clock.forward(SEEN_EVERY_S)
    user_of_session(studio, token)
    assert seen() > before + SEEN_EVERY_S


def test_who_is_disabled_is_nobody(studio: Studio, kim: User) -> None:
    session, (_, token) = begin_session(studio, kim.id), create_token(studio, kim.id, "phone", None)
    disable(studio, kim)
    assert user_of_session(studio, session) is None
    assert user_of_token(studio, token) is None


def test_a_form_belongs_to_its_session(studio: Studio, kim: User) -> None:
    mine, other = begin_session(studio, kim.id), begin_session(studio, kim.id)
    token = csrf_token(studio, mine)
    assert check_csrf(studio, mine, token)
    assert token != mine
    for session, given_token in [
        (other, token),
        (mine, ""),
        (mine, None),
        (None, token),
        (mine, token[:-1]),
        (mine, mine),
        (mine, "\ud800"),
        ("", csrf_token(studio, "")),
    ]:
        assert not check_csrf(studio, session, given_token)


def test_an_api_token_is_its_users(studio: Studio, kim: User, lee: User) -> None:
    row, text = create_token(studio, kim.id, "  my\tphone\0 \n", None)
    assert text.startswith(PREFIX)
    assert row.name == "my phone"
    assert text not in repr(vars(row))
    found = user_of_token(studio, text)
    assert found is not None
    assert found.id == kim.id
    assert [token.id for token in list_tokens(studio, kim.id)] == [row.id]
    assert list_tokens(studio, kim.id)[0].used_at is not None
    assert list_tokens(studio, lee.id) == []


def test_nobody_revokes_a_token_of_another(studio: Studio, kim: User, lee: User) -> None:
    row, text = create_token(studio, kim.id, "phone", None)
    with pytest.raises(Refused) as caught:
        revoke_token(studio, lee.id, row.id)
    assert caught.value.code == "not-found"
    assert user_of_token(studio, text) is not None
    revoke_token(studio, kim.id, row.id)
    assert user_of_token(studio, text) is None
    with pytest.raises(Refused):
        revoke_token(studio, kim.id, row.id)


def test_a_token_runs_out(studio: Studio, kim: User, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, (_, text) = Clock(monkeypatch), create_token(studio, kim.id, "phone", 1)
    clock.forward(DAY_S - 60)
    assert user_of_token(studio, text) is not None
    clock.forward(61)
    assert user_of_token(studio, text) is None
    assert [token.name for token in list_tokens(studio, kim.id)] == ["phone"]


@pytest.mark.parametrize(
    ("name", "days"), [("", None), (" \n", None), ("x" * 81, 1), ("x", 0), ("x", -1), ("x", 3651)]
)
def test_an_impossible_token_is_not_made(studio: Studio, kim: User, name: str, days: int | None) -> None:
    with pytest.raises(Refused) as caught:
        create_token(studio, kim.id, name, days)
    assert caught.value.code == "bad-token"


def test_nobody_has_tokens_without_end(studio: Studio, kim: User, lee: User) -> None:
    for number in range(MAX_TOKENS):
        create_token(studio, kim.id, f"number {number}", None)
    with pytest.raises(Refused) as caught:
        create_token(studio, kim.id, "one more", None)
    assert caught.value.code == "too-many-tokens"
    assert len(list_tokens(studio, kim.id)) == MAX_TOKENS
    create_token(studio, lee.id, "another's", None)
    with studio.db.session() as db:
        db.execute(update(ApiToken).where(ApiToken.name == "number 0").values(expires_at=1.0))
    create_token(studio, kim.id, "in its place", None)


@settings(deadline=None)
@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin-1")), st.none(), st.integers()))
def test_only_our_form_of_secret_reaches_the_database(text: object) -> None:
    assert is_secret(text) == (
        isinstance(text, str)
        and len(text) == 43
        and text.isascii()
        and text.replace("-", "a").replace("_", "a").isalnum()
    )


def test_a_new_secret_has_our_form() -> None:
    assert is_secret(new_secret())


@settings(deadline=None)
@given(st.lists(st.text(max_size=6), max_size=3), st.lists(st.text(max_size=6), max_size=3))
def test_a_keyed_hash_tells_all_parts_apart(left: list[str], right: list[str]) -> None:
    assert same(keyed("k", *left), keyed("k", *right)) == (left == right)
    assert keyed("k", *left) != keyed("l", *left)
