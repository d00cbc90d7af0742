"""What several do at once must be whole on PostgreSQL too, where writers do not wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import func, select

from studio.accounts import (
    ask_link,
    begin_session,
    create_token,
    create_user,
    limit,
    list_tokens,
    open_link,
    peek_link,
    set_password,
    sign_in,
    sign_up,
    signing,
    user_of_session,
    user_of_token,
)
from studio.accounts.api_tokens import MAX_TOKENS
from studio.core import Studio
from studio.data import Base, Link, Mail, SignedSession, User
from studio.refusals import Refused
from tests.stubs.accounts import GOOD, OTHER, last_token, open_studio
from tests.stubs.postgres import Postgres, postgres_available, start_postgres

pytestmark = pytest.mark.slow
KIM = "kim@example.org"
MANY = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    if not postgres_available():
        pytest.skip("PostgreSQL is not installed")
    started = start_postgres(tmp_path_factory.mktemp("postgres"))
    yield started
    started.stop()


@pytest.fixture
def studio(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    opened = open_studio(tmp_path, monkeypatch, confirm_email=True, database_url=server.new_database())
    yield opened
    opened.close()


def at_once(act: Callable[[int], object], times: int = MANY) -> list[bool]:
    """Whether each of some that begin in the same moment got what it asked for."""
    start = Barrier(times)

    def one(number: int) -> bool:
        start.wait()
        try:
            act(number)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def count(studio: Studio, kind: type[Base]) -> int:
    with studio.db.session() as db:
        return db.execute(select(func.count()).select_from(kind)).scalar_one()


def test_the_whole_way_in(studio: Studio) -> None:
    sign_up(studio, email="Kim@한국.kr", password=GOOD, language="ko", origin=None)
    token = last_token(studio)
    assert peek_link(studio, token) == "confirm"
    user, session = open_link(studio, token, purposes=["confirm"])
    assert user.email == "kim@xn--3e0b707e.kr"
    assert user_of_session(studio, session) is not None
    assert (
        user_of_session(studio, sign_in(studio, email="kim@한국.kr", password=GOOD, origin=None)) is not None
    )
    _, text = create_token(studio, user.id, "전화\0기", 3)
    assert user_of_token(studio, text) is not None
    assert [row.name for row in list_tokens(studio, user.id)] == ["전화 기"]
    for odd in ("\0", "kim\0@example.org", "\ud800"):
        with pytest.raises(Refused):
            sign_in(studio, email=odd, password=odd, origin=odd)
        assert user_of_session(studio, odd) is None
        assert user_of_token(studio, odd) is None
        assert peek_link(studio, odd) is None


def test_of_many_who_open_a_link_at_once_one_gets_in(studio: Studio) -> None:
    create_user(studio, email=KIM, password=GOOD)
    ask_link(studio, email=KIM, purpose="sign-in", origin=None)
    token = last_token(studio)
    assert at_once(lambda _: open_link(studio, token, purposes=["sign-in"])).count(True) == 1
    assert count(studio, SignedSession) == 1


def test_many_tries_at_once_are_counted(studio: Studio) -> None:
    assert at_once(lambda _: limit(studio, "upload", "kim", times=5, per_s=60)).count(True) == 5


def test_many_guesses_at_once_are_no_way_around_the_limit(studio: Studio) -> None:
    create_user(studio, email=KIM, password=GOOD)
    guess = [*[OTHER] * signing.TRIES_PER_ADDRESS, GOOD]
    for wrong in guess[:-1]:
        with pytest.raises(Refused):
            sign_in(studio, email=KIM, password=wrong, origin=None)
    assert not any(at_once(lambda _: sign_in(studio, email=KIM, password=GOOD, origin=None)))


def test_one_address_makes_one_account(studio: Studio) -> None:
    results = at_once(lambda _: sign_up(studio, email=KIM, password=GOOD, language="ko", origin=None), 4)
    assert results == [True] * 4
    assert count(studio, User) == 1
    assert count(studio, Link) == count(studio, Mail) == 4
    # Who lost the race may not know that the password is the same; the link works in any case.
    open_link(studio, last_token(studio), purposes=["confirm"])
    assert count(studio, Link) == 1


def test_of_two_changes_at_once_one_counts(studio: Studio) -> None:
    user = create_user(studio, email=KIM, password=GOOD)
    changed = at_once(lambda number: set_password(studio, user.id, f"{OTHER} {number}", current=GOOD), 4)
    assert changed.count(True) == 1
    assert sign_in(studio, email=KIM, password=f"{OTHER} {changed.index(True)}", origin=None)


def test_no_session_outlives_the_password_it_was_begun_with(studio: Studio) -> None:
    """Sign-ins and a change of the password in one moment: whichever comes first, no old session is left."""
    user = create_user(studio, email=KIM, password=GOOD)
    passwords = [GOOD, OTHER]
    for number in range(5):
        old, new = passwords[number % 2], passwords[1 - number % 2]

        def act(turn: int, old: str = old, new: str = new) -> None:
            if turn == 0:
                set_password(studio, user.id, new, current=old)
            else:
                sign_in(studio, email=KIM, password=old, origin=None)

        assert at_once(act, 4)[0]
        assert count(studio, SignedSession) == 0


def test_tokens_stay_few(studio: Studio) -> None:
    user = create_user(studio, email=KIM, password=GOOD)
    for number in range(MAX_TOKENS - 2):
        create_token(studio, user.id, f"number {number}", None)
    made = at_once(lambda number: create_token(studio, user.id, f"at once {number}", None))
    assert made.count(True) <= 2
    assert len(list_tokens(studio, user.id)) <= MAX_TOKENS


def test_a_session_survives_the_database_being_away(studio: Studio, server: Postgres) -> None:
    user = create_user(studio, email=KIM, password=GOOD)
    token = begin_session(studio, user.id)
    assert server.kill_connections() > 0
    found = user_of_session(studio, token)
    assert found is not None
    server.restart()
    found = user_of_session(studio, token)
    assert found is not None
    assert found.id == user.id
