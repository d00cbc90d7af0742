from __future__ import annotations

import re
import string
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from faces import Face, Quality
from train_lora import Photo, PhotoSet
from train_lora.advice import CATALOGUE, CODES, Advice, advise
from train_lora.reasons import LANGUAGES

SPAN = 60.0
FACE = Face(
    (240.0, 60.0, 360.0, 210.0),
    ((270.0, 120.0), (330.0, 120.0), (300.0, 155.0), (276.0, 174.0), (324.0, 174.0)),
    1.0,
)
"""Of a person who stands in a photo of 600 x 900 down to the knees."""
DAY = datetime(2026, 5, 1, 12, 0, 0)


def photo(number: int, **quality: float) -> Photo:
    given = {
        "sharpness": 40.0, "brightness": 0.45 + 0.05 * (number % 4), "contrast": 0.2, "clipped": 0.0,
        "face_px": 300.0, "yaw": (-25.0, 0.0, 25.0)[number % 3], "roll": 0.0, **quality,
    }  # fmt: skip
    taken = DAY + timedelta(days=number)
    return Photo(
        Path(f"p{number}"), f"p{number}", 600, 900, FACE, (0.0,), Quality(**given), (600, 900), taken=taken
    )


GOOD = tuple(photo(number) for number in range(10))


def codes(photos: tuple[Photo, ...]) -> list[str]:
    return [advice.code for advice in advise(photos)]


def with_quality(**quality: float) -> tuple[Photo, ...]:
    return tuple(replace(one, quality=replace(one.quality, **quality)) for one in GOOD)


def test_nothing_is_said_about_a_good_set() -> None:
    assert advise(GOOD) == ()
    assert advise(()) == ()


@pytest.mark.parametrize(
    ("photos", "code"),
    [
        (GOOD[:7], "few_photos"),
        (with_quality(yaw=3.0), "only_front"),
        (with_quality(sharpness=20.0), "soft"),
        (with_quality(brightness=0.25), "all_dim"),
        (with_quality(brightness=0.7), "all_bright"),
        (with_quality(brightness=0.5), "one_light"),
        (with_quality(face_px=150.0), "small_faces"),
        (with_quality(eyes_covered=True), "dark_glasses"),
        (with_quality(mouth_covered=True), "masks"),
        (tuple(replace(one, taken=DAY) for one in GOOD), "one_session"),
        (tuple(replace(one, width=600, height=240, picture_size=(600, 240)) for one in GOOD), "all_close"),
    ],
)
def test_each_lack_is_named_and_nothing_else(photos: tuple[Photo, ...], code: str) -> None:
    assert codes(photos) == [code]


@pytest.mark.parametrize(("kept", "code"), [((0, 1), "no_right"), ((1, 2), "no_left"), ((0, 2), "no_front")])
def test_a_missing_side_is_named(kept: tuple[int, int], code: str) -> None:
    photos = tuple(one for number, one in enumerate(GOOD * 2) if number % 10 % 3 in kept)
    assert codes(photos) == [code]


def test_light_from_different_sides_is_different_light() -> None:
    even = with_quality(brightness=0.5)
    mixed = (*even[:9], replace(even[9], quality=replace(even[9].quality, side_light=0.2)))
    assert codes(mixed) == []


def test_one_photo_from_another_day_is_enough() -> None:
    same = tuple(replace(one, taken=DAY + timedelta(minutes=10 * n)) for n, one in enumerate(GOOD))
    assert codes(same) == ["one_session"]
    assert codes((*same[:9], replace(same[9], taken=DAY + timedelta(days=1)))) == []


def test_a_few_dates_say_nothing_about_all() -> None:
    assert codes(tuple(replace(one, taken=DAY if n < 5 else None) for n, one in enumerate(GOOD))) == []
    assert codes(tuple(replace(one, taken=None) for one in GOOD)) == []


def test_one_soft_photo_is_no_soft_set() -> None:
    assert codes((*GOOD[:9], replace(GOOD[9], quality=replace(GOOD[9].quality, sharpness=16.0)))) == []


def test_the_weightiest_comes_first() -> None:
    photos = tuple(replace(one, quality=replace(one.quality, sharpness=16.0, yaw=0.0)) for one in GOOD[:4])
    assert codes(photos) == sorted(codes(photos), key=CODES.index)
    assert codes(photos)[0] == "few_photos"
    assert advise(photos)[0].describe().startswith("4 photos are few")


def test_the_examples_show_one_side_only(photo_set: PhotoSet) -> None:
    found = [advice.code for advice in advise(photo_set)]
    assert found[:2] == ["few_photos", "only_front"]
    assert "dark_glasses" not in found
    assert "masks" not in found


@pytest.mark.parametrize("code", CODES)
def test_every_language_says_the_same_things(code: str) -> None:
    assert set(CATALOGUE) == set(LANGUAGES)
    assert set(CATALOGUE["ko"]) == set(CODES)

    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english, korean = CATALOGUE["en"][code], CATALOGUE["ko"][code]
    assert fields(english) == fields(korean) <= {"count", "total"}
    assert re.search("[가-힣]", korean)
    assert english.endswith(".")
    assert korean.endswith(".")
    facts = {"count": 3, "total": 9}
    assert "{" not in Advice(code, facts).describe("en") + Advice(code, facts).describe("ko")
