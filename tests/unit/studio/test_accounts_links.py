from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from studio.accounts import (
    ask_link,
    begin_session,
    create_token,
    create_user,
    open_link,
    peek_link,
    set_password,
    sign_in,
    user_of_session,
    user_of_token,
)
from studio.accounts.links import LINK_S, PER_ADDRESS_HOUR, PER_ORIGIN_HOUR
from studio.accounts.tokens import digest, new_secret
from studio.core import Studio
from studio.data import Attempt, Link, SignedSession, User
from studio.refusals import Refused
from tests.stubs.accounts import GOOD, OTHER, Clock, last_token, mails, open_studio

KIM = "kim@example.org"
ALL = ("sign-in", "reset", "confirm")


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    opened = open_studio(tmp_path, monkeypatch, confirm_email=True)
    yield opened
    opened.close()


@pytest.fixture
def kim(studio: Studio) -> User:
    return create_user(studio, email=KIM, password=GOOD)


def mailed(studio: Studio, purpose: str = "sign-in", email: str = KIM) -> str:
    ask_link(studio, email=email, purpose=purpose, origin=None)  # type: ignore[arg-type]
    return last_token(studio)


def dead(studio: Studio, token: str, purposes: tuple[str, ...] = ALL) -> bool:
    try:
        open_link(studio, token, purposes=purposes)
    except Refused as refused:
        return (refused.code, refused.status) == ("dead-link", 410)
    return False


def count(studio: Studio, kind: type[Link] | type[Attempt] | type[SignedSession]) -> int:
    with studio.db.session() as db:
        return db.execute(select(func.count()).select_from(kind)).scalar_one()


def test_a_link_signs_in_once(studio: Studio, kim: User) -> None:
    token = mailed(studio)
    assert mails(studio) == [("sign-in", f"https://studio.example.org/link/{token}")]
    user, session = open_link(studio, token, purposes=["sign-in"])
    found = user_of_session(studio, session)
    assert found is not None
    assert user.id == found.id == kim.id
    assert dead(studio, token)
    assert peek_link(studio, token) is None


def test_the_link_itself_is_not_kept_with_the_links(studio: Studio, kim: User) -> None:
    token = mailed(studio)
    with studio.db.session() as db:
        (row,) = db.scalars(select(Link))
    assert row.token_hash == digest(token)
    assert dead(studio, row.token_hash)


def test_looking_does_not_use_it(studio: Studio, kim: User) -> None:
    token = mailed(studio, "reset")
    assert [peek_link(studio, token) for _ in range(3)] == ["reset"] * 3
    assert not dead(studio, token)


def test_a_link_opens_only_what_it_is_for(studio: Studio, kim: User) -> None:
    token = mailed(studio, "sign-in")
    assert dead(studio, token, ("reset", "confirm"))
    assert dead(studio, token, ())
    assert not dead(studio, token, ("sign-in",))


@pytest.mark.parametrize(
    "token",
    ["", "x", "\ud800" * 43, "../" * 20, "x" * 100_000, new_secret()],
    ids=["empty", "short", "surrogates", "path", "long", "unknown"],  # the same in every process of xdist
)
def test_what_is_no_link_is_dead(studio: Studio, kim: User, token: str) -> None:
    mailed(studio)
    assert dead(studio, token)
    assert peek_link(studio, token) is None


def test_a_link_gets_too_old(studio: Studio, kim: User, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    first, second = mailed(studio), mailed(studio)
    clock.forward(LINK_S - 60)
    assert not dead(studio, first)
    clock.forward(61)
    assert peek_link(studio, second) is None
    assert dead(studio, second)


def test_of_many_who_open_it_at_once_one_gets_in(studio: Studio, kim: User) -> None:
    token = mailed(studio)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: dead(studio, token), range(16)))
    assert results.count(False) == 1
    assert count(studio, SignedSession) == 1


def test_a_disabled_account_opens_for_nobody(studio: Studio, kim: User) -> None:
    token = mailed(studio)
    with studio.db.session() as db:
        db.execute(update(User).where(User.id == kim.id).values(disabled_at=1.0))
    assert peek_link(studio, token) is None
    assert dead(studio, token)
    before = count(studio, Link)
    mailed(studio)
    assert count(studio, Link) == before


def test_the_answer_for_an_unknown_address_is_the_same(studio: Studio, kim: User) -> None:
    def rows() -> int:
        return count(studio, Link) + count(studio, Attempt) + len(mails(studio))

    written = []
    for email in (KIM, "lee@example.org"):
        before = rows()
        assert ask_link(studio, email=email, purpose="reset", origin=None) is None  # type: ignore[func-returns-value]
        written.append(rows() - before)
    assert written == [4, 4]
    assert [template for template, _ in mails(studio)] == ["reset"]


@pytest.mark.parametrize("email", [KIM, "lee@example.org"])
def test_mails_with_links_are_few(studio: Studio, kim: User, email: str) -> None:
    for number in range(PER_ADDRESS_HOUR):
        ask_link(studio, email=email, purpose="reset", origin=f"192.0.2.{number}")
    with pytest.raises(Refused) as caught:
        # Another purpose is another mail to the same person.
        ask_link(studio, email=email.upper(), purpose="sign-in", origin="198.51.100.1")
    assert (caught.value.code, caught.value.status) == ("too-many", 429)


def test_one_origin_asks_for_few_links(studio: Studio) -> None:
    for number in range(PER_ORIGIN_HOUR):
        ask_link(studio, email=f"kim{number}@example.org", purpose="reset", origin="192.0.2.7")
    with pytest.raises(Refused):
        ask_link(studio, email=KIM, purpose="reset", origin="192.0.2.7")


def test_a_forgotten_password_is_set_anew(studio: Studio, kim: User) -> None:
    old, (_, token) = begin_session(studio, kim.id), create_token(studio, kim.id, "phone", None)
    other_link, link = mailed(studio), mailed(studio, "reset")
    _, session = open_link(studio, link, purposes=["reset"])
    set_password(studio, kim.id, OTHER, current=None, keep=session)
    assert user_of_session(studio, session) is not None
    assert user_of_session(studio, old) is None
    assert user_of_token(studio, token) is None
    assert dead(studio, other_link)
    with pytest.raises(Refused):
        sign_in(studio, email=KIM, password=GOOD, origin=None)
    assert sign_in(studio, email=KIM, password=OTHER, origin=None)


def test_one_link_sets_one_password(studio: Studio, kim: User, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def without_the_old_one(new: str) -> str | None:
        try:
            set_password(studio, kim.id, new, current=None)
        except Refused as refused:
            return refused.code
        return None

    assert without_the_old_one(OTHER) == "wrong-password"
    link = mailed(studio, "reset")
    assert without_the_old_one(OTHER) == "wrong-password"
    open_link(studio, link, purposes=["reset"])
    assert without_the_old_one("short") == "weak-password"
    assert without_the_old_one(OTHER) is None
    assert without_the_old_one(GOOD) == "wrong-password"
    open_link(studio, mailed(studio, "reset"), purposes=["reset"])
    clock.forward(LINK_S + 1)
    assert without_the_old_one(GOOD) == "wrong-password"


def test_a_sign_in_link_sets_no_password(studio: Studio, kim: User) -> None:
    open_link(studio, mailed(studio, "sign-in"), purposes=["sign-in"])
    with pytest.raises(Refused) as caught:
        set_password(studio, kim.id, OTHER, current=None)
    assert caught.value.code == "wrong-password"


def test_a_password_is_changed_by_who_knows_it(studio: Studio, kim: User) -> None:
    mine, other = begin_session(studio, kim.id), begin_session(studio, kim.id)
    _, token = create_token(studio, kim.id, "phone", None)
    with pytest.raises(Refused) as caught:
        set_password(studio, kim.id, OTHER, current=OTHER, keep=mine)
    assert caught.value.code == "wrong-password"
    assert user_of_session(studio, other) is not None
    set_password(studio, kim.id, OTHER, current=GOOD, keep=mine)
    assert user_of_session(studio, mine) is not None
    assert user_of_session(studio, other) is None
    assert user_of_token(studio, token) is not None


def test_the_current_password_is_not_guessed_in_a_stolen_session(studio: Studio, kim: User) -> None:
    codes = []
    for _ in range(11):
        with pytest.raises(Refused) as caught:
            set_password(studio, kim.id, OTHER, current="a wrong guess")
        codes.append(caught.value.code)
    assert codes == ["wrong-password"] * 10 + ["too-many"]


def test_the_first_password_needs_no_other(studio: Studio) -> None:
    user = create_user(studio, email="link@example.org", password=None)
    session, (_, token) = begin_session(studio, user.id), create_token(studio, user.id, "phone", None)
    with pytest.raises(Refused):
        set_password(studio, user.id, GOOD, current="whatever it was")
    set_password(studio, user.id, GOOD, current=None, keep=session)
    assert user_of_token(studio, token) is not None
    assert sign_in(studio, email="link@example.org", password=GOOD, origin=None)


def test_of_two_changes_at_once_one_counts(studio: Studio, kim: User) -> None:
    def change(new: str) -> bool:
        try:
            set_password(studio, kim.id, new, current=GOOD)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(change, [OTHER, f"{OTHER} again"])) == [False, True]


def test_a_signed_in_user_proves_the_address_and_keeps_the_password(studio: Studio) -> None:
    user = create_user(studio, email="new@example.org", password=GOOD, confirmed=False)
    session = begin_session(studio, user.id)
    token = mailed(studio, "confirm", "new@example.org")
    open_link(studio, token, purposes=["confirm"])
    assert user_of_session(studio, session) is not None
    assert sign_in(studio, email="new@example.org", password=GOOD, origin=None)
    before = len(mails(studio))
    ask_link(studio, email="new@example.org", purpose="confirm", origin=None)
    assert len(mails(studio)) == before
