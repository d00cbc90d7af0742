"""Forms without JavaScript: signing up, in and out, mailed links, the account, leaving for good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import meta
from starlette.testclient import TestClient

from studio.accounts import create_user, list_tokens, user_of_session
from studio.data import Receipt, User
from studio.web import words
from studio.web.pages import TEMPLATES, environment
from studio.web.receipts import receipt_lines
from tests.stubs.accounts import CHEAP, GOOD, OTHER, last_token, mails
from tests.stubs.seeded import add
from tests.stubs.web import Site

ADDRESS = "Jimin@Example.org"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.accounts import passwords

    monkeypatch.setattr(passwords, "HASHER", CHEAP)


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A studio of its own for each test, with the settings the test asks for."""
    opened = Site.open(tmp_path, **getattr(request, "param", {}))
    yield opened
    opened.studio.close()


def session_of(client: TestClient) -> str | None:
    """The browser's session token."""
    return client.cookies.get("studio_session")


def csrf_in(text: str) -> str:
    """The token of a page's first form."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', text)
    assert found
    return found[1]


def join(site: Site, *, password: str = GOOD) -> TestClient:
    """Sign up; without mails that are sent, one is signed in at once."""
    client = site.stranger()
    answer = client.post("/sign-up", data={"email": ADDRESS, "password": password})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    return client


def test_sign_up_and_in_and_out(site: Site) -> None:
    client = join(site)
    user = user_of_session(site.studio, session_of(client))
    assert user is not None
    assert user.email == "jimin@example.org"
    assert client.get("/").headers["location"] == "/account"
    page = client.get("/account")
    assert client.post("/sign-out", data={"csrf": csrf_in(page.text)}).headers["location"] == "/"
    assert session_of(client) is None
    assert client.get("/account").headers["location"].startswith("/sign-in")
    wrong = client.post("/sign-in", data={"email": ADDRESS, "password": "wrong wrong"})
    assert wrong.status_code == 401
    assert 'role="alert"' in wrong.text
    assert 'value="Jimin@Example.org"' in wrong.text
    assert "wrong wrong" not in wrong.text
    right = client.post("/sign-in", data={"email": ADDRESS, "password": GOOD, "next": "/account"})
    assert right.headers["location"] == "/account"


def test_the_cookie_is_kept_from_scripts_and_other_sites(site: Site) -> None:
    answer = site.stranger().post("/sign-up", data={"email": ADDRESS, "password": GOOD})
    cookie = answer.headers["set-cookie"].lower()
    assert "studio_session=" in cookie
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" in cookie


def test_a_session_from_before_is_ended(site: Site) -> None:
    client = join(site)
    before = session_of(client)
    client.post("/sign-in", data={"email": ADDRESS, "password": GOOD})
    assert session_of(client) != before
    assert user_of_session(site.studio, before) is None


@pytest.mark.parametrize("site", [{"smtp_host": "mail.example.org"}], indirect=True)
def test_sign_up_tells_nobody_whether_there_is_an_account(site: Site) -> None:
    first = site.stranger().post("/sign-up", data={"email": ADDRESS, "password": GOOD})
    link = last_token(site.studio)
    assert site.stranger().post(f"/link/{link}").status_code == 303
    second = site.stranger().post("/sign-up", data={"email": ADDRESS, "password": OTHER})
    assert (first.status_code, first.text) == (second.status_code, second.text)
    assert "set-cookie" not in first.headers
    assert [template for template, _ in mails(site.studio)] == ["confirm", "have-account"]


def test_a_mailed_link_is_used_by_the_button_only(site: Site) -> None:
    join(site)
    browser = site.stranger()
    assert browser.post("/sign-in/link", data={"email": ADDRESS}).status_code == 200
    link = f"/link/{last_token(site.studio)}"
    for _ in range(3):
        page = browser.get(link)
        assert page.status_code == 200
        assert '<form method="post"' in page.text
        assert session_of(browser) is None
    assert browser.post(link).headers["location"] == "/"
    assert session_of(browser)
    assert browser.get(link).status_code == 410
    assert site.stranger().post(link).status_code == 410


def test_a_forgotten_password_is_set_anew(site: Site) -> None:
    create_user(site.studio, email=ADDRESS, password=GOOD)
    first, browser = site.stranger(), site.stranger()
    first.post("/sign-in", data={"email": ADDRESS, "password": GOOD})
    browser.post("/forgot", data={"email": ADDRESS})
    answer = browser.post(f"/link/{last_token(site.studio)}")
    assert answer.headers["location"] == "/new-password"
    csrf = csrf_in(browser.get("/new-password").text)
    weak = browser.post("/new-password", data={"new": "short", "csrf": csrf})
    assert weak.status_code == 400
    assert browser.post("/new-password", data={"new": OTHER, "csrf": csrf}).headers["location"] == "/"
    assert user_of_session(site.studio, session_of(first)) is None, "others are signed out"
    assert browser.post("/sign-in", data={"email": ADDRESS, "password": OTHER}).status_code == 303
    # The link was good for one password.
    csrf = csrf_in(browser.get("/new-password").text)
    assert browser.post("/new-password", data={"new": GOOD, "csrf": csrf}).status_code == 403


def test_forgot_says_the_same_for_unknown_addresses(site: Site) -> None:
    join(site)
    known = site.stranger().post("/forgot", data={"email": ADDRESS})
    unknown = site.stranger().post("/forgot", data={"email": "nobody@example.org"})
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)


def test_too_many_tries_are_told_when_to_come_back(site: Site) -> None:
    client = site.stranger()
    for _ in range(11):
        answer = client.post("/sign-in", data={"email": ADDRESS, "password": "wrong wrong"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("site", [{"sign_up": "closed"}], indirect=True)
def test_a_closed_studio_has_no_form(site: Site) -> None:
    assert "<form" not in site.stranger().get("/sign-up").text
    assert site.stranger().post("/sign-up", data={"email": ADDRESS, "password": GOOD}).status_code == 403
    assert "/sign-up" not in site.stranger().get("/").text


def test_account_language_and_password(site: Site) -> None:
    client = join(site)
    page = client.get("/account")
    csrf = csrf_in(page.text)
    assert 'lang="en"' in page.text
    answer = client.post("/account/language", data={"language": "ko", "csrf": csrf})
    saved = client.get(answer.headers["location"])
    assert "저장했습니다" in saved.text
    assert client.post("/account/language", data={"language": "fr", "csrf": csrf}).status_code == 400
    wrong = client.post("/account/password", data={"current": "no no no no", "new": OTHER, "csrf": csrf})
    assert wrong.status_code == 403
    assert "현재 비밀번호가 맞지 않습니다" in wrong.text
    right = client.post("/account/password", data={"current": GOOD, "new": OTHER, "csrf": csrf})
    assert right.status_code == 303


def test_tokens_are_shown_once_and_revoked(site: Site) -> None:
    client = join(site)
    csrf = csrf_in(client.get("/account").text)
    made = client.post("/account/tokens", data={"name": "<b>laptop</b>", "days": "30", "csrf": csrf})
    (token,) = set(re.findall(r"sdw_[\w-]+", made.text))
    assert "&lt;b&gt;laptop" in made.text
    assert token not in client.get("/account").text
    program = site.stranger(headers={"Authorization": f"Bearer {token}"})
    user_id = program.get("/api/v1/me").json()["id"]
    row = list_tokens(site.studio, user_id)[0]
    assert client.post(f"/account/tokens/{row.id}/revoke", data={"csrf": csrf}).status_code == 303
    assert program.get("/api/v1/me").status_code == 401
    for days in ("0", "-1", "99999", "x", "9" * 30):
        assert (
            client.post("/account/tokens", data={"name": "x", "days": days, "csrf": csrf}).status_code == 400
        )


def test_sign_out_everywhere(site: Site) -> None:
    client = join(site)
    other = site.stranger()
    other.post("/sign-in", data={"email": ADDRESS, "password": GOOD})
    csrf = csrf_in(client.get("/account").text)
    assert client.post("/account/sign-out-everywhere", data={"csrf": csrf}).status_code == 303
    assert other.get("/api/v1/me").status_code == 401


def test_leaving_for_good(site: Site) -> None:
    client = join(site)
    csrf = csrf_in(client.get("/account/delete").text)
    wrong = client.post("/account/delete", data={"password": "wrong wrong", "csrf": csrf})
    assert wrong.status_code == 401
    assert user_of_session(site.studio, session_of(client)) is not None
    gone = client.post("/account/delete", data={"password": GOOD, "csrf": csrf})
    assert gone.status_code == 200
    assert "Deletion receipt" in gone.text
    assert session_of(client) is None
    assert site.stranger().post("/sign-in", data={"email": ADDRESS, "password": GOOD}).status_code == 401


def test_leaving_without_a_password_needs_the_address(site: Site) -> None:
    lee = site.person("lee@example.org")
    data = {"csrf": lee.csrf, "email": "kim@example.org"}
    assert lee.browser.post("/account/delete", data=data).status_code == 400
    data["email"] = "LEE@example.org "
    assert lee.browser.post("/account/delete", data=data).status_code == 200
    with site.studio.db.session() as db:
        user = db.get(User, lee.user.id)
    assert user is None or user.disabled_at is not None


def test_a_receipt_reads_well(site: Site) -> None:
    lee = site.person("lee@example.org", language="ko")
    content = {"photos": 12, "bytes": 34_500_000, "models": 1, "jobs": 0}
    row = add(site.studio, Receipt(user_id=lee.user.id, what="album", content=content))
    page = lee.browser.get(f"/account/receipts/{row.id}?lang=ko").text
    assert "34.5 MB" in page
    assert row.id in page
    assert receipt_lines(row, "en") == [
        ("Photos", "12"), ("LoRA files in WebUIs", "1"), ("Size", "34.5 MB"),
    ]  # fmt: skip


def test_what_was_typed_is_escaped(site: Site) -> None:
    evil = '"><script>alert(1)</script>@example.org'
    page = site.stranger().post("/sign-in", data={"email": evil, "password": "x"})
    assert "<script" not in page.text
    page = site.stranger().get("/sign-in", params={"next": evil, "lang": evil})
    assert "<script" not in page.text


@pytest.mark.parametrize(
    ("accepts", "language"),
    [("ko-KR,ko;q=0.9", "ko"), ("en-GB,ko;q=0.5", "en"), ("en;q=0.4,ko;q=0.8", "ko"), ("fr", "en"),
     ("", "en"), ("ko;q=x", "en"), ("," * 3000, "en")],
)  # fmt: skip
def test_the_browsers_language(site: Site, accepts: str, language: str) -> None:
    page = site.stranger().get("/", headers={"Accept-Language": accepts})
    assert f'<html lang="{language}">' in page.text


def test_a_chosen_language_is_remembered(site: Site) -> None:
    client = site.stranger()
    client.get("/sign-in?lang=ko", headers={"Accept-Language": "en"})
    assert '<html lang="ko">' in client.get("/sign-up", headers={"Accept-Language": "en"}).text


def test_every_sentence_is_said_in_both_languages() -> None:
    for key in words.keys():  # noqa: SIM118  a function of ours
        assert words.say("ko", key).strip()
        assert words.say("en", key).strip()
        if key not in ("korean", "english"):
            assert not re.search("[가-힣]", words.say("en", key)), key


def test_templates_say_only_what_there_is() -> None:
    asked: set[str] = set()
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        meta.find_undeclared_variables(environment().parse(text))
        asked |= set(re.findall(r'\bt\("([a-z0-9-]+)"[),]', text))
        # Forms of ours work without scripts, and carry none.
        assert "<script" not in text, path.name
        assert " style=" not in text, path.name
    assert asked <= words.keys()


def test_every_field_has_a_label(site: Site) -> None:
    pages: list[Any] = [site.stranger().get(place) for place in ("/sign-in", "/sign-up", "/forgot")]
    pages.append(join(site).get("/account"))
    for page in pages:
        fields = re.findall(r'<input id="([\w-]+)"', page.text)
        assert fields
        assert set(fields) <= set(re.findall(r'<label for="([\w-]+)"', page.text))
        assert page.text.count("<h1") == 1
