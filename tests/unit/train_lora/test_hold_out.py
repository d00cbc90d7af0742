from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces import Face, Quality
from train_lora import Photo
from train_lora.hold_out import hold_out, light, view

FACE = Face(
    (0.0, 0.0, 300.0, 400.0),
    ((90.0, 100.0), (210.0, 100.0), (150.0, 170.0), (100.0, 220.0), (200.0, 220.0)),
    1.0,
)


def photo(
    name: str,
    *,
    yaw: float = 0.0,
    grey: float = 0.5,
    sharpness: float = 40.0,
    at: tuple[float, ...] = (0.0, 0.0),
) -> Photo:
    quality = Quality(sharpness, grey, 0.2, 0.0, 400.0, yaw, 0.0)
    return Photo(Path(name), name, 600, 800, FACE, at, quality, (600, 800))


def names(photos: tuple[Photo, ...]) -> list[str]:
    return [one.file for one in photos]


@pytest.mark.parametrize(
    ("count", "wanted", "out"),
    [(5, 2, 0), (6, 2, 1), (9, 2, 1), (10, 2, 2), (10, 1, 1), (20, 9, 4), (12, 0, 0)],
)
def test_never_more_than_a_fifth_and_none_of_five(count: int, wanted: int, out: int) -> None:
    parts = hold_out([photo(f"p{n}") for n in range(count)], wanted)
    assert len(parts.held_out) == out
    assert len(parts.training) == count - out
    assert bool(parts.why) is (out < wanted)


def test_it_says_why() -> None:
    few = hold_out([photo(f"p{n}") for n in range(5)], 1)
    assert few.why.startswith("No photo is held out: of 5 all")
    assert hold_out([photo(f"p{n}") for n in range(6)], 2).why.startswith("1 instead of 2")


def test_good_photos_judge() -> None:
    photos = [photo(f"p{n}", sharpness=20.0) for n in range(9)] + [photo("sharp", sharpness=48.0)]
    assert names(hold_out(photos, 1).held_out) == ["sharp"]


def test_typical_photos_judge() -> None:
    photos = [photo(f"p{n}", at=(0.3 * (-1) ** n, 0.0)) for n in range(9)] + [photo("middle", at=(0.0, 0.0))]
    assert names(hold_out(photos, 1).held_out) == ["middle"]


@pytest.mark.parametrize("only", [{"yaw": -30.0}, {"yaw": 30.0}, {"grey": 0.2}, {"grey": 0.75}])
def test_the_only_photo_of_its_kind_is_trained_on(only: dict[str, float]) -> None:
    photos = [photo(f"p{n}", sharpness=20.0) for n in range(9)] + [photo("only", sharpness=48.0, **only)]
    assert names(hold_out(photos, 1).held_out) != ["only"]
    two = [*photos[:8], photo("one", sharpness=48.0, **only), photo("two", sharpness=48.0, **only)]
    # Of two of a kind one may go, and only one.
    assert len({"one", "two"} & set(names(hold_out(two, 2).held_out))) <= 1


def test_both_heaps_keep_the_order() -> None:
    photos = [photo(f"p{n:02}", sharpness=20.0 + n) for n in range(15)]
    parts = hold_out(photos, 3)
    assert names(parts.training) == sorted(names(parts.training))
    assert names(parts.held_out) == sorted(names(parts.held_out))


KINDS = st.tuples(st.sampled_from([-30.0, 0.0, 30.0]), st.sampled_from([0.2, 0.5, 0.75]), st.floats(10, 60))


@given(st.lists(KINDS, min_size=1, max_size=25), st.integers(0, 10), st.randoms())
def test_always_as_many_as_allowed_and_never_the_last_of_a_kind(
    kinds: list[tuple[float, float, float]], wanted: int, shuffler: random.Random
) -> None:
    photos = [
        photo(f"p{n}", yaw=yaw, grey=grey, sharpness=sharp) for n, (yaw, grey, sharp) in enumerate(kinds)
    ]
    parts = hold_out(photos, wanted)
    allowed = len(photos) // 5 if len(photos) >= 6 else 0
    assert len(parts.held_out) == min(wanted, allowed)
    assert set(map(view, photos)) == set(map(view, parts.training))
    assert set(map(light, photos)) == set(map(light, parts.training))
    assert Counter(names(parts.training + parts.held_out)) == Counter(names(tuple(photos)))
    shuffled = list(photos)
    shuffler.shuffle(shuffled)
    assert set(names(hold_out(shuffled, wanted).held_out)) == set(names(parts.held_out))


def test_fewer_than_none_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        hold_out([], -1)
    assert hold_out([], 2).held_out == ()
