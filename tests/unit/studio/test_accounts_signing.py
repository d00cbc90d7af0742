from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select, update

from studio.accounts import (
    begin_session,
    create_token,
    create_user,
    open_link,
    passwords,
    set_language,
    set_password,
    sign_in,
    sign_up,
    signing,
    user_of_session,
    user_of_token,
)
from studio.accounts.links import PER_ADDRESS_HOUR, PER_ORIGIN_HOUR
from studio.accounts.signing import TRIES_PER_ADDRESS, TRIES_PER_ORIGIN, WINDOW_S
from studio.core import Studio
from studio.data import SignedSession, User
from studio.refusals import Refused
from tests.stubs.accounts import GOOD, OTHER, Clock, last_token, mails, open_studio

KIM = "kim@example.org"
HERE = "192.0.2.7"


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    opened = open_studio(tmp_path, monkeypatch, confirm_email=True)
    yield opened
    opened.close()


def join(studio: Studio, email: str = KIM, password: str | None = GOOD, origin: str | None = None) -> None:
    sign_up(studio, email=email, password=password, language="ko", origin=origin)


def enter(studio: Studio, password: str = GOOD, email: str = KIM, origin: str | None = None) -> str:
    return sign_in(studio, email=email, password=password, origin=origin)


def refused(studio: Studio, password: str, email: str = KIM, origin: str | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        enter(studio, password, email, origin)
    return caught.value


def the_user(studio: Studio, email: str = KIM) -> User:
    with studio.db.session() as db:
        return db.scalars(select(User).where(User.email == email)).one()


def test_sign_up_open_the_link_and_sign_in(studio: Studio) -> None:
    join(studio, " KIM@Example.org ")
    user = the_user(studio)
    assert (user.language, user.role, user.confirmed_at) == ("ko", "user", None)
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$")
    ((template, link),) = mails(studio)
    assert template == "confirm"
    assert link.startswith("https://studio.example.org/link/")
    # Before that the right password is like a wrong one.
    assert refused(studio, GOOD).to_json() == refused(studio, OTHER).to_json()
    opened, session = open_link(studio, last_token(studio), purposes=["confirm"])
    assert opened.confirmed_at is not None
    assert user_of_session(studio, session) is not None
    found = user_of_session(studio, enter(studio))
    assert found is not None
    assert found.id == user.id


def test_where_no_proof_is_asked_for_one_is_in_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = open_studio(tmp_path, monkeypatch)
    join(studio)
    assert user_of_session(studio, enter(studio)) is not None
    # A second sign-up does not touch what is there: no link is needed to use it.
    join(studio, password=OTHER)
    assert [template for template, _ in mails(studio)] == ["confirm", "have-account"]
    assert user_of_session(studio, enter(studio)) is not None
    studio.close()


def test_whoever_has_an_account_is_told_by_mail_only(studio: Studio) -> None:
    before = create_user(studio, email=KIM, password=GOOD, language="en")
    join(studio, password=OTHER)
    join(studio, password=None)
    assert mails(studio) == [("have-account", "https://studio.example.org/sign-in")]
    assert the_user(studio).password_hash == before.password_hash
    assert refused(studio, OTHER).code == "wrong-sign-in"
    with studio.db.session() as db:
        assert db.scalar(select(func.count()).select_from(User)) == 1


def test_two_sign_ups_for_one_unproved_address_leave_no_password(studio: Studio) -> None:
    join(studio, password=OTHER, origin="203.0.113.66")
    stranger = last_token(studio)
    join(studio, password=GOOD, origin=HERE)
    assert [template for template, _ in mails(studio)] == ["confirm", "confirm"]
    open_link(studio, stranger, purposes=["confirm"])
    assert the_user(studio).password_hash is None
    assert refused(studio, OTHER).code == "wrong-sign-in"
    with pytest.raises(Refused):
        open_link(studio, last_token(studio), purposes=["confirm"])


def test_who_signs_up_twice_alike_keeps_the_password(studio: Studio) -> None:
    join(studio)
    join(studio)
    open_link(studio, last_token(studio), purposes=["confirm"])
    assert user_of_session(studio, enter(studio)) is not None


def test_what_was_set_before_the_proof_is_forgotten(studio: Studio) -> None:
    """Somebody signs up with another's address and waits until its owner comes by a mailed link."""
    join(studio, password=OTHER)
    user = the_user(studio)
    session, (_, token) = begin_session(studio, user.id), create_token(studio, user.id, "waiting", None)
    signing_link(studio, "sign-in")
    opened, fresh = open_link(studio, last_token(studio), purposes=["sign-in"])
    assert opened.id == user.id
    assert refused(studio, OTHER).code == "wrong-sign-in"
    assert user_of_session(studio, session) is None
    assert user_of_token(studio, token) is None
    assert user_of_session(studio, fresh) is not None


def signing_link(studio: Studio, purpose: str) -> None:
    from studio.accounts import ask_link

    ask_link(studio, email=KIM, purpose=purpose, origin=None)  # type: ignore[arg-type]


def test_a_closed_studio_takes_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = open_studio(tmp_path, monkeypatch, sign_up="closed")
    with pytest.raises(Refused) as caught:
        join(studio)
    assert (caught.value.code, caught.value.status) == ("sign-up-closed", 403)
    create_user(studio, email=KIM, password=GOOD, role="operator")
    assert user_of_session(studio, enter(studio)) is not None
    studio.close()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"email": "kim"}, "bad-address"),
        ({"password": "short"}, "weak-password"),
        ({"language": "de"}, "bad-language"),
    ],
)
def test_a_bad_sign_up_makes_nothing(studio: Studio, wrong: dict[str, str], code: str) -> None:
    given = {"email": KIM, "password": GOOD, "language": "ko", **wrong}
    with pytest.raises(Refused) as caught:
        sign_up(studio, origin=None, **given)
    assert caught.value.code == code
    assert mails(studio) == []


def test_somebody_who_is_faster_by_a_moment(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: Iterator[None] = iter([None])
    known = signing._known

    def late(studio: Studio, address: str) -> User | None:
        try:
            return next(answers)
        except StopIteration:
            return known(studio, address)

    join(studio, password=OTHER)
    monkeypatch.setattr(signing, "_known", late)
    join(studio)
    assert [template for template, _ in mails(studio)] == ["confirm", "confirm"]
    assert the_user(studio).password_hash is None


def test_mails_to_one_address_are_few(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    for number in range(PER_ADDRESS_HOUR):
        join(studio, origin=f"192.0.2.{number}")
    with pytest.raises(Refused) as caught:
        join(studio, origin="198.51.100.1")
    assert caught.value.status == 429
    clock.forward(3601)
    join(studio)


def test_one_origin_makes_few_accounts(studio: Studio) -> None:
    for number in range(PER_ORIGIN_HOUR):
        join(studio, f"kim{number}@example.org", password=None, origin=HERE)
    with pytest.raises(Refused) as caught:
        join(studio, origin=HERE)
    assert caught.value.status == 429
    join(studio, origin="198.51.100.1")


def test_an_unknown_address_is_answered_like_a_wrong_password(studio: Studio) -> None:
    create_user(studio, email=KIM, password=GOOD)
    create_user(studio, email="link@example.org", password=None)
    gone = create_user(studio, email="gone@example.org", password=GOOD)
    with studio.db.session() as db:
        db.execute(update(User).where(User.id == gone.id).values(disabled_at=1.0))
    answers = [
        refused(studio, OTHER),
        refused(studio, GOOD, "lee@example.org"),
        refused(studio, GOOD, "link@example.org"),
        refused(studio, GOOD, "gone@example.org"),
        refused(studio, GOOD, "no address"),
        refused(studio, "", KIM),
        refused(studio, "\ud800", KIM),
        refused(studio, "x" * 10_000, KIM),
    ]
    assert {str(answer.to_json()) for answer in answers} == {str(answers[0].to_json())}
    assert {answer.status for answer in answers} == {401}


def test_as_much_is_computed_for_an_unknown_address(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    create_user(studio, email=KIM, password=GOOD)
    done: list[str] = []

    class Watched(PasswordHasher):
        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            done.append("hash")
            return super().hash(password, salt=salt)

        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            done.append("verify")
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "HASHER", Watched(time_cost=1, memory_cost=8, parallelism=1))
    passwords.is_right(None, "so that the hash of nobody is there")

    def work(email: str) -> list[str]:
        done.clear()
        refused(studio, OTHER, email)
        join(studio, email)
        return list(done)

    assert work(KIM) == work("lee@example.org") == ["verify", "hash", "verify"]


def test_guessing_one_password_ends_soon(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    create_user(studio, email=KIM, password=GOOD)
    create_user(studio, email="lee@example.org", password=GOOD)
    for number in range(TRIES_PER_ADDRESS):
        # From everywhere, and in every spelling.
        spelt = KIM.upper() if number % 2 else KIM
        assert refused(studio, OTHER, spelt, f"192.0.2.{number}").code == "wrong-sign-in"
    answer = refused(studio, GOOD, origin="198.51.100.1")
    assert (answer.code, answer.status) == ("too-many", 429)
    assert answer.retry_after_s is not None
    assert 0 < answer.retry_after_s <= WINDOW_S
    assert user_of_session(studio, enter(studio, email="lee@example.org")) is not None
    clock.forward(answer.retry_after_s + 1)
    assert user_of_session(studio, enter(studio)) is not None


def test_an_unknown_address_runs_into_the_limit_alike(studio: Studio) -> None:
    create_user(studio, email=KIM, password=GOOD)

    def codes(email: str) -> list[str]:
        return [refused(studio, OTHER, email).code for _ in range(TRIES_PER_ADDRESS + 1)]

    assert codes(KIM) == codes("lee@example.org")


def test_one_origin_tries_few_addresses(studio: Studio) -> None:
    create_user(studio, email=KIM, password=GOOD)
    for number in range(TRIES_PER_ORIGIN):
        assert refused(studio, GOOD, f"kim{number}@example.org", HERE).code == "wrong-sign-in"
    assert refused(studio, GOOD, KIM, HERE).code == "too-many"
    assert user_of_session(studio, enter(studio, origin="198.51.100.1")) is not None


def test_who_signs_in_often_is_never_locked_out(studio: Studio) -> None:
    create_user(studio, email=KIM, password=GOOD)
    for _ in range(TRIES_PER_ORIGIN + 2):
        enter(studio, origin=HERE)


def test_an_older_hash_is_made_anew(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    before = create_user(studio, email=KIM, password=GOOD).password_hash
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    session = enter(studio)
    after = the_user(studio).password_hash
    assert after is not None
    assert after != before
    assert "m=16,t=2" in after
    assert user_of_session(studio, session) is not None
    enter(studio)
    assert the_user(studio).password_hash == after


def test_a_password_that_changes_while_it_is_compared(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = create_user(studio, email=KIM, password=GOOD)
    compare = passwords.is_right

    def slow(password_hash: str | None, password: str) -> bool:
        right = compare(password_hash, password)
        set_password(studio, user.id, OTHER, current=GOOD)
        return right

    monkeypatch.setattr(signing, "is_right", slow)
    assert refused(studio, GOOD).code == "wrong-sign-in"
    with studio.db.session() as db:
        assert db.scalar(select(func.count()).select_from(SignedSession)) == 0


def test_an_operator_makes_accounts(studio: Studio) -> None:
    user = create_user(studio, email=" Boss@Example.org", password=GOOD, role="operator", confirmed=False)
    assert (user.email, user.role, user.confirmed_at, user.language) == (
        "boss@example.org",
        "operator",
        None,
        "en",
    )
    with pytest.raises(Refused) as caught:
        create_user(studio, email="boss@example.org", password=None)
    assert (caught.value.code, caught.value.status) == ("address-taken", 409)
    with pytest.raises(Refused) as caught:
        create_user(studio, email=KIM, password="password123")
    assert caught.value.code == "weak-password"
    assert mails(studio) == []


def test_the_language_is_changed(studio: Studio) -> None:
    user = create_user(studio, email=KIM, password=None)
    set_language(studio, user.id, "ko")
    assert the_user(studio).language == "ko"
    with pytest.raises(Refused):
        set_language(studio, user.id, "de")
    with pytest.raises(Refused) as caught:
        set_language(studio, "0" * 20, "ko")
    assert caught.value.code == "not-found"


def test_nothing_secret_is_logged(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    join(studio)
    token = last_token(studio)
    open_link(studio, token, purposes=["confirm"])
    session = enter(studio)
    refused(studio, OTHER)
    with pytest.raises(Refused):
        create_user(studio, email=KIM, password=GOOD)
    for secret in (KIM, GOOD, OTHER, token, session, the_user(studio).password_hash or ""):
        assert secret not in caplog.text
