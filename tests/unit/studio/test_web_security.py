"""What stands before every route: headers, closed paths, posts from other sites, limits, kind errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from studio.service_settings import load_settings
from studio.web.limits import SMALL_BODY, BodyLimit
from studio.web.pages import local_place
from studio.web.security import is_closed
from tests.stubs.accounts import CHEAP, GOOD, mails
from tests.stubs.web import URL, Person, Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests here."""
    opened = Site.open(tmp_path_factory.mktemp("site"))
    yield opened
    opened.studio.close()


@pytest.fixture(scope="module")
def kim(site: Site) -> Person:
    """Somebody who is signed in."""
    return site.person("kim@example.org")


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/api/v1/me", "/nowhere", "/files/photos/abcdefab/thumb", "/r/x"]
)
def test_every_answer_carries_the_headers(site: Site, path: str) -> None:
    headers = site.stranger().get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "private, no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "max-age" in headers["strict-transport-security"]
    assert len(headers["x-request-id"]) >= 8


def test_our_own_pages_run_no_script(site: Site) -> None:
    answer = site.stranger().get("/sign-up")
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert "style=" not in answer.text


def test_files_are_no_pages(site: Site, kim: Person) -> None:
    policy = kim.browser.get("/files/portraits/abcdefab").headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy


def test_static_files_may_be_kept(site: Site) -> None:
    answer = site.stranger().get("/static/studio.css")
    assert answer.status_code == 200
    assert answer.headers["cache-control"].startswith("public")


@pytest.mark.parametrize(
    "path",
    [
        "/ko/gradio_api/upload", "/ko/gradio_api/upload_progress", "/en/gradio_api/file=/etc/passwd",
        "/ko/gradio_api/file/etc/passwd", "/ko/gradio_api/proxy=http://10.0.0.1/", "/ko/gradio_api/file%3D/x",
        "/ko/gradio_api/stream/abc", "/ko/gradio_api/process_recording", "/ko/gradio_api/deep_link",
        "/ko/gradio_api/component_server", "/ko/gradio_api/vibe-edit", "/ko/gradio_api/profiling/traces",
        "/ko/monitoring", "/ko/login", "/ko/logout", "/en/dev/reload", "/ko/gradio_api/custom_component/a/b",
        "/ko/gradio_api/run-history/connect", "/ko//gradio_api/upload", "//ko/gradio_api/upload",
        "/ko/gradio_api/upload/", "/ko/assets/../gradio_api/upload", "/ko/./gradio_api/upload", "/ko/openapi",
        "/ko/gradio_api/queue/data/../../upload", "/ko/gradio_api/openapi.json", "/ko/file=/etc/passwd",
        "/ko/gradio_api/queue/join", "/ko/gradio_api/queue/data", "/en/gradio_api/heartbeat/abc123",
        "/ko/gradio_api/cancel", "/ko/gradio_api/reset", "/ko/gradio_api/call/act", "/ko/gradio_api/run/act",
    ],
)  # fmt: skip
def test_gradios_file_routes_are_closed(site: Site, kim: Person, path: str) -> None:
    assert is_closed(path.replace("%3D", "="))
    for method in ("GET", "POST", "HEAD"):
        assert kim.browser.request(method, URL + path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/ko", "/en/", "/ko/config", "/ko/assets/index-Dphvygg.js", "/en/static/x.woff", "/ko/theme.css",
        "/ko/gradio_api/run/predict", "/en/gradio_api/info", "/ko/gradio_api/startup-events", "/korea",
        "/entry", "/api/v1/me",
    ],
)  # fmt: skip
def test_what_the_page_needs_is_open(path: str) -> None:
    assert not is_closed(path)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://studio.example.org.evil.example"},
        {"Origin": "https://evil.example", "Host": "studio.example.org"},
    ],
)  # fmt: skip
def test_other_sites_cannot_post(site: Site, kim: Person, headers: dict[str, str]) -> None:
    answer = kim.browser.post("/api/v1/albums", json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "other-site")
    # Not before signing in either: nobody is signed in as somebody else unawares.
    assert site.stranger().post("/sign-in", data={"email": "a@b.org"}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": URL}, {"Origin": URL, "Sec-Fetch-Site": "same-origin"},
     {"Origin": "http://192.168.0.7:8000", "Host": "192.168.0.7:8000"}],
)  # fmt: skip
def test_ones_own_page_can_post(kim: Person, headers: dict[str, str]) -> None:
    assert kim.browser.post("/api/v1/albums", json={}, headers=headers).status_code == 201


def test_a_token_is_no_excuse_where_the_cookie_counts(site: Site, kim: Person) -> None:
    headers = {"Sec-Fetch-Site": "same-site", "Authorization": "Bearer x"}
    for path in ("/ko/gradio_api/run/predict", "/sign-out", "/account/language"):
        answer = kim.browser.post(path, json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "other-site")


def test_a_token_needs_no_origin(kim: Person) -> None:
    answer = kim.program.post("/api/v1/albums", json={}, headers={"Origin": "https://tool.example"})
    assert answer.status_code == 201


@pytest.mark.parametrize("given", [None, "", "wrong", "0" * 64])
def test_a_session_needs_its_csrf_token(kim: Person, given: str | None) -> None:
    kept = kim.browser.headers.pop("X-CSRF-Token")
    try:
        headers = {} if given is None else {"X-CSRF-Token": given}
        answer = kim.browser.post("/api/v1/albums", json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
        form = kim.browser.post("/account/language", data={"language": "en", "csrf": given or ""})
        assert form.status_code == 403
        assert kim.browser.post("/sign-out", data={"csrf": given or ""}).status_code == 403
    finally:
        kim.browser.headers["X-CSRF-Token"] = kept


def test_anothers_csrf_token_is_none(site: Site, kim: Person) -> None:
    lee = site.person("lee@example.org")
    answer = lee.browser.post("/api/v1/albums", json={}, headers={"X-CSRF-Token": kim.csrf})
    assert answer.status_code == 403


def test_a_bad_token_is_said_even_beside_a_session(kim: Person) -> None:
    answer = kim.browser.get("/api/v1/me", headers={"Authorization": "Bearer sdw_wrong"})
    assert (answer.status_code, answer.json()["code"]) == (401, "bad-token")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "/ko/..//x.example",
        "javascript:alert(1)", "/account\r\nSet-Cookie: a=b", "/%2f%2fevil.example", "/ko//evil.example",
    ],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(site: Site, kim: Person, place: str) -> None:
    assert local_place(place) == "/"
    answer = kim.browser.get("/sign-in", params={"next": place})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("place", ["/", "/ko/", "/en/", "/account"])
def test_ones_own_pages_are_gone_to(place: str) -> None:
    assert local_place(place) == place


def test_mailed_links_carry_the_studios_address_whatever_is_asked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.accounts import passwords

    monkeypatch.setattr(passwords, "HASHER", CHEAP)
    evil = dict.fromkeys(("Host", "X-Forwarded-Host", "X-Forwarded-Server"), "evil.example")
    evil["Forwarded"] = "host=evil.example;proto=http"
    data = {"email": "fresh@example.org", "password": GOOD}
    assert site.stranger().post("/sign-up", data=data, headers=evil).status_code in (200, 303)
    assert site.stranger().post("/forgot", data=data, headers=evil).status_code == 200
    links = [link for _, link in mails(site.studio)]
    assert len(links) == 2
    assert all(link.startswith(URL + "/link/") for link in links)


def test_host_is_not_shown(site: Site) -> None:
    answer = site.stranger().get(
        "/sign-in", headers={"Host": 'evil.example"><script>', "X-Forwarded-Host": "evil"}
    )
    assert "evil" not in answer.text


def test_an_unexpected_error_has_a_number_and_no_trace(
    site: Site, kim: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret detail 4711")

    monkeypatch.setattr("studio.web.api.albums.albums_of_user", broken)
    with caplog.at_level(logging.INFO, "studio.web"):
        answer = kim.program.get("/api/v1/albums")
    number = answer.headers["x-request-id"]
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    assert number in answer.json()["message"]["ko"]
    assert "4711" not in answer.text
    assert "Traceback" not in answer.text
    assert number in caplog.text
    assert "4711" in caplog.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_database_that_is_away_is_said_to_be_for_a_moment(
    site: Site, kim: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT 1", {}, ConnectionError("secret detail 4711"))

    monkeypatch.setattr("studio.web.api.albums.albums_of_user", away)
    answer = kim.program.get("/api/v1/albums")
    assert (answer.status_code, answer.json()["code"]) == (503, "database-away")
    assert int(answer.headers["retry-after"]) > 0
    assert "4711" not in answer.text


def test_a_browser_is_told_kindly_in_its_language(site: Site) -> None:
    html = {"Accept": "text/html,*/*", "Accept-Language": "ko-KR,ko;q=0.9,en;q=0.5"}
    answer = site.stranger().get("/nowhere", headers=html)
    assert answer.status_code == 404
    assert 'lang="ko"' in answer.text
    assert "찾을 수 없습니다" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nowhere", 404, "not-found"), ("PUT", "/api/v1/me", 405, "wrong-method"),
        ("GET", "/api/v1/albums/..%2f..", 404, "not-found"), ("GET", "/api/v1/jobs?limit=", 422, "not-valid"),
    ],
)  # fmt: skip
def test_the_api_says_no_in_one_form(kim: Person, method: str, path: str, status: int, code: str) -> None:
    answer = kim.program.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()["message"]) == {"ko", "en"}
    assert all(answer.json()["message"].values())


def test_what_was_sent_is_not_sent_back(site: Site) -> None:
    answer = site.stranger().post("/api/v1/tokens", json={"email": "a@b.org", "password": ["hunter2hunter2"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "body.password"
    assert "hunter2" not in answer.text


def test_keys_in_addresses_are_not_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "studio.web"):
        site.stranger().get("/link/topsecret")
        site.stranger().get("/r/topsecret/portraits/abcdefab?download=1&x=topsecret")
    assert "/link/…" in caplog.text
    assert "topsecret" not in caplog.text


@pytest.mark.parametrize("claimed", [True, False])
def test_a_form_has_its_limit(site: Site, claimed: bool) -> None:
    body = b"email=" + b"a" * (SMALL_BODY + 1)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    content = body if claimed else iter([body[:1000], body[1000:]])
    answer = site.stranger().post("/sign-in", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_who_says_nothing_is_given_up() -> None:
    app = FastAPI()

    @app.post("/")
    async def echo(body: dict[str, str]) -> dict[str, str]:
        return body

    scope = {
        "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "headers": [
            (b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    said: list[Any] = []

    async def silent() -> Any:
        if not said:
            said.append("began")
            return {"type": "http.request", "body": b'{"a":', "more_body": True}
        await asyncio.sleep(60)
        return None

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(BodyLimit(app, load_settings(), silence_s=0.05)(scope, silent, send))
    assert said[1]["status"] == 408


def test_only_trusted_proxies_say_who_asks(tmp_path: Any) -> None:
    site = Site.open(tmp_path, trusted_proxies="10.0.0.1")
    seen: list[str] = []

    @site.app.get("/who")
    def who(request: Request) -> str:
        seen.append(request.client.host if request.client else "")
        return request.url.scheme

    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    for proxy, shown, scheme in (("10.0.0.1", "203.0.113.9", "https"), ("10.0.0.2", "10.0.0.2", "http")):
        client = TestClient(site.app, base_url="http://x", client=(proxy, 1))
        assert client.get("/who", headers=forwarded).json() == scheme
        assert seen[-1] == shown
    site.studio.close()


def test_health(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert site.stranger().get("/health/live").json() == {"status": "alive"}
    ready = site.stranger().get("/health/ready")
    assert ready.json() == {"status": "ready", "checks": {"database": "ok", "files": "ok"}, "workers": 0}
    monkeypatch.setattr("studio.web.health._database", lambda studio: False)
    ready = site.stranger().get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"] == "failed"
