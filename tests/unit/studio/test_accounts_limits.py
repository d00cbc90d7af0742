from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from studio.accounts import limit
from studio.accounts.limits import UNKNOWN_TIMES, forgive, forgive_origin, limit_origin, origin_of
from studio.core import Studio
from studio.data import Attempt
from studio.refusals import Refused
from tests.stubs.accounts import Clock, open_studio


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    opened = open_studio(tmp_path, monkeypatch)
    yield opened
    opened.close()


def attempts(studio: Studio) -> list[Attempt]:
    with studio.db.session() as db:
        return list(db.scalars(select(Attempt)))


def passed(studio: Studio, who: str = "kim", times: int = 3) -> bool:
    try:
        limit(studio, "upload", who, times=times, per_s=60)
    except Refused:
        return False
    return True


def test_the_next_one_is_refused_until_the_oldest_is_forgotten(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    assert passed(studio)
    clock.forward(30)
    assert passed(studio)
    assert passed(studio)
    with pytest.raises(Refused) as caught:
        limit(studio, "upload", "kim", times=3, per_s=60)
    assert (caught.value.code, caught.value.status) == ("too-many", 429)
    assert caught.value.retry_after_s == pytest.approx(30, abs=2)
    assert "1 minute" in caught.value.hints["en"]
    assert "1분" in caught.value.hints["ko"]
    clock.forward(caught.value.retry_after_s + 1)
    assert passed(studio)
    assert not passed(studio)


def test_refused_tries_do_not_count(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert passed(studio, times=1)
    for _ in range(3):
        clock.forward(19)
        assert not passed(studio, times=1)
    assert len(attempts(studio)) == 1
    clock.forward(4)
    assert passed(studio, times=1)


def test_everybody_and_everything_is_counted_apart(studio: Studio) -> None:
    assert passed(studio, "kim", times=1)
    assert passed(studio, "lee", times=1)
    limit(studio, "download", "kim", times=1, per_s=60)
    # Where one name ends and the next begins is part of it.
    limit(studio, "downloadk", "im", times=1, per_s=60)
    assert not passed(studio, "kim", times=1)


def test_nothing_of_a_person_is_kept(studio: Studio) -> None:
    limit(studio, "sign-in", "kim@example.org", times=1, per_s=60)
    (row,) = attempts(studio)
    assert len(row.key) == 64
    assert int(row.key, 16)
    other = Studio(studio.settings, studio.layout, studio.db, "x" * 40, studio.public_url)
    limit(other, "sign-in", "kim@example.org", times=1, per_s=60)
    assert len({row.key for row in attempts(studio)}) == 2


def test_many_at_once_get_no_more_than_one_after_the_other(studio: Studio) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: passed(studio, times=5), range(24)))
    assert results.count(True) == 5


def test_what_went_well_is_forgiven(studio: Studio) -> None:
    assert passed(studio, times=1)
    forgive(studio, "upload", "kim")
    assert passed(studio, times=1)


def test_of_an_origin_only_the_good_try_is_forgiven(studio: Studio) -> None:
    for _ in range(3):
        limit_origin(studio, "sign-in", "192.0.2.7", times=3, per_s=60)
    forgive_origin(studio, "sign-in", "192.0.2.7")
    limit_origin(studio, "sign-in", "192.0.2.7", times=3, per_s=60)
    with pytest.raises(Refused):
        limit_origin(studio, "sign-in", "192.0.2.7", times=3, per_s=60)


def test_requests_of_unknown_origin_share_a_wide_count(studio: Studio) -> None:
    for _ in range(2 * UNKNOWN_TIMES):
        limit_origin(studio, "sign-in", None, times=2, per_s=60)
    with pytest.raises(Refused):
        limit_origin(studio, "sign-in", "", times=2, per_s=60)
    limit_origin(studio, "sign-in", "192.0.2.7", times=2, per_s=60)


@pytest.mark.parametrize(
    ("origin", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        (None, "unknown"),
        ("", "unknown"),
        ("x" * 5000, "x" * 100),
    ],
)
def test_whom_an_origin_stands_for(origin: str | None, counted: str) -> None:
    assert origin_of(origin) == counted
