"""What a mail says and how it is written: both languages, safe headers, nothing fetched."""

from __future__ import annotations

import re
import string
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.core import Studio
from studio.data import Mail
from studio.mail import TEMPLATES, compose, message_id
from studio.mail.errors import MailNever
from studio.mail.words import FRAME, MARKS, WORDS
from tests.stubs.studios import make_studio

NOW = 1_770_000_000.0  # 2 February 2026, 02:40 UTC
TEXTS = {"ko": "서버가 멈췄습니다.", "en": "The server stopped."}
HINTS = {"ko": "다시 시도해 주세요.", "en": "Please try again."}
PARAMS: dict[str, dict[str, Any]] = {
    "confirm": {"link": "https://s.example/l/t", "expires_at": NOW + 1800},
    "sign-in": {"link": "https://s.example/l/t", "expires_at": NOW + 1800},
    "reset": {"link": "https://s.example/l/t", "expires_at": NOW + 1800},
    "have-account": {"link": "https://s.example/sign-in"},
    "ready": {"link": "https://s.example/r/t", "count": 4, "expires_at": NOW + 7 * 86_400},
    "failed": {"message": TEXTS, "hint": HINTS},
    "account-deleted": {},
}
HANGUL = re.compile("[가-힣]")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    opened = make_studio(tmp_path_factory.mktemp("studio"), mail_from="인물사진 스튜디오 <s@studio.example>")
    yield opened
    opened.close()


def _mail(template: str, language: str = "ko", **params: Any) -> Mail:
    return Mail(
        id="0123456789abcdef0123",
        key="k",
        template=template,
        language=language,
        params={**PARAMS[template], **params},
        created_at=NOW,
    )


def _parsed(studio: Studio, mail: Mail, address: str = "kim@example.org") -> EmailMessage:
    data = compose(studio, mail, address).as_bytes()
    assert data.isascii(), "servers without 8BITMIME take it"
    parsed = message_from_bytes(data, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def _text(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_every_mail_has_both_languages_with_the_same_places_to_fill() -> None:
    fields = string.Formatter().parse
    for template in TEMPLATES:
        ko, en = WORDS["ko"][template], WORDS["en"][template]
        assert (len(ko.before), len(ko.after), bool(ko.button)) == (
            len(en.before), len(en.after), bool(en.button),
        )  # fmt: skip
        for korean, english in zip(ko.after, en.after, strict=True):
            assert {name for _, name, _, _ in fields(korean)} == {name for _, name, _, _ in fields(english)}
    assert WORDS["ko"].keys() == WORDS["en"].keys() == TEMPLATES.keys()
    assert MARKS["ko"].keys() == MARKS["en"].keys()
    assert FRAME["ko"].keys() == FRAME["en"].keys()


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("template", list(TEMPLATES))
def test_text_and_page_say_the_same_in_the_rows_language(
    studio: Studio, template: str, language: str
) -> None:
    mail = _parsed(studio, _mail(template, language))
    text, page = _text(mail), _text(mail, "html")
    assert bool(HANGUL.search(mail["Subject"] + text)) == (language == "ko")
    assert not re.search(r"[{}]|None", text)
    for line in filter(None, text.splitlines()[:-3]):
        assert line.rstrip(":") in page.replace("&#39;", "'"), line
    assert (FRAME[language]["paste"] in page) == bool(WORDS[language][template].button)
    assert FRAME[language]["footer"] in page
    assert "built-in" not in page
    link = PARAMS[template].get("link")
    assert link is None or (link in text and f'href="{link}"' in page)
    assert mail["Content-Language"] == language


def test_nothing_is_fetched_when_the_page_is_looked_at(studio: Studio) -> None:
    page = _text(_parsed(studio, _mail("ready")), "html")
    assert not re.search(r"<(img|link|script|iframe|style|video)|url\(|@import|src=", page)
    assert 'name="viewport"' in page


def test_a_korean_subject_and_sender_are_read_back(studio: Studio) -> None:
    mail = _parsed(studio, _mail("ready"))
    assert mail["Subject"] == "인물사진 4장이 완성되었습니다"
    assert mail["From"].addresses[0].display_name == "인물사진 스튜디오"
    assert mail["From"].addresses[0].addr_spec == "s@studio.example"
    assert mail["To"].addresses[0].addr_spec == "kim@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.timestamp() == pytest.approx(time.time(), abs=60)


def test_the_message_id_is_the_rows_in_every_attempt(studio: Studio) -> None:
    mail = _mail("ready")
    assert _parsed(studio, mail)["Message-ID"] == _parsed(studio, mail)["Message-ID"]
    assert message_id(studio, mail) == "<0123456789abcdef0123@studio.example>"


@pytest.mark.parametrize(
    ("language", "said"),
    [("ko", "2026년 2월 9일까지"), ("en", "until 9 February 2026 (UTC)")],
)
def test_a_long_link_is_told_by_its_last_day(studio: Studio, language: str, said: str) -> None:
    assert said in _text(_parsed(studio, _mail("ready", language)))


@pytest.mark.parametrize(("language", "said"), [("ko", "30분 동안"), ("en", "for 30 minutes")])
def test_a_short_link_is_told_in_minutes(studio: Studio, language: str, said: str) -> None:
    assert said in _text(_parsed(studio, _mail("sign-in", language)))


def test_late_at_night_in_utc_the_korean_mail_names_koreas_day(studio: Studio) -> None:
    late = NOW - NOW % 86_400 + 5 * 86_400 + 20 * 3600  # 20:00 UTC on 7 February
    assert "2026년 2월 8일까지" in _text(_parsed(studio, _mail("ready", expires_at=late)))


@pytest.mark.parametrize(
    ("language", "count", "said"), [("en", 1, "One portrait is"), ("en", 3, "3 portraits")]
)
def test_one_portrait_is_one(studio: Studio, language: str, count: int, said: str) -> None:
    assert said in _text(_parsed(studio, _mail("ready", language, count=count)))


def test_a_failure_says_what_and_what_to_do_in_the_readers_language(studio: Studio) -> None:
    for language in ("ko", "en"):
        text = _text(_parsed(studio, _mail("failed", language)))
        assert TEXTS[language] in text
        assert HINTS[language] in text
        assert "https://studio.example.org" in text, "the way back to the studio"


@pytest.mark.parametrize(
    ("chosen", "said", "unsaid"),
    [
        ({}, ["trainedAlgorithmicMedia", "끄도록"], ["C2PA", "시험용"]),
        ({"visible_mark": "off"}, ["trainedAlgorithmicMedia"], ["작은 표시"]),
        ({"visible_mark": "required"}, ["작은 표시"], ["끄도록"]),
        ({"c2pa_cert_file": Path("cert.pem")}, ["C2PA"], []),
    ],
)
def test_the_mail_says_how_the_pictures_are_marked(
    tmp_path: Path, chosen: dict[str, Any], said: list[str], unsaid: list[str]
) -> None:
    studio = make_studio(tmp_path, **chosen)
    text = _text(_parsed(studio, _mail("ready")))
    studio.close()
    assert [word for word in said if word not in text] == []
    assert [word for word in unsaid if word in text] == []


def test_pictures_of_the_sandbox_are_not_called_portraits(studio: Studio) -> None:
    assert "시험용 서버" in _text(_parsed(studio, _mail("ready", sandbox=True)))


def test_markup_in_a_parameter_stays_text(studio: Studio) -> None:
    mail = _parsed(studio, _mail("failed", "en", message={"en": "<b>&\"' {count}", "ko": ""}))
    assert "<b>&\"' {count}" in _text(mail)
    assert "&lt;b&gt;&amp;&#34;&#39; {count}" in _text(mail, "html")


def test_details_come_in_the_readers_language(studio: Studio) -> None:
    details = {"ko": ["사진 10장을 삭제했습니다."], "en": ["10 photos were deleted."]}
    text = _text(_parsed(studio, _mail("account-deleted", details=details)))
    assert "사진 10장" in text
    assert "10 photos" not in text


@pytest.mark.parametrize(
    "address",
    ["a@b.org\r\nBcc: x@y.org", "a@b.org\nX: y", "", "no-at-sign", "a b@c.org", "a@b@c.org>", "김@b.org"],
)
def test_an_address_that_is_none_makes_no_mail_and_is_not_repeated(studio: Studio, address: str) -> None:
    with pytest.raises(MailNever) as caught:
        compose(studio, _mail("ready"), address)
    assert "b.org" not in str(caught.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_parameter_becomes_a_header(studio: Studio, message: str, hint: str) -> None:
    plain = {name for name, _ in _parsed(studio, _mail("failed")).items()}
    mail = _parsed(
        studio,
        _mail("failed", message=f"{message}\r\nBcc: x@y.org", hint=hint, details={"ko": [hint, "\r\nX: y"]}),
    )
    assert {name for name, _ in mail.items()} == plain
