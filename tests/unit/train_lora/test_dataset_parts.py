"""What else goes into a dataset: half-body pictures, descriptions, other people; and what stays out."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import shutil
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from train_lora import PhotoLimits, PhotoSet, TrainError, build_dataset, load_photos, read_dataset
from train_lora.crops import plan_crop
from train_lora.dataset import RegularisationImage, _plan

TRIGGER = "ohwx person"


def png(size: tuple[int, int] = (64, 64), *, mode: str = "RGB", text: str = "") -> bytes:
    out, info = io.BytesIO(), PngInfo()
    info.add_text("parameters", text)
    Image.new(mode, size, 128).save(out, "PNG", pnginfo=info)
    return out.getvalue()


@pytest.fixture(scope="module")
def six(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    """Six photos, one of which shows half of the body."""
    folder = tmp_path_factory.mktemp("six")
    for number in ("01", "02", "05", "06", "07", "08"):
        shutil.copy(next(examples.glob(f"{number}-*")), folder)
    return load_photos(folder)


def test_some_photos_are_shown_with_the_body_too(tmp_path: Path, six: PhotoSet) -> None:
    none = build_dataset(six, tmp_path / "b", trigger=TRIGGER)
    assert {item.kind for item in none.items} == {"face"}
    made = build_dataset(
        six, tmp_path / "c", trigger=TRIGGER, half_body_share=1.0, caption_template="{trigger}, {framing}"
    )
    bodies = [item for item in made.items if item.kind == "half-body"]
    assert 1 <= len(bodies) < 6, "close photos hold no body"
    for body in bodies:
        before = made.items[made.items.index(body) - 1]
        assert (before.kind, before.source_sha256) == ("face", body.source_sha256)
        assert body.caption == "ohwx person, upper body"
    assert read_dataset(made.dir).items == made.items
    assert build_dataset(six, tmp_path / "e", trigger=TRIGGER, half_body_share=0.17).items[0].kind == "face"
    with pytest.raises(ValueError, match="0 to 1"):
        build_dataset(six, tmp_path / "d", trigger=TRIGGER, half_body_share=1.5)


def test_half_bodies_are_as_many_as_asked_for(photo_set: PhotoSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train_lora.dataset.plan_half_body", lambda size, face, **_: plan_crop(size, face))
    photos = [dataclasses.replace(photo_set.accepted[0], sha256=f"{n:064x}") for n in range(10)]
    for share, count in ((0.0, 0), (0.04, 0), (0.05, 1), (0.25, 3), (1.0, 10)):
        plans = _plan(photos, 512, 2.0, share)
        assert sum(len(crops) == 2 for _, crops in plans) == count
    best = dataclasses.replace(
        photos[7], quality=dataclasses.replace(photos[7].quality, sharpness=90.0, yaw=0.0)
    )
    (chosen,) = (photo for photo, crops in _plan([*photos[:7], best], 512, 2.0, 0.1) if len(crops) == 2)
    assert chosen is best


def test_held_out_photos_are_nowhere_in_it(tmp_path: Path, six: PhotoSet) -> None:
    made = build_dataset(six, tmp_path / "d", trigger=TRIGGER, held_out=1)
    assert len(made.held_out) == 1
    assert made.held_out_why == ""
    assert set(made.source) | set(made.held_out) == set(six.accepted)
    assert {item.source_sha256 for item in made.items} == {photo.sha256 for photo in made.source}
    text = (made.dir / "manifest.json").read_text(encoding="utf-8")
    assert not any(photo.sha256 in text for photo in made.held_out)


def test_it_says_when_none_can_be_held_out(tmp_path: Path, photo_set: PhotoSet) -> None:
    made = build_dataset(photo_set, tmp_path / "d", trigger=TRIGGER, held_out=2)
    assert made.held_out == ()
    assert made.source == photo_set.accepted
    assert made.held_out_why.startswith("No photo is held out: of 4")


def test_descriptions_follow_and_are_cleaned(tmp_path: Path, photo_set: PhotoSet) -> None:
    seen: list[tuple[int, int]] = []

    def describe(data: bytes) -> str:
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "PNG"
            seen.append(image.size)
        return "a woman in an orange suit, Eileen Collins, (smiling:1.2)"

    made = build_dataset(photo_set, tmp_path / "d", trigger=TRIGGER, captioner=describe)
    assert seen == [(item.width, item.height) for item in made.items]
    assert {item.caption for item in made.items} == {"a photo of ohwx person, in an orange suit, smiling"}
    plain = build_dataset(photo_set, tmp_path / "p", trigger=TRIGGER)
    assert plain.manifest_sha256 != made.manifest_sha256


def test_a_captioner_that_fails_leaves_no_dataset(tmp_path: Path, photo_set: PhotoSet) -> None:
    with pytest.raises(TrainError, match="no description"):
        build_dataset(photo_set, tmp_path / "d", trigger=TRIGGER, captioner=lambda _png: "<error>")
    assert list(tmp_path.iterdir()) == []


def test_other_people_stand_in_a_folder_of_their_own(tmp_path: Path, photo_set: PhotoSet) -> None:
    others = [
        RegularisationImage(png(text="secret prompt"), "photo of a  woman"),
        RegularisationImage(png(mode="L"), "x"),
    ]
    made = build_dataset(photo_set, tmp_path / "d", trigger=TRIGGER, regularisation=others)
    assert made.regularisation == ("reg/001.png", "reg/002.png")
    assert (made.dir / "reg" / "001.txt").read_text() == "photo of a woman\n"
    for name in made.regularisation:
        with Image.open(made.dir / name) as image:
            assert (image.mode, image.size, image.info) == ("RGB", (64, 64), {})
    assert read_dataset(made.dir).regularisation == made.regularisation
    without = build_dataset(photo_set, tmp_path / "p", trigger=TRIGGER)
    assert without.manifest_sha256 != made.manifest_sha256
    assert without.items == made.items
    (made.dir / "reg" / "002.png").unlink()
    with pytest.raises(TrainError, match="not a complete dataset"):
        read_dataset(made.dir)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (RegularisationImage(b"no picture", "photo of a woman"), "is no picture"),
        (RegularisationImage(png()[:60], "photo of a woman"), "is no picture"),
        (RegularisationImage(png(), "photo of OHWX person"), "cannot stand"),
        (RegularisationImage(png(), " "), "cannot stand"),
    ],
)
def test_other_people_that_would_spoil_the_training_are_refused(
    tmp_path: Path, photo_set: PhotoSet, other: RegularisationImage, words: str
) -> None:
    with pytest.raises(TrainError, match=words):
        build_dataset(photo_set, tmp_path / "d", trigger=TRIGGER, regularisation=[other])
    assert list(tmp_path.iterdir()) == []


def test_a_changed_caption_is_noticed(tmp_path: Path, photo_set: PhotoSet) -> None:
    made = build_dataset(photo_set, tmp_path / "d", trigger=TRIGGER)
    (made.dir / "001.txt").write_text("somebody else\n")
    with pytest.raises(TrainError, match="has changed"):
        read_dataset(made.dir)


def test_the_family_is_told_apart(tmp_path: Path, photo_set: PhotoSet) -> None:
    first = build_dataset(photo_set, tmp_path / "d", trigger=TRIGGER, size=1024, family="sdxl")
    assert first.family == read_dataset(first.dir).family == "sdxl"
    assert max(item.width * item.height for item in first.items) > 700**2


def test_a_full_disk_is_an_error_with_what_to_do(
    tmp_path: Path, photo_set: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TrainError, match=r"No space left.*free space"):
        build_dataset(photo_set, tmp_path / "d", trigger=TRIGGER)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["jpeg", "heic"])
def test_phone_photos_become_upright_pictures_without_metadata(
    tmp_path: Path, portrait: Image.Image, kind: str
) -> None:
    """A tall photo as a phone stores it: lying on its side, with place and time in it."""
    tall = portrait.crop((100, 0, 800, 1000)).resize((420, 600), Image.Resampling.LANCZOS)
    exif = Image.Exif()
    exif[0x010F] = "PhoneMaker"
    exif.get_ifd(0x8769)[0x9003] = "2026:05:01 12:30:00"
    exif.get_ifd(0x8825)[0x0001] = "N"
    folder = tmp_path / "photos"
    folder.mkdir()
    if kind == "jpeg":
        exif[0x0112] = 6
        tall.rotate(90, expand=True).save(folder / "photo.jpg", quality=92, exif=exif)
    else:
        pillow_heif.from_pillow(tall).save(folder / "photo.heic", quality=90, exif=exif.tobytes())
    photos = load_photos(folder, limits=PhotoLimits(min_photos=1))
    (photo,) = photos.accepted
    assert photo.taken is not None
    assert photo.taken.isoformat() == "2026-05-01T12:30:00"
    assert (photo.width, photo.height) == (420, 600)
    made = build_dataset(photos, tmp_path / "d", trigger=TRIGGER)
    (item,) = made.items
    assert item.width < item.height
    raw = (made.dir / item.image).read_bytes()
    assert b"PhoneMaker" not in raw
    assert b"2026" not in raw
    with Image.open(io.BytesIO(raw)) as image:
        assert (image.format, image.mode, image.info, dict(image.getexif())) == ("PNG", "RGB", {}, {})
    assert "2026" not in json.dumps(json.loads((made.dir / "manifest.json").read_text()))
