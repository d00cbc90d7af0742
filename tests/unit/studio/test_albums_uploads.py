"""Photos taken in: limits before decoding, hostile files, what is kept, and what is not."""

from __future__ import annotations

import ast
import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps, PngImagePlugin
from sqlalchemy import event, select

from studio.albums import add_photo, create_album, photo_file, thumb_file
from studio.albums import uploads as module
from studio.albums.refusing import _STATUS, refuse_upload
from studio.core import Studio
from studio.data import Album, Job, Photo, User
from studio.refusals import Refused
from tests.stubs.hostile_pictures import HOSTILE, encoded, picture
from tests.stubs.studios import make_studio, make_user

ROOT = Path(__file__).parents[3]
SECRET = b"37.5665 126.9780 Kim Minji"


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = make_studio(tmp_path, max_photos=4, max_upload_mb=1, max_pixels_mp=4)
    yield opened
    opened.close()


@pytest.fixture
def user(studio: Studio) -> User:
    return make_user(studio)


@pytest.fixture
def album(studio: Studio, user: User) -> Album:
    return create_album(studio, user.id)


def _add(studio: Studio, album: Album, data: bytes | Path, name: str = "photo.jpg") -> Photo:
    return add_photo(studio, album.user_id, album.id, data, name)


def _refusal(studio: Studio, album: Album, data: bytes | Path) -> Refused:
    with pytest.raises(Refused) as caught:
        _add(studio, album, data)
    assert caught.value.texts["ko"]
    assert caught.value.texts["en"]
    assert _files(studio) == []
    assert _rows(studio) == []
    return caught.value


def _files(studio: Studio) -> list[str]:
    folders = (studio.layout.users, studio.layout.tmp)
    return sorted(path.name for folder in folders for path in folder.rglob("*") if path.is_file())


def _rows(studio: Studio) -> list[Photo]:
    with studio.db.session() as db:
        return list(db.scalars(select(Photo)))


@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_hostile_file_is_refused_and_leaves_nothing(studio: Studio, album: Album, name: str) -> None:
    make, code, status = HOSTILE[name]
    refused = _refusal(studio, album, make())
    assert (refused.code, refused.status) == (code, status)


def test_a_file_on_disk_is_held_to_the_same_limits(studio: Studio, album: Album, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    with path.open("wb") as stream:
        stream.truncate(50_000_000_000)  # a hole: it takes no room, and must never be read
    assert _refusal(studio, album, path).code == "too-large"
    path.write_bytes(encoded(picture(), "JPEG"))
    assert _add(studio, album, path).width == 300


def test_every_code_of_decoding_has_its_words_and_its_status() -> None:
    source = ast.parse((ROOT / "train_lora" / "decoding.py").read_text("utf-8"))
    codes = {
        str(node.args[0].value)
        for node in ast.walk(source)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Refused"
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(codes) >= 9
    assert codes <= _STATUS.keys()
    names = ("why", "megabytes", "limit_megabytes", "width", "height", "limit_megapixels", "min_side")
    facts: dict[str, str | int] = dict.fromkeys(names, 1)
    for code in _STATUS:
        refused = refuse_upload(code, {**facts, "format": "TIFF"})
        assert all(refused.texts.values())
        assert all(refused.hints.values())
        assert "pip" not in str(refused.to_json()), "no advice for operators"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_stored_upright(studio: Studio, album: Album, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(), "JPEG", exif=exif, quality=95)
    photo = _add(studio, album, data)
    with Image.open(io.BytesIO(data)) as sent, Image.open(photo_file(studio, photo)) as stored:
        upright = ImageOps.exif_transpose(sent)
        assert stored.size == upright.size == (photo.width, photo.height)
        for x, y in ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)):
            at = (int(x * stored.width), int(y * stored.height))
            ours, theirs = stored.getpixel(at), upright.getpixel(at)
            assert isinstance(ours, tuple)
            assert isinstance(theirs, tuple)
            assert all(abs(a - b) < 12 for a, b in zip(ours, theirs, strict=True))
        assert stored.getexif().get(0x0112) is None


def test_nothing_that_stood_beside_the_pixels_is_kept(studio: Studio, album: Album) -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[0x001D] = "2026:01:01"
    exif.get_ifd(0x8825)[0x001B] = SECRET
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", SECRET.decode())
    sent = {
        "JPEG": encoded(
            picture(), "JPEG", exif=exif, comment=SECRET, xmp=b"<x:xmpmeta>" + SECRET, icc_profile=SECRET
        ),
        "PNG": encoded(picture(seed=60), "PNG", exif=exif, pnginfo=info),
        "WEBP": encoded(picture(seed=120), "WEBP", exif=exif, xmp=SECRET),
    }
    for kind, data in sent.items():
        assert SECRET in data
        photo = _add(studio, album, data)
        for path in (photo_file(studio, photo), thumb_file(studio, photo)):
            stored = path.read_bytes()
            assert SECRET not in stored, kind
            assert b"Exif" not in stored
            with Image.open(path) as image:
                assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_picture_that_is_also_a_page_is_only_a_picture_afterwards(studio: Studio, album: Album) -> None:
    script = b"<script>alert(document.cookie)</script>"
    data = encoded(picture(), "JPEG", comment=b"*/" + script) + script
    photo = _add(studio, album, data, '"><script>alert(1)</script>.html')
    stored = photo_file(studio, photo)
    assert b"<script>" not in stored.read_bytes()
    assert stored.name == f"{photo.id}.jpg"


def test_a_heic_of_a_phone_is_taken(studio: Studio, album: Album) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    out = io.BytesIO()
    pillow_heif.from_pillow(picture((640, 480))).save(out, quality=90, exif=exif.tobytes())
    assert SECRET in out.getvalue()
    photo = _add(studio, album, out.getvalue(), "IMG_0001.HEIC")
    stored = photo_file(studio, photo).read_bytes()
    assert (photo.width, photo.height, photo.shown_name) == (640, 480, "IMG_0001.HEIC")
    assert stored[:3] == b"\xff\xd8\xff"
    assert SECRET not in stored


def test_a_heic_is_not_decoded_before_its_size_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (1100, 1000))).save(out, quality=10)
    monkeypatch.setattr(pillow_heif.HeifImage, "to_pillow", lambda _: pytest.fail("it was decoded"))
    studio = make_studio(tmp_path, max_pixels_mp=1)
    album = create_album(studio, make_user(studio).id)
    assert _refusal(studio, album, out.getvalue()).code == "too-many-pixels"
    studio.close()


def test_a_large_photo_is_reduced(tmp_path: Path) -> None:
    studio = make_studio(tmp_path, max_pixels_mp=20)
    album = create_album(studio, make_user(studio).id)
    photo = _add(studio, album, encoded(picture((4800, 2400)), "JPEG"))
    assert (photo.width, photo.height) == (4096, 2048)
    with Image.open(thumb_file(studio, photo)) as small:
        assert small.size == (480, 240)
    studio.close()


def test_the_row_tells_what_is_on_disk(studio: Studio, album: Album) -> None:
    photo = _add(studio, album, encoded(picture(), "PNG"), "셀카 1.png")
    path = photo_file(studio, photo)
    assert path.stat().st_size == photo.size_bytes
    assert path.stat().st_mode & 0o077 == 0
    assert (photo.shown_name, photo.accepted, photo.verdict) == ("셀카 1.png", None, {})
    assert photo.user_id == album.user_id
    assert _files(studio) == [photo.file, photo.file], "photo and small picture, nothing else"


def test_the_same_picture_again_is_the_same_photo(studio: Studio, album: Album) -> None:
    plain = encoded(picture(), "PNG")
    info = PngImagePlugin.PngInfo()
    info.add_text("place", "another one")
    first = _add(studio, album, plain)
    assert _add(studio, album, plain).id == first.id
    assert _add(studio, album, encoded(picture(), "PNG", pnginfo=info)).id == first.id
    assert len(_rows(studio)) == 1
    other = create_album(studio, album.user_id)
    assert _add(studio, other, plain).id != first.id, "another album has its own"


def test_a_full_album_refuses_before_it_decodes(
    studio: Studio, album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(4):
        _add(studio, album, encoded(picture(seed=seed * 40), "PNG"))
    monkeypatch.setattr(module, "_encode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(Refused) as caught:
        _add(studio, album, encoded(picture(seed=200), "PNG"))
    assert (caught.value.code, caught.value.status) == ("too-many-photos", 409)


def _at_once(*calls: Callable[[], object]) -> list[object]:
    """What each call gave or raised; all begin together."""
    found: list[object] = []
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        start.wait()
        try:
            found.append(call())
        except Refused as refused:
            found.append(refused.code)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_uploads_at_once_do_not_get_past_the_limit(studio: Studio, album: Album) -> None:
    files = [encoded(picture(seed=seed * 25), "PNG") for seed in range(7)]
    found = _at_once(*(lambda data=data: _add(studio, album, data) for data in files))
    assert found.count("too-many-photos") == 3
    assert len(_rows(studio)) == 4
    assert len(_files(studio)) == 8


def test_the_same_picture_at_once_is_one_photo(studio: Studio, album: Album) -> None:
    data = encoded(picture(), "PNG")
    found = _at_once(*[lambda: _add(studio, album, data).id] * 4)
    assert len(set(found)) == 1
    assert len(_rows(studio)) == 1
    assert len(_files(studio)) == 2


def test_while_a_job_works_photos_stay_as_they_are(studio: Studio, album: Album) -> None:
    with studio.db.session() as db:
        db.add(Job(user_id=album.user_id, album_id=album.id, state="running"))
    with pytest.raises(Refused) as caught:
        _add(studio, album, encoded(picture(), "PNG"))
    assert (caught.value.code, caught.value.status) == ("photos-locked", 409)


def test_nobody_puts_photos_into_anothers_album(studio: Studio, album: Album) -> None:
    other = make_user(studio, "lee@example.org")
    with pytest.raises(Refused) as caught:
        add_photo(studio, other.id, album.id, encoded(picture(), "PNG"), "x")
    assert (caught.value.code, caught.value.status) == ("not-found", 404)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_nothing_is_left(
    studio: Studio, album: Album, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(_: int) -> None:
        raise OSError(number, "no room")

    monkeypatch.setattr(os, "fsync", full)
    refused = _refusal(studio, album, encoded(picture(), "PNG"))
    assert (refused.code, refused.status) == ("disk-full", 507)


def test_another_trouble_with_the_disk_is_no_full_disk(
    studio: Studio, album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="broken"):
        _add(studio, album, encoded(picture(), "PNG"))
    assert _files(studio) == []


def test_a_full_database_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    studio = make_studio(tmp_path, max_photos=40)
    album = create_album(studio, make_user(studio).id)

    def no_more_pages(connection: Any, _record: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    studio.db.close()
    event.listen(studio.db.engine, "connect", no_more_pages)
    kept: list[Photo] = []

    def until_full() -> None:
        for seed in range(40):
            data = encoded(picture((256, 256), seed=seed * 5), "PNG")
            kept.append(_add(studio, album, data, "긴 이름 " * 40))

    with pytest.raises(Refused) as caught:
        until_full()
    assert (caught.value.code, caught.value.status) == ("disk-full", 507)
    assert len(_files(studio)) == 2 * len(kept) == 2 * len(_rows(studio))
    studio.close()


def test_an_upload_that_breaks_off_leaves_neither_row_nor_file(
    studio: Studio, album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        _add(studio, album, encoded(picture(), "PNG"))
    assert (_files(studio), _rows(studio)) == ([], [])


def test_photos_are_kept_for_as_long_as_the_operator_says(studio: Studio, album: Album) -> None:
    photo = _add(studio, album, encoded(picture(), "PNG"))
    with studio.db.session() as db:
        row = db.get(Album, album.id)
    assert row is not None
    assert row.keep_photos_until == pytest.approx(photo.created_at + 30 * 86_400, abs=60)


def test_adding_photos_again_takes_the_albums_deletion_back(studio: Studio, album: Album) -> None:
    with studio.db.session() as db:
        row = db.get(Album, album.id)
        assert row is not None
        row.photos_deleted_at = 1.0
    _add(studio, album, encoded(picture(), "PNG"))
    with studio.db.session() as db:
        assert db.scalar(select(Album.photos_deleted_at).where(Album.id == album.id)) is None
