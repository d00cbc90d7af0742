"""Mails on a real SMTP server: verified TLS, passwords, its moods, and processes that die in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from studio.core import Studio
from studio.data import Mail
from studio.errors import BadInput
from studio.mail import check_mail_settings, deliver_due, post
from studio.mail import outbox as rows
from studio.mail.smtp import our_name
from studio.service_settings import load_settings
from tests.stubs.smtp import PASSWORD, USERNAME, Certificate, SmtpStub, make_certificate, wait_for
from tests.stubs.studios import make_studio, make_user

LINK = "https://studio.example.org/r/secret-token"
Open = Callable[..., Studio]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server() -> Iterator[SmtpStub]:
    stub = SmtpStub()
    yield stub
    stub.stop()


@pytest.fixture
def open_studio(tmp_path: Path) -> Iterator[Open]:
    opened: list[Studio] = []

    def make(server: SmtpStub, **settings: Any) -> Studio:
        chosen = {"smtp_host": server.host, "smtp_port": server.port, "smtp_security": "none", **settings}
        opened.append(make_studio(tmp_path / str(len(opened)), **chosen))
        return opened[-1]

    yield make
    for studio in opened:
        studio.close()


def _post(studio: Studio, *keys: str, email: str = "kim@example.org") -> None:
    user = make_user(studio, email)
    for key in keys:
        post(studio, key=key, user=user, template="ready", params={"link": LINK, "count": 4})


def _rows(studio: Studio) -> dict[str, Mail]:
    with studio.db.session() as db:
        return {mail.key: mail for mail in db.scalars(select(Mail))}


def _later(studio: Studio, **values: Any) -> None:
    """As if time had passed."""
    with studio.db.session() as db:
        db.execute(update(Mail).values(**values))


def test_several_mails_go_through_one_connection(server: SmtpStub, open_studio: Open) -> None:
    studio = open_studio(server)
    _post(studio, "1", "2", "3")
    assert deliver_due(studio) == 3
    mails = server.postbox.mails
    assert [mail["Subject"] for mail in mails] == ["인물사진 4장이 완성되었습니다"] * 3
    assert server.postbox.envelopes[0].rcpt_tos == ["kim@example.org"]
    assert server.postbox.envelopes[0].mail_from == "studio@localhost"
    body = mails[0].get_body(("plain",))
    assert body is not None
    assert LINK in body.get_content()
    assert {mail.state for mail in _rows(studio).values()} == {"sent"}
    assert deliver_due(studio) == 0


def test_a_line_that_begins_with_a_dot_arrives_whole(server: SmtpStub, open_studio: Open) -> None:
    studio = open_studio(server)
    message = ".\n..two\n. three"
    user = make_user(studio, language="en")
    post(studio, key="k", user=user, template="failed", params={"message": {"en": message}})
    assert deliver_due(studio) == 1
    body = server.postbox.mails[0].get_body(("plain",))
    assert body is not None
    assert message in body.get_content().replace("\r\n", "\n")


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_with_the_right_authority_and_password_it_is_sent_encrypted(
    security: str, certificate: Certificate, open_studio: Open
) -> None:
    server = SmtpStub(security, certificate=certificate, login=True)
    studio = open_studio(
        server,
        smtp_security=security,
        smtp_ca_file=certificate.authority,
        smtp_username=USERNAME,
        smtp_password=SecretStr(PASSWORD),
    )
    _post(studio, "1")
    try:
        assert deliver_due(studio) == 1
    finally:
        server.stop()
    assert server.postbox.logins == [(USERNAME, PASSWORD)]
    assert server.postbox.secure == [True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("wrong", ["authority", "host"])
def test_a_certificate_that_cannot_be_verified_gets_no_mail_and_no_password(
    security: str, wrong: str, certificate: Certificate, tmp_path: Path, open_studio: Open
) -> None:
    used = certificate
    if wrong == "host":
        used = make_certificate(tmp_path, host="mail.example.org")
    server = SmtpStub(security, certificate=used, login=True)
    authority = used.authority if wrong == "host" else make_certificate(tmp_path, name="other").authority
    studio = open_studio(
        server,
        smtp_security=security,
        smtp_ca_file=authority,
        smtp_username=USERNAME,
        smtp_password=SecretStr(PASSWORD),
    )
    _post(studio, "1")
    try:
        assert deliver_due(studio) == 0
    finally:
        server.stop()
    assert server.postbox.logins == []
    assert server.postbox.said == []
    row = _rows(studio)["1"]
    assert row.state == "waiting"
    assert "certificate verify failed" in row.last_error


def test_a_server_without_starttls_gets_nothing(server: SmtpStub, open_studio: Open) -> None:
    studio = open_studio(server, smtp_security="starttls")
    _post(studio, "1")
    assert deliver_due(studio) == 0
    assert server.postbox.said == []
    assert "STARTTLS" in _rows(studio)["1"].last_error


def test_a_wrong_password_lets_all_wait_and_is_not_repeated(
    certificate: Certificate, open_studio: Open, caplog: pytest.LogCaptureFixture
) -> None:
    server = SmtpStub("starttls", certificate=certificate, login=True)
    studio = open_studio(
        server,
        smtp_security="starttls",
        smtp_ca_file=certificate.authority,
        smtp_username=USERNAME,
        smtp_password=SecretStr("another password"),
    )
    _post(studio, "1", "2")
    try:
        assert deliver_due(studio) == 0
        assert deliver_due(studio) == 0
    finally:
        server.stop()
    assert len(set(server.postbox.logins)) == 1, "the second mail does not try the door again"
    states = _rows(studio)
    assert {mail.state for mail in states.values()} == {"waiting"}
    assert any("535" in mail.last_error for mail in states.values())
    assert "another password" not in caplog.text


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_not_now_is_tried_again_later_under_the_same_id(
    command: str, server: SmtpStub, open_studio: Open
) -> None:
    studio = open_studio(server)
    _post(studio, "1")
    server.postbox.answers[command] = ["451 4.3.0 kim@example.org is greylisted, try later"]
    assert deliver_due(studio) == 0
    row = _rows(studio)["1"]
    assert (row.state, row.attempts, row.data_at) == ("waiting", 1, None)
    assert row.params["link"] == LINK
    assert row.next_at == pytest.approx(time.time() + 60, abs=20)
    assert "451 4.3.0 (address)" in row.last_error
    assert deliver_due(studio) == 0, "not before its time"
    _later(studio, next_at=0.0)
    assert deliver_due(studio) == 1
    assert server.postbox.mails[0]["Message-ID"] == f"<{row.id}@localhost>"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_never_is_final_and_says_why_without_the_address(
    command: str, server: SmtpStub, open_studio: Open, caplog: pytest.LogCaptureFixture
) -> None:
    studio = open_studio(server)
    _post(studio, "1", "2")
    server.postbox.answers[command] = ["550 5.1.1 <kim@example.org>: user Kim unknown"]
    assert deliver_due(studio) == 1, "the next mail is sent all the same"
    states = _rows(studio)
    failed = next(mail for mail in states.values() if mail.state == "failed")
    assert "550 5.1.1 <(address)>: user (address) unknown" in failed.last_error
    assert failed.params == {}
    assert "kim" not in caplog.text.lower()


def test_pauses_grow_and_after_a_day_it_is_given_up(server: SmtpStub, open_studio: Open) -> None:
    studio = open_studio(server)
    _post(studio, "1")
    pauses = []
    for _ in range(4):
        server.postbox.answers["RCPT"] = ["450 4.2.1 busy"]
        deliver_due(studio)
        pauses.append(round(_rows(studio)["1"].next_at - time.time(), -1))
        _later(studio, next_at=0.0)
    assert pauses == [60, 120, 300, 600]
    _later(studio, created_at=time.time() - 24 * 3600)
    server.postbox.answers["RCPT"] = ["450 4.2.1 busy"]
    deliver_due(studio)
    row = _rows(studio)["1"]
    assert row.state == "failed"
    assert "Given up after 5 attempts" in row.last_error
    assert "450 4.2.1 busy" in row.last_error


def test_a_server_that_is_not_there_lets_all_wait(server: SmtpStub, open_studio: Open) -> None:
    studio = open_studio(server)
    server.stop()
    _post(studio, "1", "2")
    assert deliver_due(studio) == 0
    states = _rows(studio)
    assert sorted(mail.attempts for mail in states.values()) == [0, 1]
    assert {mail.state for mail in states.values()} == {"waiting"}
    assert rows.due(studio, 10) == []


def test_a_connection_that_breaks_after_the_mail_is_unclear_and_never_sent_again(
    server: SmtpStub, open_studio: Open
) -> None:
    studio = open_studio(server)
    server.postbox.drop_after_data = True
    _post(studio, "1")
    assert deliver_due(studio) == 0
    row = _rows(studio)["1"]
    assert (row.state, row.params) == ("unclear", {})
    _later(studio, next_at=0.0, claimed_at=0.0)
    server.postbox.drop_after_data = False
    assert deliver_due(studio) == 0
    assert len(server.postbox.envelopes) == 1


CHILD = """
import sys
from studio.core import Studio
from studio.mail import deliver_due
from studio.service_settings import load_settings
studio = Studio.open(load_settings(), public_url="https://studio.example.org", migrate=False)
print("ready", flush=True)
sys.stdin.readline()
while deliver_due(studio, limit=2):
    pass
"""


@pytest.fixture
def start(server: SmtpStub, open_studio: Open) -> Iterator[Callable[[Studio], subprocess.Popen[str]]]:
    children: list[subprocess.Popen[str]] = []

    def begin(studio: Studio) -> subprocess.Popen[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SDWEBUI_")},
            "SDWEBUI_DATA_DIR": str(studio.layout.root),
            "SDWEBUI_SMTP_HOST": server.host,
            "SDWEBUI_SMTP_PORT": str(server.port),
            "SDWEBUI_SMTP_SECURITY": "none",
        }
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            env=environment,
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield begin
    for child in children:
        child.kill()
        child.communicate()


def _go(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("\n")
    child.stdin.flush()


@pytest.mark.slow
@pytest.mark.parametrize(("held", "state", "arrive"), [("RCPT", "sent", 1), ("DATA", "unclear", 0)])
def test_a_process_killed_in_the_middle_sends_nothing_twice(
    held: str,
    state: str,
    arrive: int,
    server: SmtpStub,
    open_studio: Open,
    start: Callable[[Studio], subprocess.Popen[str]],
) -> None:
    studio = open_studio(server)
    _post(studio, "1")
    server.postbox.hold_at = held
    child = start(studio)
    _go(child)
    wait_for(server.postbox.held)
    child.kill()
    child.wait()
    server.postbox.hold_at = None
    assert _rows(studio)["1"].state == "sending"
    assert deliver_due(studio) == 0, "it may be alive"
    _later(studio, claimed_at=time.time() - rows.CLAIM_S - 1)
    assert deliver_due(studio) == arrive
    assert _rows(studio)["1"].state == state
    assert len(server.postbox.envelopes) == arrive


@pytest.mark.slow
def test_two_processes_at_once_send_each_mail_once(
    server: SmtpStub, open_studio: Open, start: Callable[[Studio], subprocess.Popen[str]]
) -> None:
    studio = open_studio(server)
    _post(studio, *(str(number) for number in range(12)))
    children = [start(studio), start(studio)]
    for child in children:
        _go(child)
    while deliver_due(studio, limit=2):
        pass
    for child in children:
        assert child.wait(timeout=60) == 0
    arrived = Counter(mail["Message-ID"] for mail in server.postbox.mails)
    assert len(arrived) == 12
    assert set(arrived.values()) == {1}
    assert {mail.state for mail in _rows(studio).values()} == {"sent"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mail_from": "nobody"}, "MAIL_FROM"),
        ({"smtp_host": "mail.example.org", "smtp_security": "none"}, "this machine only"),
        ({"smtp_host": "m.example.org", "smtp_username": "u"}, "SMTP_PASSWORD"),
        ({"smtp_host": "m.example.org", "smtp_ca_file": Path("/nowhere.pem")}, "CA_FILE"),
    ],
)
def test_settings_that_cannot_send_are_told_at_start(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        check_mail_settings(load_settings(**settings))


def test_good_settings_are_good() -> None:
    check_mail_settings(load_settings())
    check_mail_settings(load_settings(smtp_host="localhost", smtp_security="none"))
    check_mail_settings(load_settings(smtp_host="mail.example.org"))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://studio.example.org:8443/x", "studio.example.org"),
        ("http://127.0.0.1:8000", "[127.0.0.1]"),
        ("http://[::1]:8000", "[IPv6:::1]"),
        ("https://사진.example", "xn--vf4bi0o.example"),
    ],
)
def test_we_name_ourselves_as_the_studio(url: str, name: str) -> None:
    assert our_name(url) == name
