from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces import Face, Quality
from train_lora.grouping import find_copies, find_doubtful, find_person
from train_lora.limits import PhotoLimits
from train_lora.screening import Screened

LIMITS = PhotoLimits()
FACE = Face(
    (0.0, 0.0, 100.0, 100.0), ((30.0, 30.0), (70.0, 30.0), (50.0, 50.0), (35.0, 80.0), (65.0, 80.0)), 1.0
)


def screened(name: str, *, picture_hash: int, sha256: str | None = None, sharpness: float = 40.0) -> Screened:
    quality = Quality(sharpness, 0.55, 0.2, 0.0, 400.0, 0.0, 0.0)
    return Screened(
        Path(name), sha256 or name, 10, 10, 0, FACE, (0.0,), quality, picture_hash, (10, 10), "ok", {}
    )


def test_the_better_of_two_similar_pictures_stays() -> None:
    photos = [
        screened("a", picture_hash=0b0, sharpness=10),
        screened("b", picture_hash=0b111111, sharpness=40),
        screened("c", picture_hash=(1 << 64) - 1),
    ]
    (copy,) = find_copies(photos, LIMITS)
    assert (copy.index, copy.of, copy.same_file) == (0, 1, False)


def test_one_bit_more_is_another_picture() -> None:
    photos = [screened("a", picture_hash=0), screened("b", picture_hash=0b1111111)]
    assert find_copies(photos, LIMITS) == []


def test_of_equal_files_the_first_stays() -> None:
    photos = [screened(name, picture_hash=5, sha256="same") for name in "abc"]
    assert [(copy.index, copy.of, copy.same_file) for copy in find_copies(photos, LIMITS)] == [
        (1, 0, True),
        (2, 0, True),
    ]


def people(*positions: float) -> list[tuple[float, float]]:
    """Embeddings on a line: the same number is the same person."""
    return [(position, 0.01 * index) for index, position in enumerate(positions)]


def test_one_person_is_one_person() -> None:
    identity = find_person(people(0, 0, 0, 0), LIMITS)
    assert identity.person == (0, 1, 2, 3)
    assert identity.others == identity.rival == ()


def test_the_odd_one_out_is_found_wherever_it_stands() -> None:
    for place in range(5):
        positions = [0.0] * 5
        positions[place] = 1.0
        identity = find_person(people(*positions), LIMITS)
        assert identity.others == (place,)
        assert identity.rival == ()


@pytest.mark.parametrize(
    ("first", "second", "unclear"),
    [(5, 5, True), (3, 2, True), (2, 1, True), (1, 1, True), (7, 3, False), (3, 1, False)],
)
def test_when_it_is_unclear_who_is_meant(first: int, second: int, unclear: bool) -> None:
    identity = find_person(people(*[0.0] * first, *[1.0] * second), LIMITS)
    assert len(identity.person) == first
    assert bool(identity.rival) is unclear


def test_many_different_strangers_are_no_second_person() -> None:
    identity = find_person(people(0, 0, 0, 0, 0, 2, 4, 6, 8), LIMITS)
    assert identity.others == (5, 6, 7, 8)
    assert identity.rival == ()


def test_a_look_alike_does_not_chain_two_people_together() -> None:
    identity = find_person(people(0, 0, 0, 0, 0, 0.5, 1.0, 1.0), LIMITS)
    assert set(identity.others) == {6, 7}


def test_nobody_is_nobody() -> None:
    assert find_person([], LIMITS).person == ()


@given(st.lists(st.floats(0, 3), min_size=1, max_size=12))
def test_everybody_is_on_one_side_exactly(positions: list[float]) -> None:
    identity = find_person(people(*positions), LIMITS)
    assert sorted(itertools.chain(identity.person, identity.others)) == list(range(len(positions)))
    assert set(identity.rival) <= set(identity.others)
    assert identity.person


def around(*distances: float) -> list[tuple[float, ...]]:
    """Embeddings each so far from a common middle, all in directions of their own."""
    return [
        tuple(far if axis == n else 0.0 for axis in range(len(distances))) for n, far in enumerate(distances)
    ]


def test_a_look_alike_in_a_small_set_is_pointed_out() -> None:
    """Four photos 0.28 apart and one 0.53 from each: below the boundary of persons, and yet apart."""
    embeddings = around(0.2, 0.2, 0.2, 0.2, 0.49)
    assert find_person(embeddings, LIMITS).others == ()
    assert find_doubtful(embeddings, range(5), LIMITS) == (4,)


def test_a_varied_set_has_no_look_alike() -> None:
    """All about 0.5 apart: other years, other sides."""
    embeddings = around(0.36, 0.36, 0.36, 0.36, 0.38)
    assert find_doubtful(embeddings, range(5), LIMITS) == ()


def test_a_tight_set_may_have_one_that_is_merely_less_alike() -> None:
    assert find_doubtful(around(0.1, 0.1, 0.1, 0.1, 0.4), range(5), LIMITS) == ()


def test_three_photos_say_nothing_about_each_other() -> None:
    assert find_doubtful(around(0.2, 0.2, 0.49), range(3), LIMITS) == ()


def test_a_stranger_is_refused_and_not_only_pointed_out() -> None:
    embeddings = around(0.2, 0.2, 0.2, 0.2, 0.62)
    identity = find_person(embeddings, LIMITS)
    assert identity.others == (4,)
    assert find_doubtful(embeddings, identity.person, LIMITS) == ()
