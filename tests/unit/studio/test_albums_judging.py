"""Verdicts on photos: in both languages, at once, new ones only, and on all together."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select

from faces import Face, Quality
from stages.lock import FolderLock
from studio.albums import (
    add_photo,
    album_advice,
    create_album,
    judge_photos,
    photo_file,
    remove_photo,
    thumb_file,
)
from studio.albums.judging import face_share
from studio.core import Studio
from studio.data import Album, Job, Photo
from studio.refusals import Refused
from tests.stubs.hostile_pictures import encoded, picture
from tests.stubs.studios import make_studio, make_user
from train_lora import Photo as Accepted
from train_lora import PhotoLimits
from train_lora.decoding import Refused as Unusable
from train_lora.decoding import decode
from train_lora.reasons import CATALOGUE, CODES
from train_lora.screening import Screened, screen

EXAMPLES = Path(__file__).parents[3] / "examples" / "photos"
MINJI, STRANGER, NOBODY = (200, 40, 40), (40, 40, 200), (10, 10, 10)
"""Colours of test pictures stand for who is on them."""
QUALITY = Quality(40.0, 0.5, 0.2, 0.0, 300.0, 0.0, 0.0)


class Screening:
    """Stands in for finding faces: the person is read from the picture's colour."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.picture_hash: int | None = None

    def __call__(self, path: Path, limits: PhotoLimits) -> Screened:
        self.seen.append(path.name)
        found = decode(path.read_bytes(), limits)
        red, _, blue = found.image.getpixel((100, 100))  # type: ignore[misc]
        facts: dict[str, str | int] = {
            "_sha256": found.sha256,
            "_width": found.width,
            "_height": found.height,
        }
        if max(red, blue) < 30:
            raise Unusable("no_face", **facts)
        who = 0.0 if red > blue else 1.0
        landmarks = ((120.0, 120.0), (180.0, 120.0), (150.0, 150.0), (130.0, 180.0), (170.0, 180.0))
        return Screened(
            path=path,
            sha256=found.sha256,
            width=found.width,
            height=found.height,
            turned_deg=0,
            face=Face((75.0, 100.0, 225.0, 300.0), landmarks, 0.9),
            embedding=(who, *[0.0] * 127),
            quality=QUALITY,
            picture_hash=int(found.sha256[:16], 16) if self.picture_hash is None else self.picture_hash,
            picture_size=found.image.size,
            code="ok",
            facts={},
        )


@pytest.fixture
def screening(monkeypatch: pytest.MonkeyPatch) -> Screening:
    stand_in = Screening()
    for module in ("screening", "photos"):
        monkeypatch.setattr(f"train_lora.{module}.screen", stand_in)
    return stand_in


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = make_studio(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def album(studio: Studio) -> Album:
    return create_album(studio, make_user(studio).id)


def _of(studio: Studio, album: Album, who: tuple[int, int, int], number: int) -> Photo:
    image = Image.new("RGB", (300, 400), who)
    image.paste((number * 9, 120, 120), (0, 0, 40, 40))
    return add_photo(studio, album.user_id, album.id, encoded(image, "PNG"), f"사진 {number}.png")


def _judged(studio: Studio, album: Album) -> dict[str, Photo]:
    return {photo.id: photo for photo in judge_photos(studio, album.user_id, album.id)}


def test_no_verdict_lacks_its_words_in_a_language() -> None:
    for language in ("ko", "en"):
        words = CATALOGUE[language]
        assert set(words) == set(CODES)
        for code in CODES:
            assert words[code].reason, (language, code)
            assert words[code].advice or code.startswith("ok"), (language, code)
            assert bool(re.search("[가-힣]", words[code].reason)) == (language == "ko")


def test_each_photo_has_its_verdict_in_both_languages(
    studio: Studio, album: Album, screening: Screening
) -> None:
    good, bad = _of(studio, album, MINJI, 1), _of(studio, album, NOBODY, 2)
    found = _judged(studio, album)
    assert (found[good.id].accepted, found[bad.id].accepted) == (True, False)
    said = found[bad.id].verdict
    assert said["code"] == "no_face"
    assert said["reason"]["ko"] == "얼굴을 찾지 못했습니다."
    assert said["reason"]["en"]
    assert said["advice"]["ko"]
    assert said["advice"]["en"]
    assert said["face"] is None
    assert found[good.id].verdict["face"] == [0.25, 0.25, 0.5, 0.5]


def test_only_new_photos_are_looked_at(studio: Studio, album: Album, screening: Screening) -> None:
    for number in range(3):
        _of(studio, album, MINJI, number)
    _judged(studio, album)
    assert len(screening.seen) == 3
    _judged(studio, album)
    assert len(screening.seen) == 3
    new = _of(studio, album, MINJI, 9)
    assert _judged(studio, album)[new.id].accepted
    assert screening.seen[3:] == [new.file]


def test_a_new_photo_can_change_what_is_said_of_the_others(
    studio: Studio, album: Album, screening: Screening
) -> None:
    first = [_of(studio, album, STRANGER, number) for number in range(2)]
    assert all(photo.accepted for photo in _judged(studio, album).values())
    for number in range(3, 9):
        _of(studio, album, MINJI, number)
    found = _judged(studio, album)
    assert {found[photo.id].verdict["code"] for photo in first} == {"someone_else"}
    assert sum(bool(photo.accepted) for photo in found.values()) == 6


def test_two_people_as_often_are_told_apart(studio: Studio, album: Album, screening: Screening) -> None:
    mine = [_of(studio, album, MINJI, number) for number in range(3)]
    hers = [_of(studio, album, STRANGER, number) for number in range(3, 6)]
    found = _judged(studio, album)
    assert {photo.verdict["code"] for photo in found.values()} == {"two_people"}
    groups = [{found[photo.id].verdict["reason"]["ko"] for photo in photos} for photos in (mine, hers)]
    assert [len(group) for group in groups] == [1, 1]
    assert groups[0] != groups[1]


def test_a_copy_is_named_as_the_user_calls_the_other(
    studio: Studio, album: Album, screening: Screening
) -> None:
    first, second = _of(studio, album, MINJI, 1), _of(studio, album, MINJI, 2)
    screening.picture_hash = 7
    found = _judged(studio, album)
    copies = [photo for photo in found.values() if photo.verdict["code"] == "near_duplicate"]
    assert len(copies) == 1
    other = first if copies[0].id == second.id else second
    assert other.shown_name in copies[0].verdict["reason"]["ko"]
    assert other.file not in str(copies[0].verdict)


def test_a_removed_photo_is_gone_with_all_that_was_found_on_it(
    studio: Studio, album: Album, screening: Screening
) -> None:
    photos = [_of(studio, album, MINJI, number) for number in range(2)]
    hers = [_of(studio, album, STRANGER, number) for number in range(3, 6)]
    _judged(studio, album)
    gone = hers[0]
    remove_photo(studio, album.user_id, gone.id)
    remove_photo(studio, album.user_id, hers[1].id)
    left = [path for path in studio.layout.user(album.user_id).rglob("*") if path.is_file()]
    assert not any(
        gone.id in path.name or gone.sha256 in path.read_bytes().decode("latin-1") for path in left
    )
    assert len(left) == 3 * 3, "photo, small picture and note of each"
    with studio.db.session() as db:
        assert db.get(Photo, gone.id) is None
        codes = {row.id: row.verdict["code"] for row in db.scalars(select(Photo))}
    assert len(screening.seen) == 5, "comparing anew looks at no photo again"
    assert codes[photos[0].id] in ("ok", "two_people")
    with pytest.raises(Refused, match="nothing here"):
        remove_photo(studio, album.user_id, gone.id)


def test_what_jobs_made_of_a_removed_photo_goes_with_it(
    studio: Studio, album: Album, screening: Screening
) -> None:
    gone, stays = _of(studio, album, MINJI, 1), _of(studio, album, MINJI, 2)
    _judged(studio, album)
    with studio.db.session() as db:
        job = Job(user_id=album.user_id, album_id=album.id, state="done")
        db.add(job)
    work, folder = studio.layout.work(album.user_id, album.id), studio.layout.job(album.user_id, job.id)
    made = [
        work / "dataset" / "1.png",
        work / "training" / "x",
        work / "store" / "blobs" / "ab",
        folder / "report.html",
    ]
    kept = [work / "lora" / "a.safetensors", folder / "portraits" / "01.png", photo_file(studio, stays)]
    for path in (*made, *kept[:2]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    with FolderLock(work / "lock"), pytest.raises(Refused) as caught:
        remove_photo(studio, album.user_id, gone.id)
    assert caught.value.code == "photos-locked"
    assert photo_file(studio, gone).is_file()
    remove_photo(studio, album.user_id, gone.id)
    assert not any(path.exists() for path in made)
    assert all(path.is_file() for path in kept)


def test_nobody_removes_or_judges_anothers(studio: Studio, album: Album, screening: Screening) -> None:
    photo = _of(studio, album, MINJI, 1)
    other = make_user(studio, "lee@example.org")
    for call in (
        lambda: remove_photo(studio, other.id, photo.id),
        lambda: judge_photos(studio, other.id, album.id),
        lambda: album_advice(studio, other.id, album.id),
    ):
        with pytest.raises(Refused, match="nothing here"):
            call()
    assert photo_file(studio, photo).is_file()


def test_while_a_job_works_no_photo_is_removed(studio: Studio, album: Album, screening: Screening) -> None:
    photo = _of(studio, album, MINJI, 1)
    with studio.db.session() as db:
        db.add(Job(user_id=album.user_id, album_id=album.id, state="queued"))
    with pytest.raises(Refused) as caught:
        remove_photo(studio, album.user_id, photo.id)
    assert caught.value.code == "photos-locked"
    assert photo_file(studio, photo).is_file()


def test_what_interrupted_uploads_left_behind_goes(
    studio: Studio, album: Album, screening: Screening
) -> None:
    kept, lost = _of(studio, album, MINJI, 1), _of(studio, album, MINJI, 2)
    photo_file(studio, lost).unlink()
    old, young = (photo_file(studio, kept).with_name(f"{name}.jpg") for name in ("0a0a0a0a", "0b0b0b0b"))
    for path in (old, young):
        path.write_bytes(encoded(picture(seed=3), "JPEG"))
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    assert list(_judged(studio, album)) == [kept.id]
    assert not old.exists()
    assert young.exists(), "it may be an upload that is just being written down"


def test_a_lost_small_picture_is_made_again(studio: Studio, album: Album, screening: Screening) -> None:
    photo = _of(studio, album, MINJI, 1)
    _judged(studio, album)
    thumb_file(studio, photo).unlink()
    _judged(studio, album)
    with Image.open(thumb_file(studio, photo)) as small:
        assert max(small.size) <= 480


def test_an_empty_album_has_no_verdicts_and_no_advice(studio: Studio, album: Album) -> None:
    assert judge_photos(studio, album.user_id, album.id) == []
    assert album_advice(studio, album.user_id, album.id) == []


def test_advice_on_the_set_comes_when_all_are_judged(
    studio: Studio, album: Album, screening: Screening
) -> None:
    for number in range(4):
        _of(studio, album, MINJI, number)
    assert album_advice(studio, album.user_id, album.id) == []
    _judged(studio, album)
    advice = album_advice(studio, album.user_id, album.id)
    assert any("4장" in one["ko"] and "4 photos" in one["en"] for one in advice)


def test_judging_from_many_threads_looks_once_at_each(
    studio: Studio, album: Album, screening: Screening
) -> None:
    for number in range(4):
        _of(studio, album, MINJI, number)
    threads = [threading.Thread(target=_judged, args=(studio, album)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(screening.seen) == 4


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_face_is_told_in_the_stored_photo_even_when_the_check_turned_it(degrees: int) -> None:
    stored = Image.new("L", (400, 200))
    stored.paste(255, (40, 20, 80, 60))
    turned = stored.rotate(degrees, expand=True)
    box = turned.getbbox()
    assert box is not None
    x0, y0, x1, y1 = box
    photo = Accepted(
        path=Path("x.jpg"),
        sha256="",
        width=1,
        height=1,
        face=Face((float(x0), float(y0), float(x1), float(y1)), (), 1.0),
        embedding=(),
        quality=QUALITY,
        picture_size=turned.size,
        turned_deg=degrees,
    )
    assert face_share(photo) == pytest.approx([0.1, 0.1, 0.1, 0.2])


@pytest.mark.slow
def test_real_photos_are_judged_and_a_new_one_alone_afterwards(
    studio: Studio, album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("01-portrait.jpg", "04-phone-upright.jpg", "06-overcast.png"):
        add_photo(studio, album.user_id, album.id, EXAMPLES / name, name)
    add_photo(studio, album.user_id, album.id, encoded(picture((600, 600)), "JPEG"), "quarters.jpg")
    with Image.open(EXAMPLES / "08-lamp-from-left.jpg") as portrait:
        lying = encoded(portrait.transpose(Image.Transpose.ROTATE_90), "PNG")
    found = {photo.shown_name: photo for photo in judge_photos(studio, album.user_id, album.id)}
    codes = {name: photo.verdict["code"] for name, photo in found.items()}
    assert codes == {
        "01-portrait.jpg": "ok",
        "04-phone-upright.jpg": "ok",
        "06-overcast.png": "ok",
        "quarters.jpg": "no_face",
    }
    looked: list[str] = []

    def counted(path: Path, limits: PhotoLimits) -> Screened:
        looked.append(path.name)
        return screen(path, limits)

    for module in ("screening", "photos"):
        monkeypatch.setattr(f"train_lora.{module}.screen", counted)
    new = add_photo(studio, album.user_id, album.id, lying, "lying.png")
    judged = {photo.id: photo for photo in judge_photos(studio, album.user_id, album.id)}[new.id]
    assert looked == [new.file]
    assert judged.verdict["code"] == "ok_turned"
    left, top, width, height = judged.verdict["face"]
    # Upright the face is at (0.18, 0.20) and 0.42 x 0.43; turned a quarter to the left it lies so:
    assert (left, top) == pytest.approx((0.20, 1 - 0.18 - 0.42), abs=0.05)
    assert (width, height) == pytest.approx((0.43, 0.42), abs=0.05)
