"""Mails whose rows lie in PostgreSQL: claimed by many at once, and with the database's connections cut."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from studio.core import Studio
from studio.data import Mail
from studio.mail import deliver_due, post
from tests.stubs.postgres import Postgres, postgres_available, start_postgres
from tests.stubs.smtp import SmtpStub, wait_for
from tests.stubs.studios import make_studio, make_user

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not postgres_available(), reason="PostgreSQL is not installed"),
]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    started = start_postgres(tmp_path_factory.mktemp("postgres"))
    yield started
    started.stop()


@pytest.fixture
def server() -> Iterator[SmtpStub]:
    stub = SmtpStub()
    yield stub
    stub.stop()


@pytest.fixture
def studio(tmp_path: Path, postgres: Postgres, server: SmtpStub) -> Iterator[Studio]:
    opened = make_studio(
        tmp_path,
        database_url=SecretStr(postgres.new_database()),
        smtp_host=server.host,
        smtp_port=server.port,
        smtp_security="none",
    )
    yield opened
    opened.close()


def _post(studio: Studio, count: int) -> None:
    user = make_user(studio)
    link = "https://studio.example.org/r/secret-token"
    for number in range(count):
        for _ in range(2):
            post(studio, key=f"{number}", user=user, template="ready", params={"link": link, "count": number})


def _states(studio: Studio) -> Counter[str]:
    with studio.db.session() as db:
        return Counter(db.scalars(select(Mail.state)))


def test_many_at_once_send_each_mail_once(studio: Studio, server: SmtpStub) -> None:
    _post(studio, 20)
    start = threading.Barrier(4)

    def send() -> None:
        start.wait()
        while deliver_due(studio, limit=3):
            pass

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while deliver_due(studio):
        pass
    arrived = Counter(mail["Message-ID"] for mail in server.postbox.mails)
    assert len(arrived) == 20
    assert set(arrived.values()) == {1}
    assert _states(studio) == {"sent": 20}


def test_a_mail_the_server_took_while_the_database_was_gone_is_sent(
    studio: Studio, server: SmtpStub, postgres: Postgres
) -> None:
    _post(studio, 1)
    server.postbox.hold_at = "DATA"
    sender = threading.Thread(target=deliver_due, args=(studio,))
    sender.start()
    wait_for(server.postbox.held)
    assert postgres.kill_connections() > 0
    server.postbox.go_on.set()
    sender.join()
    assert _states(studio) == {"sent": 1}
    assert deliver_due(studio) == 0
    assert len(server.postbox.envelopes) == 1
