"""Two people and every route there is: neither reaches what is the other's, by browser, program or link."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from studio.accounts import results_link
from studio.data import Album, ApiToken, Base, Job, Photo, Portrait, Receipt, User
from tests.stubs.routes import all_routes
from tests.stubs.seeded import add, seed_album, seed_job, seed_preview
from tests.stubs.web import Person, Site

PUBLIC = {
    ("GET", path)
    for path in (
        "/", "/account", "/favicon.ico", "/manifest.json", "/forgot", "/health/live", "/health/ready",
        "/link/{token}", "/new-password", "/sign-in", "/sign-in/link", "/sign-up", "/api/v1/openapi.json",
    )
} | {
    ("POST", path)
    for path in (
        "/forgot", "/link/{token}", "/sign-in", "/sign-in/link", "/sign-out", "/sign-up",
        "/api/v1/accounts", "/api/v1/links", "/api/v1/tokens",
    )
} | {("MOUNT", "/static")}  # fmt: skip
"""Routes that show a stranger nothing of anybody: forms, and what answers the same to all."""
ELSEWHERE = {("GET", "/metrics")}
"""tests/unit/studio/test_metrics.py."""
BODIES: dict[str, Any] = {
    "PATCH /api/v1/albums/{album_id}": {"title": "mine now"},
    "PATCH /api/v1/me": {"language": "en"},
    "PATCH /api/v1/ops/users/{user_id}": {"quota_jobs": 99},
    "POST /api/v1/albums": {},
    "POST /api/v1/albums/{album_id}/consent": {"version": "2026-01-22"},
    "POST /api/v1/albums/{album_id}/estimate": {},
    "POST /api/v1/jobs/{job_id}/retouch": {"tone": "warm"},
    "POST /api/v1/me/tokens": {"name": "x"},
    "POST /api/v1/ops/users": {"email": "new@example.org"},
    "PUT /api/v1/ops/jobs/{job_id}/priority": {"priority": 1},
    "PUT /api/v1/portraits/{portrait_id}/favourite": {"favourite": True},
    "PUT /api/v1/me/password": {"new": "short"},
    "DELETE /api/v1/me": {},
}
SLOW = ("/id-photo", "/advice")
"""Look for faces: asked by the other person only, who never gets that far."""


@dataclass
class Theirs:
    """What one person has."""

    owner: Person
    other: Person
    ids: dict[str, str]
    link: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests here; none of them may change anything of the owner's."""
    opened = Site.open(tmp_path_factory.mktemp("site"))
    yield opened
    opened.studio.close()


@pytest.fixture(scope="module")
def theirs(site: Site) -> Theirs:
    """The owner has one of everything, the other person has nothing."""
    owner, other = site.person("owner@example.org"), site.person("other@example.org")
    album = seed_album(site.studio, owner.user, photos=2, bad=0, title="Owner's album")
    running = seed_job(site.studio, album, state="running", waiting=False)
    seed_preview(site.studio, running)
    job = seed_job(site.studio, album, portraits=2, finished_at=time.time())
    (site.studio.layout.job(owner.user.id, job.id) / "report.html").write_text("<p>Owner's report</p>")
    receipt = add(site.studio, Receipt(user_id=owner.user.id, what="photos", content={"photos": 3}))
    with site.studio.db.session() as db:
        photo = db.scalars(select(Photo.id)).first()
        portrait = db.scalars(select(Portrait.id)).first()
        token = db.scalars(select(ApiToken.id).where(ApiToken.user_id == owner.user.id)).first()
    assert photo
    assert portrait
    assert token
    ids = {
        "album_id": album.id, "photo_id": photo, "job_id": job.id, "portrait_id": portrait, "token_id": token,
        "receipt_id": receipt.id, "user_id": owner.user.id, "number": "1", "name": "preview-0001.jpg",
        "worker_id": "local-1", "running": running.id,
    }  # fmt: skip
    return Theirs(owner, other, ids, results_link(site.studio, job).rpartition("/")[2])


def address(path: str, theirs: Theirs) -> str:
    """A route's address with the owner's identifiers in it."""
    ids = {**theirs.ids, "token": theirs.link}
    if "/preview/" in path:
        ids["job_id"] = ids["running"]
    filled = re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)
    return filled + ("?kind=kr-id" if path.endswith("/id-photo") else "")


def ask(client: Any, method: str, path: str, theirs: Theirs, csrf: str = "") -> Any:
    """Ask a route as somebody would who knows every identifier."""
    where = address(path, theirs)
    if path.startswith("/api/") and method != "GET":
        if path.endswith("/photos") and method == "POST":
            return client.post(where, files={"photo": ("a.jpg", b"x", "image/jpeg")})
        if path == "/api/v1/jobs":
            return client.post(where, json={"album_id": theirs.ids["album_id"]})
        body = BODIES.get(f"{method} {path}")
        return client.request(method, where, **({} if body is None else {"json": body}))
    return client.request(method, where, **({"data": {"csrf": csrf}} if method == "POST" else {}))


def snapshot(site: Site, theirs: Theirs) -> dict[str, Any]:
    """All rows and files that are the owner's."""
    user_id = theirs.owner.user.id
    rows: dict[str, Any] = {}
    with site.studio.db.session() as db:
        for kind in (Album, Photo, Job, Portrait, ApiToken, Receipt):
            table: type[Base] = kind
            found = db.execute(select(table.__table__).where(table.__table__.c.user_id == user_id)).all()
            rows[table.__name__] = sorted(
                str({k: v for k, v in row._mapping.items() if k != "used_at"}) for row in found
            )
        rows["user"] = str(db.execute(select(User.__table__).where(User.id == user_id)).one())
    folder: Path = site.studio.layout.user(user_id)
    rows["files"] = sorted((str(path), path.stat().st_size) for path in folder.rglob("*") if path.is_file())
    return rows


def guarded(site: Site) -> list[tuple[str, str]]:
    """Every route that is somebody's."""
    return [route for route in all_routes(site.app) if route not in PUBLIC | ELSEWHERE]


def test_every_route_is_either_public_or_tried(site: Site) -> None:
    known = PUBLIC | ELSEWHERE
    assert known <= set(all_routes(site.app)), "a route that was public is gone: take it from the list"
    assert len(guarded(site)) > 60


def test_a_stranger_gets_nothing(site: Site, theirs: Theirs) -> None:
    stranger = site.stranger()
    for method, path in guarded(site):
        if path.startswith("/r/"):
            continue
        answer = ask(stranger, method, path, theirs)
        assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
        assert answer.json()["code"] == "sign-in", f"{method} {path}"


@pytest.mark.parametrize("how", ["browser", "program"])
def test_another_person_reaches_nothing(site: Site, theirs: Theirs, how: str) -> None:
    before = snapshot(site, theirs)
    client = getattr(theirs.other, how)
    for method, path in guarded(site):
        if "{" not in path or path.startswith("/r/"):
            continue
        answer = ask(client, method, path, theirs, theirs.other.csrf)
        # A program has no session, and the account page is for browsers.
        wanted = (401,) if how == "program" and path.startswith("/account") else (404,)
        assert answer.status_code in wanted, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        if answer.status_code == 404:
            assert answer.json()["code"] == "not-found", f"{method} {path}"
    assert snapshot(site, theirs) == before


def test_lists_hold_only_ones_own(site: Site, theirs: Theirs) -> None:
    secrets = {value for key, value in theirs.ids.items() if len(value) > 15} | {theirs.owner.user.email}
    for method, path in guarded(site):
        if "{" in path or method != "GET":
            continue
        answer = ask(theirs.other.program, method, path, theirs)
        assert answer.status_code == (404 if "/ops/" in path else 401 if "/account" in path else 200), path
        assert not [secret for secret in secrets if secret in answer.text], f"{method} {path} shows another's"


def test_the_owner_reaches_them(site: Site, theirs: Theirs) -> None:
    """Else the tests above would pass with every route broken."""
    for method, path in guarded(site):
        if method != "GET" or "/ops/" in path or path.endswith(SLOW):
            continue
        answer = ask(theirs.owner.browser, method, path, theirs)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text[:200]}"


def test_anothers_album_takes_no_job(site: Site, theirs: Theirs) -> None:
    answer = ask(theirs.other.program, "POST", "/api/v1/jobs", theirs)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_operators_routes_are_not_there_for_others(site: Site, theirs: Theirs) -> None:
    routes = [route for route in guarded(site) if "/ops/" in route[1]]
    assert len(routes) > 10
    for method, path in routes:
        assert ask(theirs.owner.program, method, path, theirs).status_code == 404, f"{method} {path}"


def test_operators_see_no_pictures(site: Site, theirs: Theirs) -> None:
    boss = site.person("boss@example.org", role="operator")
    for method, path in guarded(site):
        if path.startswith(("/files/", "/api/v1/portraits/", "/api/v1/photos/")):
            assert ask(boss.program, method, path, theirs).status_code == 404, f"{method} {path}"
        elif "/ops/" in path and method == "GET":
            answer = ask(boss.program, method, path, theirs)
            assert answer.status_code == 200, path
            assert "portraits/" not in answer.text
            assert "/files/" not in answer.text


def test_a_disabled_account_reaches_nothing(site: Site) -> None:
    gone = site.person("gone@example.org")
    boss = site.person("boss2@example.org", role="operator")
    assert gone.program.get("/api/v1/me").status_code == 200
    answer = boss.program.patch(f"/api/v1/ops/users/{gone.user.id}", json={"disabled": True})
    assert answer.json()["state"] == "disabled"
    assert gone.program.get("/api/v1/me").status_code == 401
    assert gone.browser.get("/api/v1/me").status_code == 401


def test_an_operator_cannot_lock_himself_out(site: Site) -> None:
    boss = site.person("boss3@example.org", role="operator")
    answer = boss.program.patch(f"/api/v1/ops/users/{boss.user.id}", json={"disabled": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-yourself")


@pytest.mark.parametrize(
    "name", ["../run.json", "preview-1.jpg%00.png", "..%2f..%2fsecret.key", "preview-1.png", "report.html"]
)
def test_a_preview_is_a_preview_only(site: Site, theirs: Theirs, name: str) -> None:
    answer = theirs.owner.browser.get(f"/files/jobs/{theirs.ids['running']}/preview/{name}")
    assert answer.status_code == 404


def test_a_row_that_leads_outside_is_not_followed(site: Site, theirs: Theirs, tmp_path: Path) -> None:
    """Rows are ours; should one ever name another file, or a link lie there, it is not served."""
    owner, job_id = theirs.owner, theirs.ids["job_id"]
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"secret")
    folder = site.studio.layout.job(owner.user.id, job_id)
    (folder / "portraits/link.png").symlink_to(outside)
    for file in ("portraits/link.png", "../../../../../secret.key", str(outside)):
        row = add(
            site.studio,
            Portrait(
                job_id=job_id, user_id=owner.user.id, number=90 + len(file), file=file, pose="front",
                tone="cool", seed=1, likeness=0.9, width=1, height=1, sha256="0" * 64,
            ),
        )  # fmt: skip
        assert owner.browser.get(f"/files/portraits/{row.id}").status_code == 404
        with site.studio.db.session() as db:
            db.delete(db.get_one(Portrait, row.id))
    (folder / "portraits/link.png").unlink()
