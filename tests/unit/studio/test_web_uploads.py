"""Photos come in one by one, within limits, and nothing stays behind of what was not taken."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from studio.data import Attempt, Photo
from studio.web.api import photos as routes
from tests.stubs.seeded import GOOD, seed_album, seed_job
from tests.stubs.web import Person, Site, jpeg

BOUNDARY = "-----boundary"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A studio that takes files of one megabyte, four in an album."""
    opened = Site.open(tmp_path_factory.mktemp("site"), max_upload_mb=1, max_photos=4, max_pixels_mp=4)
    yield opened
    opened.studio.close()


@pytest.fixture(autouse=True)
def _judged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding faces takes half a second; tests/unit/studio/test_albums_judging.py does it in earnest."""

    def judge(studio: Any, user_id: str, album_id: str) -> None:
        with studio.db.session() as db:
            db.execute(update(Photo).where(Photo.album_id == album_id).values(accepted=True, verdict=GOOD))

    monkeypatch.setattr(routes, "judge_photos", judge)


@pytest.fixture
def kim(site: Site, request: pytest.FixtureRequest) -> Person:
    """Somebody new in each test."""
    return site.person(f"{abs(hash(request.node.nodeid))}@example.org")


@pytest.fixture
def place(site: Site, kim: Person) -> str:
    """Where an empty album takes photos."""
    return f"/api/v1/albums/{seed_album(site.studio, kim.user, photos=0).id}/photos"


@pytest.fixture(autouse=True)
def _nothing_left_behind(site: Site) -> Iterator[None]:
    yield
    assert list(site.studio.layout.tmp.iterdir()) == []


def part(data: bytes, name: str | None = "a.jpg") -> bytes:
    """One part of a multipart body, without the last boundary."""
    file = "" if name is None else f'; filename="{name}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"{file}\r\n\r\n'
    return head.encode() + data + b"\r\n"


def send(kim: Person, place: str, body: Any) -> Any:
    """Post a body made by hand."""
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return kim.program.post(place, content=body, headers={"Content-Type": kind})


def stored(site: Site, kim: Person) -> list[Photo]:
    """The photos of somebody."""
    with site.studio.db.session() as db:
        return list(db.scalars(select(Photo).where(Photo.user_id == kim.user.id)))


def test_several_at_once_each_with_its_verdict(site: Site, kim: Person, place: str) -> None:
    files = [
        ("photo", ("휴가 사진.jpg", jpeg("red"), "image/jpeg")),
        ("photo", ("b.txt", b"no", "text/plain")),
    ]
    answer = kim.browser.post(place, files=files)
    assert answer.status_code == 201
    (taken,), (refused,) = answer.json()["photos"], answer.json()["refused"]
    assert (taken["name"], taken["accepted"]) == ("휴가 사진.jpg", True)
    assert (refused["name"], refused["error"]["code"]) == ("b.txt", "not-a-picture")
    assert refused["error"]["message"]["ko"]
    assert kim.browser.get(taken["thumb_url"]).headers["content-type"] == "image/jpeg"


def test_the_same_photo_twice_is_one(site: Site, kim: Person, place: str) -> None:
    files = [("photo", ("a.jpg", jpeg("blue"), "")), ("photo", ("b.jpg", jpeg("blue"), ""))]
    assert len(kim.program.post(place, files=files).json()["photos"]) == 1
    assert len(stored(site, kim)) == 1


def test_judging_can_wait(kim: Person, place: str) -> None:
    sent = kim.program.post(f"{place}?judge=false", files={"photo": jpeg("navy")}).json()["photos"]
    assert sent[0]["accepted"] is None
    assert kim.program.get(place).json()[0]["accepted"] is None
    judged = kim.program.post(place.replace("/photos", "/verdicts")).json()
    assert [photo["accepted"] for photo in judged] == [True]


def test_500_mb_claimed_are_refused_before_they_come(kim: Person, place: str) -> None:
    read: list[int] = []

    def body() -> Iterator[bytes]:
        read.append(1)
        yield b"x"

    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": "500000000"}
    answer = kim.program.post(place, content=body(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert read == []


def test_more_than_claimed_is_not_read_to_its_end(site: Site, kim: Person, place: str) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield part(b"")[:-2]
        while sent < 60_000_000:
            sent += 500_000
            yield b"x" * 500_000

    answer = send(kim, place, endless())
    assert answer.status_code == 413
    assert stored(site, kim) == []


def test_one_file_too_large_leaves_the_others(site: Site, kim: Person, place: str) -> None:
    files = [("photo", ("big.jpg", jpeg() + b"x" * 1_000_000, "")), ("photo", ("ok.jpg", jpeg("green"), ""))]
    answer = kim.program.post(place, files=files)
    assert answer.status_code == 201
    assert [entry["error"]["code"] for entry in answer.json()["refused"]] == ["too-large"]
    assert [photo["name"] for photo in answer.json()["photos"]] == ["ok.jpg"]


@pytest.mark.parametrize("cut", [0.2, 0.6, 0.99])
def test_half_a_body(site: Site, kim: Person, place: str, cut: float) -> None:
    body = part(jpeg("teal")) + f"--{BOUNDARY}--\r\n".encode()
    answer = send(kim, place, body[: int(len(body) * cut)])
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-upload")


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"--other\r\n\r\n", part(b"x", None) + f"--{BOUNDARY}--\r\n".encode(),
     b"\r\n" * 5000, f"--{BOUNDARY}\r\n".encode() + b"A" * 20_000, part(b"x") * 300],
)  # fmt: skip
def test_malformed_bodies(site: Site, kim: Person, place: str, body: bytes) -> None:
    answer = send(kim, place, body)
    assert answer.status_code in (400, 409, 415), answer.text
    assert stored(site, kim) == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/json", 415), ("multipart/form-data", 400), ("text/plain; boundary=x", 415),
     ("multipart/form-data; boundary=" + "x" * 99, 400)],
)  # fmt: skip
def test_other_kinds_of_bodies(kim: Person, place: str, kind: str, status: int) -> None:
    assert kim.program.post(place, content=b"--x--", headers={"Content-Type": kind}).status_code == status


def png_bomb(side: int = 20_000) -> bytes:
    """A few kilobytes that claim 400 megapixels, and unpack to them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = b"\0" * (side // 8 + 1)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zip_named_jpg() -> bytes:
    """An archive with ten megabytes of nothing."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", b"\0" * 10_000_000)
    return out.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(document.cookie)</script>"
XXE = b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'


@pytest.mark.parametrize(
    ("name", "data"),
    [("bomb.png", png_bomb()), ("a.jpg", zip_named_jpg()), ("a.svg", SVG), ("a.jpg", SVG), ("a.jpg", HTML),
     ("a.png", XXE), ("a.jpg", b""), ("a.jpg", jpeg()[:400]), ("a.gif", b"GIF89a" + HTML)],
    ids=["bomb", "zip", "svg", "svg-jpg", "html", "xxe", "empty", "half", "gif"],
)  # fmt: skip
def test_what_is_no_photo(site: Site, kim: Person, place: str, name: str, data: bytes) -> None:
    answer = kim.program.post(place, files={"photo": (name, data, "image/jpeg")})
    assert answer.status_code in (400, 413, 415, 422), answer.text
    assert answer.json()["hint"]["ko"] or answer.json()["message"]["ko"]
    assert answer.json()["refused"][0]["name"] == name
    assert stored(site, kim) == []


def test_a_polyglot_is_a_picture_and_nothing_more(site: Site, kim: Person, place: str) -> None:
    picture = jpeg("olive")
    # A comment segment full of HTML, and an archive behind the end: every viewer still shows the picture.
    comment = b"\xff\xfe" + struct.pack(">H", len(HTML) + 2) + HTML
    data = picture[:2] + comment + picture[2:] + zip_named_jpg()
    answer = kim.program.post(place, files={"photo": ("a.html", data, "text/html")})
    assert answer.status_code == 201
    (photo,) = stored(site, kim)
    kept = (site.studio.layout.photos(kim.user.id, photo.album_id) / photo.file).read_bytes()
    assert b"<script" not in kept
    assert b"PK\x03\x04" not in kept
    thumb = kim.browser.get(f"/files/photos/{photo.id}/thumb")
    assert thumb.headers["content-type"] == "image/jpeg"
    assert thumb.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    ["../../../etc/passwd", "..\\..\\x.jpg", "/etc/cron.d/x", "a\r\nX: y.jpg", "<script>.jpg", "x" * 500],
)
def test_names_lead_nowhere(site: Site, kim: Person, place: str, name: str) -> None:
    body = part(jpeg("maroon"), name.replace("\r\n", "%0D%0A")) + f"--{BOUNDARY}--\r\n".encode()
    answer = send(kim, place, body)
    assert answer.status_code == 201
    (photo,) = stored(site, kim)
    assert photo.file == f"{photo.id}.jpg"
    assert "/" not in photo.shown_name
    assert "\\" not in photo.shown_name
    assert len(photo.shown_name) <= 120


def test_the_album_has_room_for_so_many(site: Site, kim: Person, place: str) -> None:
    files = [
        ("photo", (f"{colour}.jpg", jpeg(colour), "")) for colour in ("red", "tan", "pink", "gold", "gray")
    ]
    answer = kim.program.post(place, files=files)
    assert len(answer.json()["photos"]) == 4
    assert [entry["error"]["code"] for entry in answer.json()["refused"]] == ["too-many-photos"]


def test_not_while_a_job_works_on_them(site: Site, kim: Person, place: str) -> None:
    from studio.access import album_of

    album = album_of(site.studio, kim.user.id, place.split("/")[4])
    seed_job(site.studio, album, state="running")
    answer = kim.program.post(place, files={"photo": jpeg()})
    assert (answer.status_code, answer.json()["code"]) == (409, "photos-locked")


def test_so_many_an_hour(site: Site, kim: Person, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "PHOTOS_AN_HOUR", 1)
    assert kim.program.post(place, files={"photo": jpeg("cyan")}).status_code == 201
    answer = kim.program.post(place, files={"photo": jpeg("coral")})
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many")
    assert int(answer.headers["retry-after"]) > 0
    with site.studio.db.session() as db:
        assert db.scalars(select(Attempt)).first() is not None


def test_anothers_album_is_known_before_a_byte_is_read(site: Site, kim: Person, place: str) -> None:
    lee = site.person(f"lee-{kim.user.id}@example.org")
    answer = lee.program.post(place, content=b"nothing of a multipart")
    assert answer.status_code == 404


def test_a_photo_can_be_deleted(site: Site, kim: Person, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.albums.judging._judge", lambda *_: None)
    photo = kim.program.post(place, files={"photo": jpeg("plum")}).json()["photos"][0]
    assert kim.program.delete(f"/api/v1/photos/{photo['id']}").json() == {"done": True}
    assert kim.program.get(photo["thumb_url"]).status_code == 404
    folder: Path = site.studio.layout.album(kim.user.id, photo["album_id"])
    assert list(folder.rglob("*.jpg")) == []
