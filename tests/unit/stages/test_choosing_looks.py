"""Pictures compared as pictures: the same photo in another guise, and photos that only share the person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from faces import detect
from stages.choosing.looks import look, nearest, picture_hash, repeated, same_face, same_place

EXAMPLES = Path(__file__).parents[3] / "examples" / "photos"


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(EXAMPLES / "01-portrait.jpg") as image:
        return image.convert("RGB")


def head_on(photo: Image.Image, place: Image.Image, *, at: tuple[float, float] = (0.3, 0.25)) -> Image.Image:
    """The head of a photo, somewhat smaller, before another backdrop."""
    (face,) = detect(photo)
    x0, y0, x1, y1 = (int(value) for value in face.box)
    grown = int(0.15 * face.height)
    head = photo.crop((x0 - grown // 2, y0 - grown, x1 + grown // 2, y1))
    head = head.resize((int(head.width * 0.8), int(head.height * 0.8)))
    oval = Image.new("L", head.size, 0)
    ImageDraw.Draw(oval).ellipse((8, 8, head.width - 8, head.height - 8), fill=255)
    picture = place.copy()
    corner = (int(place.width * at[0]), int(place.height * at[1]))
    picture.paste(head, corner, oval.filter(ImageFilter.GaussianBlur(4)))
    return picture


def somewhere(size: tuple[int, int], seed: int) -> Image.Image:
    """A place full of soft shapes."""
    small = np.random.default_rng(seed).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def test_a_hash_survives_size_compression_and_light(photo: Image.Image) -> None:
    first = picture_hash(np.asarray(photo))
    for other in (
        photo.resize((photo.width // 3, photo.height // 3)),
        ImageEnhance.Brightness(photo).enhance(0.8),
        photo.filter(ImageFilter.GaussianBlur(3)),
    ):
        assert (first ^ picture_hash(np.asarray(other))).bit_count() <= 6


def test_a_hash_tells_pictures_apart(photo: Image.Image) -> None:
    rng = np.random.default_rng(1)
    other = Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)).resize(photo.size)
    assert (picture_hash(np.asarray(photo)) ^ picture_hash(np.asarray(other))).bit_count() > 16


def test_a_flat_picture_has_a_hash_too() -> None:
    assert 0 <= picture_hash(np.full((64, 64, 3), 128, np.uint8)) < 2**64


def test_a_photo_is_found_again_in_another_crop_and_light(photo: Image.Image) -> None:
    known = look(photo)
    width, height = photo.size
    changed = ImageEnhance.Brightness(photo.crop((width // 12, height // 20, width, height))).enhance(0.85)
    assert repeated(look(changed), known) > 0.6


def test_the_same_face_before_another_backdrop_is_no_copy(photo: Image.Image) -> None:
    known, other = look(photo), look(head_on(photo, somewhere(photo.size, 0)))
    assert same_face(other, known) > 0.6
    assert same_place(known, other) < 0.2
    assert repeated(other, known) < 0.3


def test_the_same_place_is_known_again_with_another_head_in_it(photo: Image.Image) -> None:
    place = somewhere(photo.size, 5)
    first, second = look(head_on(photo, place)), look(head_on(photo, place, at=(0.32, 0.26)))
    assert same_place(first, second) > 0.8


def test_plain_backdrops_are_no_evidence(photo: Image.Image) -> None:
    plain = Image.new("RGB", photo.size, (128, 130, 133))
    first, second = look(head_on(photo, plain)), look(head_on(photo, plain, at=(0.2, 0.3)))
    assert same_place(first, second) < 0.1
    assert same_place(first, look(Image.new("RGB", (64, 64)))) == 0.0


def test_a_picture_without_a_face_can_still_be_a_copy(photo: Image.Image) -> None:
    width, height = photo.size
    lower = photo.crop((0, int(height * 0.7), width, height))
    known = look(lower)
    assert known.face is None
    assert repeated(look(lower.resize((300, 200))), known) == 1.0


def test_the_nearest_training_picture_is_named(photo: Image.Image) -> None:
    known = [("001.png", look(head_on(photo, somewhere(photo.size, 3)))), ("002.png", look(photo))]
    name, share = nearest(look(photo.resize((512, 512 * photo.height // photo.width))), known)
    assert (name, share) == ("002.png", 1.0)
    assert nearest(look(photo), []) == ("", 0.0)
