"""What reaches Gradio of what a browser sends: the page's events, and no file, address or session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from studio.accounts import begin_session
from studio.core import Studio
from studio.refusals import Refused
from studio.service_settings import StudioSettings
from studio.web.events import plain_event
from tests.stubs.seeded import seed_user
from tests.stubs.seeded_server import served

FILE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
ADDRESS = {"path": "http://example.org/large", "meta": {"_type": "gradio.FileData"}}
LOOK = {"place": "#/photos", "stamp": None, "pulse": "abc", "seq": 3}
PRESS = {"do": "submit", "args": {"form": {"poses": ["front"], "mark": True}}, "place": "#/", "seq": 4}


def clean(**event: Any) -> dict[str, Any]:
    return plain_event(json.dumps({"fn_index": 1, "data": [], **event}).encode())


def test_the_pages_own_events_arrive_whole() -> None:
    assert clean(data=[LOOK])["data"] == [LOOK]
    assert clean(data=[None])["data"] == [None]
    assert clean(event_data=PRESS)["event_data"] == PRESS


@pytest.mark.parametrize("file", [FILE, ADDRESS])
@pytest.mark.parametrize(
    "hidden",
    [lambda file: file, lambda file: {"place": file}, lambda file: [file], lambda file: {"seq": [file]}],
)  # fmt: skip
def test_a_file_is_not_looked_for(file: dict[str, Any], hidden: Any) -> None:
    with pytest.raises(Refused) as refused:
        clean(data=[hidden(file)])
    assert (refused.value.code, refused.value.status) == ("bad-event", 422)


def test_what_comes_back_in_the_answer_holds_no_file() -> None:
    with pytest.raises(Refused):
        clean(event_data={**PRESS, "seq": FILE})


def test_only_the_first_value_is_taken() -> None:
    assert clean(data=[LOOK, FILE])["data"] == [LOOK]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"fn_index": "1"}', b"\xff", b"[" * 100_000, b'{"fn_index": 0, "event_data": []}'],
)  # fmt: skip
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        plain_event(body)


def test_gradio_learns_no_session_and_nothing_more() -> None:
    more = {"session_hash": "somebody", "event_id": "x", "trigger_id": 1, "oauth_token": "t", "batched": True}
    assert set(clean(event_data=PRESS, **more)) == {"fn_index", "data", "event_data"}


@pytest.mark.slow
def test_gradio_itself_takes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real page: what it answers, what it refuses, and that its cache stays empty."""
    cache, data = tmp_path / "cache", tmp_path / "data"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(cache))
    studio = Studio.open(StudioSettings(data_dir=data))
    session = begin_session(studio, seed_user(studio, "kim@example.org").id)
    studio.close()
    with served(data) as address, httpx.Client(base_url=address, timeout=30) as browser:
        event = {"fn_index": 1, "data": [LOOK], "session_hash": "abc"}
        path = "/en/gradio_api/run/predict"
        assert browser.post(path, json=event).status_code == 401
        browser.cookies.set("studio_session", session)
        shown = browser.post(path, json=event)
        assert shown.status_code == 200
        assert shown.json()["data"][0]["place"] == "#/photos"
        pressed = browser.post(path, json={"fn_index": 0, "data": [], "event_data": {**PRESS, "do": "open"}})
        assert pressed.json()["data"][0]["seq"] == 4
        secret = {**FILE, "path": str(data / "secret.key")}
        for bad in ({"data": [secret]}, {"data": [], "event_data": {**PRESS, "seq": secret}}):
            assert browser.post(path, json={"fn_index": 0, **bad}).status_code == 422
        # A page of the same site, but of another host, may neither send nor read.
        elsewhere = {"Origin": "https://blog.example.org", "Sec-Fetch-Site": "same-site"}
        asked = {**elsewhere, "Access-Control-Request-Method": "POST"}
        told = browser.options(path, headers={**asked, "Access-Control-Request-Headers": "authorization"})
        assert not [name for name in told.headers if name.startswith("access-control-")]
        forged = browser.post(path, json=event, headers={**elsewhere, "Authorization": "Bearer x"})
        assert forged.status_code == 403
        assert "access-control-allow-origin" not in browser.get("/en/config", headers=elsewhere).headers
    assert not list(cache.rglob("*secret*"))
