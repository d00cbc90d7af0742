"""The rows of mails: one a key, one claim a time, and what becomes of a claim whose process died."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from studio.core import Studio
from studio.data import Mail, User
from studio.mail import deliver_due, erase_mails, outbox_file, post
from studio.mail import outbox as rows
from studio.mail.errors import ClaimLost
from tests.stubs.studios import make_studio, make_user

LINK = "https://studio.example.org/r/secret-token"


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = make_studio(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def user(studio: Studio) -> User:
    return make_user(studio)


def _post(studio: Studio, user: User, key: str = "job:1:ready", **params: Any) -> Mail:
    return post(
        studio, key=key, user=user, template="ready", params={"link": LINK, "count": 4, **params}, job_id="1"
    )


def _row(studio: Studio, mail: Mail) -> Mail:
    with studio.db.session() as db:
        found = db.get(Mail, mail.id)
    assert found is not None
    return found


def _change(studio: Studio, mail: Mail, **values: Any) -> None:
    with studio.db.session() as db:
        db.execute(update(Mail).where(Mail.id == mail.id).values(**values))


def _claimed(studio: Studio, mail: Mail) -> Mail:
    claimed = rows.claim(studio, mail.id)
    assert claimed is not None
    return claimed


def test_a_second_mail_of_the_same_key_is_the_first(studio: Studio, user: User) -> None:
    first, second = _post(studio, user), _post(studio, user, count=9)
    assert second.id == first.id
    assert second.params["count"] == 4


def test_a_mail_of_a_transaction_that_is_undone_was_never_asked_for(studio: Studio, user: User) -> None:
    def undone() -> None:
        with studio.db.session() as db:
            post(studio, key="k", user=user, template="account-deleted", params={}, db=db)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        undone()
    assert rows.due(studio, 10) == []


@pytest.mark.parametrize(
    ("template", "params", "said"),
    [
        ("hello", {}, "there is no mail"),
        ("ready", {"link": LINK}, "needs count"),
        ("confirm", {"link": "javascript:alert(1)"}, "no web address"),
    ],
)
def test_what_cannot_become_a_mail_is_said_when_it_is_posted(
    studio: Studio, user: User, template: str, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        post(studio, key="k", user=user, template=template, params=params)
    assert rows.due(studio, 10) == []


def test_of_many_who_claim_a_mail_one_gets_it(studio: Studio, user: User) -> None:
    mail = _post(studio, user)
    got: list[Mail | None] = []
    start = threading.Barrier(6)

    def claim() -> None:
        start.wait()
        got.append(rows.claim(studio, mail.id))

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(claimed is not None for claimed in got) == 1
    assert _row(studio, mail).attempts == 1


def test_a_claim_that_died_before_the_server_had_it_waits_again(studio: Studio, user: User) -> None:
    mail = _claimed(studio, _post(studio, user))
    assert rows.take_over(studio) == ([], []), "a claim is left alone while it may be alive"
    _change(studio, mail, claimed_at=time.time() - rows.CLAIM_S - 1)
    assert rows.take_over(studio) == ([mail.id], [])
    assert _row(studio, mail).state == "waiting"


def test_a_claim_that_died_with_the_server_is_unclear_and_never_sent_again(
    studio: Studio, user: User, caplog: pytest.LogCaptureFixture
) -> None:
    mail = _claimed(studio, _post(studio, user))
    rows.begin_data(studio, mail)
    _change(studio, mail, claimed_at=time.time() - rows.CLAIM_S - 1)
    assert deliver_due(studio) == 0
    row = _row(studio, mail)
    assert (row.state, row.params) == ("unclear", {})
    assert row.last_error
    assert f"unclear: {mail.id}" in caplog.text, "an operator sees which"
    assert deliver_due(studio) == 0
    assert list(studio.layout.outbox.iterdir()) == []


def test_who_lost_the_claim_may_not_give_the_mail_to_the_server(studio: Studio, user: User) -> None:
    slow = _claimed(studio, _post(studio, user))
    _change(studio, slow, claimed_at=time.time() - rows.CLAIM_S - 1)
    rows.take_over(studio)
    other = _claimed(studio, slow)
    with pytest.raises(ClaimLost):
        rows.begin_data(studio, slow)
    rows.begin_data(studio, other)
    rows.finish(studio, other, "sent")
    with pytest.raises(ClaimLost):
        rows.put_back(studio, slow, wait_s=1, error="")
    assert _row(studio, slow).state == "sent"


def test_a_slow_process_clears_up_what_was_thought_unclear(studio: Studio, user: User) -> None:
    slow = _claimed(studio, _post(studio, user))
    rows.begin_data(studio, slow)
    _change(studio, slow, claimed_at=time.time() - rows.CLAIM_S - 1)
    assert rows.take_over(studio) == ([], [slow.id])
    rows.finish(studio, slow, "sent")
    assert _row(studio, slow).state == "sent"


def test_without_a_server_a_mail_becomes_a_file_and_that_is_said(
    studio: Studio, user: User, caplog: pytest.LogCaptureFixture
) -> None:
    mail = _post(studio, user)
    assert deliver_due(studio) == 1
    path = outbox_file(studio, mail.id)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "SDWEBUI_SMTP_HOST" in caplog.text
    assert str(path) in caplog.text
    row = _row(studio, mail)
    assert (row.state, row.params, row.last_error) == ("sent", {}, "")
    assert row.sent_at == pytest.approx(time.time(), abs=60)
    assert deliver_due(studio) == 0


def test_the_log_holds_no_link_and_no_address(
    studio: Studio, user: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    _post(studio, user)
    deliver_due(studio)
    assert "secret-token" not in caplog.text
    assert "kim" not in caplog.text


def test_a_link_that_has_expired_is_not_sent(studio: Studio, user: User) -> None:
    mail = _post(studio, user, expires_at=time.time() - 1)
    assert deliver_due(studio) == 0
    row = _row(studio, mail)
    assert (row.state, row.params) == ("failed", {})
    assert "expired" in row.last_error


def test_a_mail_that_cannot_be_written_does_not_stop_the_others(studio: Studio, user: User) -> None:
    bad = _post(studio, user, key="bad")
    _change(studio, bad, params={"count": "not a number"})
    good = _post(studio, user, key="good")
    assert deliver_due(studio) == 1
    assert _row(studio, bad).state == "failed"
    assert _row(studio, good).state == "sent"


def test_an_outbox_that_cannot_be_written_lets_all_mails_wait(studio: Studio, user: User) -> None:
    first, second = _post(studio, user, key="1"), _post(studio, user, key="2")
    studio.layout.outbox.rmdir()
    assert deliver_due(studio) == 0
    assert [_row(studio, mail).state for mail in (first, second)] == ["waiting", "waiting"]
    assert rows.due(studio, 10) == [], "nothing is tried again at once"
    studio.layout.outbox.mkdir()
    for mail in (first, second):
        _change(studio, mail, next_at=0.0)
    assert deliver_due(studio) == 2


def test_the_last_mail_of_an_account_outlives_it_without_its_address(studio: Studio, user: User) -> None:
    kept = _post(studio, user)
    last = post(studio, key="gone", user=user, template="account-deleted", params={})
    with studio.db.session() as db:
        db.delete(db.get(User, user.id))
    with studio.db.session() as db:
        assert db.get(Mail, kept.id) is None
    assert _row(studio, last).address == "kim@example.org"
    assert deliver_due(studio) == 1
    assert _row(studio, last).address is None
    assert b"To: kim@example.org" in outbox_file(studio, last.id).read_bytes()


def test_erasing_a_users_mails_takes_files_and_rows(studio: Studio, user: User) -> None:
    mine = _post(studio, user)
    other = _post(studio, make_user(studio, "lee@example.org"), key="other")
    assert deliver_due(studio) == 2
    assert erase_mails(studio, user.id) == 1
    assert not outbox_file(studio, mine.id).exists()
    assert outbox_file(studio, other.id).exists()
    with studio.db.session() as db:
        assert db.get(Mail, mine.id) is None
