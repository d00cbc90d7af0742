"""Before the page of Gradio: strangers sign in first, and its scripts carry a nonce."""

from __future__ import annotations

import re

import pytest
from fastapi.responses import HTMLResponse, JSONResponse, Response

from tests.stubs.web import Site

PAGE = (
    '<script>window.gradio_config = {"x": "\\u003cscript>"};</script><script type="module" src="a"></script>'
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A studio with something in the place of Gradio."""
    opened = Site.open(tmp_path_factory.mktemp("site"))

    @opened.app.get("/ko/")
    def page(kind: str = "html") -> Response:
        return HTMLResponse(PAGE) if kind == "html" else JSONResponse({"a": "<script>"})

    return opened


def test_a_stranger_signs_in_first_and_comes_back(site: Site) -> None:
    answer = site.stranger().get("/ko/")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/ko/&lang=ko"
    form = site.stranger().get(answer.headers["location"])
    assert '<html lang="ko">' in form.text
    assert 'name="next" value="/ko/"' in form.text


def test_a_token_opens_no_page(site: Site) -> None:
    kim = site.person("kim@example.org")
    assert kim.program.get("/ko/").status_code == 303
    assert kim.browser.get("/ko/").status_code == 200


def test_each_answer_has_a_nonce_of_its_own(site: Site) -> None:
    kim = site.person("lee@example.org")
    seen = set()
    for _ in range(2):
        answer = kim.browser.get("/ko/")
        policy = answer.headers["content-security-policy"]
        found = re.search(r"script-src 'self' 'nonce-([\w-]+)'", policy)
        assert found
        assert "'unsafe-inline'" not in policy.split("style-src")[0]
        assert answer.text.count(f'<script nonce="{found[1]}"') == 2
        assert "\\u003cscript>" in answer.text, "text of the configuration is left alone"
        assert int(answer.headers["content-length"]) == len(answer.content)
        seen.add(found[1])
    assert len(seen) == 2


def test_what_is_no_page_is_left_alone(site: Site) -> None:
    kim = site.person("park@example.org")
    assert kim.browser.get("/ko/?kind=json").json() == {"a": "<script>"}


def test_static_files_lead_nowhere_else(site: Site) -> None:
    for path in (
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/",
        "/static/x",
    ):
        assert site.stranger().get(path).status_code == 404
