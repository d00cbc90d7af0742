"""The API: everything the page does, and what thousands of made-up requests make of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import select

from studio.data import Job, Photo, Receipt
from studio.wishes import Wishes
from tests.stubs.accounts import CHEAP, GOOD, mails
from tests.stubs.seeded import add, seed_album, seed_job
from tests.stubs.web import Person, Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests here."""
    opened = Site.open(tmp_path_factory.mktemp("site"))
    yield opened
    opened.studio.close()


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.accounts import passwords

    monkeypatch.setattr(passwords, "HASHER", CHEAP)


@pytest.fixture
def kim(site: Site, request: pytest.FixtureRequest) -> Person:
    """Somebody new in each test."""
    return site.person(f"{abs(hash(request.node.nodeid))}@example.org")


def ok(answer: Any, status: int = 200) -> Any:
    """The body of an answer that must be fine."""
    assert answer.status_code == status, answer.text
    return answer.json()


def test_from_sign_up_to_a_token_without_a_browser(site: Site) -> None:
    stranger, email = site.stranger(), "program@example.org"
    asked = {"email": email, "password": GOOD, "language": "ko"}
    assert ok(stranger.post("/api/v1/accounts", json=asked), 202) == {"done": True}
    assert mails(site.studio)[-1][0] == "confirm"
    token = ok(stranger.post("/api/v1/tokens", json={"email": email, "password": GOOD}), 201)["token"]
    program = site.stranger(headers={"Authorization": f"Bearer {token}"})
    me = ok(program.get("/api/v1/me"))
    assert (me["email"], me["language"], me["csrf_token"]) == (email, "ko", None)
    assert ok(program.patch("/api/v1/me", json={"language": "en"}))["language"] == "en"
    assert ok(program.get("/api/v1/me/tokens"))[0]["name"] == "API"
    wrong = stranger.post("/api/v1/tokens", json={"email": email, "password": "wrong wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong-sign-in")
    assert ok(stranger.post("/api/v1/links", json={"email": "nobody@example.org"}), 202) == {"done": True}
    ok(program.request("DELETE", "/api/v1/me", json={"password": GOOD}))
    assert program.get("/api/v1/me").status_code == 401


def test_a_token_sets_no_first_password(kim: Person) -> None:
    refused = kim.program.put("/api/v1/me/password", json={"new": GOOD})
    assert (refused.status_code, refused.json()["code"]) == (403, "browser-only")
    ok(kim.browser.put("/api/v1/me/password", json={"new": GOOD}))
    ok(kim.program.put("/api/v1/me/password", json={"current": GOOD, "new": f"{GOOD} again"}))


def test_albums(site: Site, kim: Person) -> None:
    made = ok(kim.program.post("/api/v1/albums", json={"title": "<b>나", "subject": "woman"}), 201)
    assert (made["title"], made["subject"], made["consent_at"]) == ("<b>나", "woman", None)
    where = f"/api/v1/albums/{made['id']}"
    assert ok(kim.program.patch(where, json={"title": "me"}))["title"] == "me"
    text = ok(kim.program.get("/api/v1/consent"))
    assert "30" in text["text"]["ko"]
    old = kim.program.post(f"{where}/consent", json={"version": "1999-01-01"})
    assert (old.status_code, old.json()["code"]) == (409, "consent-changed")
    agreed = ok(kim.program.post(f"{where}/consent", json={"version": text["version"]}))
    assert agreed["consent_version"].startswith(text["version"])
    assert [album["id"] for album in ok(kim.program.get("/api/v1/albums"))] == [made["id"]]
    assert kim.program.post("/api/v1/albums", json={"subject": "cat"}).status_code == 422
    assert kim.program.post("/api/v1/albums", json={"owner": "me"}).status_code == 422


def test_what_can_be_chosen_has_names_in_both_languages(kim: Person) -> None:
    options = ok(kim.program.get("/api/v1/options"))
    for shelf in ("presets", "poses", "tones", "outfits", "backdrops", "id_photos"):
        assert options[shelf], shelf
        for choice in options[shelf]:
            assert choice["title"]["ko"], choice
            assert choice["title"]["en"], choice
    assert [tone["name"] for tone in options["tones"][:2]] == ["auto", "both"]
    korean = {preset["name"]: preset["title"]["ko"] for preset in options["presets"]}
    assert korean["id-photo-sd15"] == "증명사진, SD 1.5"
    assert all(any("가" <= letter <= "힣" for letter in title) for title in korean.values()), (
        "a preset of ours"
    )
    names = {preset["name"] for preset in options["presets"]}
    assert Wishes.model_validate({}).preset in names


def test_an_operators_preset_is_offered_by_its_name(site: Site, kim: Person) -> None:
    folder = site.studio.layout.root / "presets"
    folder.mkdir()
    (folder / "wedding.yaml").write_text("schema: sdwebui-preset/1\nextends: studio-sd15\n", encoding="utf-8")
    names = {preset["name"] for preset in ok(kim.program.get("/api/v1/options"))["presets"]}
    assert "wedding" in names


def test_estimate(site: Site, kim: Person) -> None:
    where = f"/api/v1/albums/{seed_album(site.studio, kim.user).id}/estimate"
    cost = ok(kim.program.post(where, json={"count": 4}))
    assert 0 < cost["minutes_low"] <= cost["minutes_high"]
    assert cost["generations"] >= 4
    assert cost["trains"] is True
    assert cost["why"]["ko"]
    more = ok(kim.program.post(where, json={"count": 12}))
    assert more["generations"] > cost["generations"]
    assert kim.program.post(where, json={"preset": "../../etc/passwd"}).status_code == 422
    unknown = kim.program.post(where, json={"preset": "nothing-like-it"})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown-preset")


def test_jobs(site: Site, kim: Person) -> None:
    album = seed_album(site.studio, kim.user)
    asked = {"album_id": album.id, "wishes": {"poses": ["front"], "tone": "cool", "count": 2}}
    job = ok(kim.program.post("/api/v1/jobs", json=asked), 201)
    assert (job["state"], job["position"], job["waiting"]) == ("queued", 2, True)
    assert job["stage_title"]["ko"]
    where = f"/api/v1/jobs/{job['id']}"
    assert ok(kim.program.get(where)) == job
    assert ok(kim.program.get(f"/api/v1/jobs?album_id={album.id}&state=queued")) == [job]
    assert ok(kim.program.get("/api/v1/jobs?state=done")) == []
    retouch = ok(kim.program.post(f"{where}/retouch", json={"tone": "warm"}), 201)
    assert (retouch["parent_id"], retouch["wishes"]["tone"]) == (job["id"], "warm")
    assert retouch["wishes"]["poses"] == ["front"]
    bad = kim.program.post(f"{where}/retouch", json={"tone": "<lora:x:1>"})
    assert (bad.status_code, bad.json()["code"]) == (422, "unknown-wish")
    assert ok(kim.program.post(f"{where}/cancel"))["state"] == "cancelled"
    assert site.jobs.cancelled == [job["id"]]


def test_so_many_jobs_an_hour(site: Site, kim: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.web.api.jobs.JOBS_AN_HOUR", 1)
    asked = {"album_id": seed_album(site.studio, kim.user).id}
    ok(kim.program.post("/api/v1/jobs", json=asked), 201)
    assert kim.program.post("/api/v1/jobs", json=asked).status_code == 429


def test_portraits(site: Site, kim: Person) -> None:
    job = seed_job(site.studio, seed_album(site.studio, kim.user), portraits=2, finished_at=time.time())
    first, second = ok(kim.program.get(f"/api/v1/jobs/{job.id}/portraits"))
    assert [stage["title"]["en"] for stage in first["stages"]] == ["First draft", "Enlarged"]
    assert kim.program.get(first["stages"][0]["url"]).status_code == 200
    ok(kim.program.put(f"/api/v1/portraits/{second['id']}/favourite", json={"favourite": True}))
    assert [row["id"] for row in ok(kim.program.get("/api/v1/portraits?favourite=true"))] == [second["id"]]
    assert len(ok(kim.program.get("/api/v1/portraits"))) == 2
    shown = ok(kim.program.get(f"/api/v1/jobs/{job.id}"))
    assert shown["portrait_count"] == 2
    assert kim.program.get(shown["zip_url"]).status_code == 200


def test_an_id_photo_is_measured(site: Site, kim: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    made = SimpleNamespace(
        head_mm=34.0, eyes_mm=22.5, tilt_deg=1.5, warnings={"ko": ("주의",), "en": ("mind",)}
    )
    monkeypatch.setattr("studio.web.api.portraits.make_id_photo_of", lambda *_: made)
    job = seed_job(site.studio, seed_album(site.studio, kim.user), portraits=1)
    portrait = ok(kim.program.get(f"/api/v1/jobs/{job.id}/portraits"))[0]["id"]
    found = ok(kim.program.get(f"/api/v1/portraits/{portrait}/id-photo?kind=kr-passport"))
    assert (found["head_mm"], found["warnings"]["ko"]) == (34.0, ["주의"])
    assert found["sheet_url"].endswith("layout=sheet")


def test_deleting_gives_receipts(site: Site, kim: Person) -> None:
    album = seed_album(site.studio, kim.user, photos=3)
    job = seed_job(site.studio, album, portraits=2, finished_at=time.time())
    folder: Path = site.studio.layout.user(kim.user.id)
    gone = ok(kim.program.delete(f"/api/v1/jobs/{job.id}/portraits"))
    assert (gone["what"], gone["state"]) == ("portraits", "done")
    assert ok(kim.program.get(f"/api/v1/jobs/{job.id}/portraits")) == []
    assert ok(kim.program.delete(f"/api/v1/albums/{album.id}/photos"))["what"] == "photos"
    assert ok(kim.program.delete(f"/api/v1/albums/{album.id}/model"))["what"] == "model"
    assert ok(kim.program.delete(f"/api/v1/albums/{album.id}"))["what"] == "album"
    assert kim.program.get(f"/api/v1/albums/{album.id}").status_code == 404
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    receipts = ok(kim.program.get("/api/v1/me/receipts"))
    assert [row["what"] for row in receipts] == ["album", "model", "photos", "portraits"]
    assert ok(kim.program.get(f"/api/v1/me/receipts/{gone['id']}")) == gone
    with site.studio.db.session() as db:
        assert db.scalars(select(Photo).where(Photo.user_id == kim.user.id)).all() == []
        assert db.scalars(select(Receipt).where(Receipt.user_id == kim.user.id)).first() is not None


def test_operators(site: Site, kim: Person) -> None:
    boss = site.person("boss@example.org", role="operator").program
    job = seed_job(site.studio, seed_album(site.studio, kim.user), state="failed")
    assert ok(boss.get("/api/v1/ops/pause")) == {"paused": False}
    assert ok(boss.post("/api/v1/ops/pause")) == {"paused": True}
    assert ok(boss.get("/api/v1/ops/pause")) == {"paused": True}
    assert ok(boss.post("/api/v1/ops/resume")) == {"paused": False}
    assert job.id in [row["id"] for row in ok(boss.get("/api/v1/ops/jobs?state=failed"))]
    assert ok(boss.post(f"/api/v1/ops/jobs/{job.id}/requeue"))["id"] == job.id
    assert ok(boss.put(f"/api/v1/ops/jobs/{job.id}/priority", json={"priority": 5}))["id"] == job.id
    assert ok(boss.get(f"/api/v1/ops/jobs/{job.id}/timeline")) == []
    assert boss.post("/api/v1/ops/workers/nobody/drain").status_code == 404
    made = ok(boss.post("/api/v1/ops/users", json={"email": "guest@example.org"}), 201)
    changed = ok(boss.patch(f"/api/v1/ops/users/{made['id']}", json={"quota_jobs": 7}))
    assert (changed["quota_jobs"], changed["state"]) == (7, "active")
    assert ok(boss.patch(f"/api/v1/ops/users/{made['id']}", json={}))["quota_jobs"] == 7
    assert ok(boss.patch(f"/api/v1/ops/users/{made['id']}", json={"disabled": True}))["state"] == "disabled"
    assert ok(boss.patch(f"/api/v1/ops/users/{made['id']}", json={"disabled": False}))["state"] == "active"


def test_a_job_view_bears_what_a_job_can_be(site: Site, kim: Person) -> None:
    album = seed_album(site.studio, kim.user)
    error = {"code": "x", "message": {"ko": "가", "en": "a"}, "hint": {"ko": "", "en": ""}}
    failed = add(site.studio, Job(user_id=kim.user.id, album_id=album.id, wishes=Wishes.model_validate({}).model_dump(mode="json"), state="failed", error=error, fraction=1.7, stage="unheard-of"))  # fmt: skip  # noqa: E501
    shown = ok(kim.program.get(f"/api/v1/jobs/{failed.id}"))
    assert (shown["fraction"], shown["error"]["message"]["ko"], shown["position"]) == (1.0, "가", None)
    assert shown["stage_title"]["en"] == "unheard-of"


# What is sent at random: a few requests for each operation, in process.

_FUZZ = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
)
_CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["operator", "stranger"])
def test_requests_nobody_thought_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    site = Site.open(tmp_path)
    # Each of a thousand requests would be counted, and most of them refused for that alone.
    monkeypatch.setattr("studio.accounts.limits.limit", lambda *_, **__: None)
    for module in ("albums", "photos", "jobs"):
        monkeypatch.setattr(f"studio.web.api.{module}.limit", lambda *_, **__: None)
    headers = {}
    if role == "operator":
        headers = {
            "Authorization": site.person("x@example.org", role="operator").program.headers["Authorization"]
        }
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", site.app)
    seen = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if role == "operator" and operation.label in (
            "DELETE /api/v1/me",
            "DELETE /api/v1/me/tokens/{token_id}",
        ):
            continue

        @_FUZZ
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            nonlocal seen
            seen += 1
            case.call_and_validate(headers=headers, checks=_CHECKS, base_url="https://studio.example.org")

        send()
    assert seen > 100
    site.studio.close()
