from __future__ import annotations

import math
import threading

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces import BOUNDARY, EMBEDDING_SIZE, FacesError, Person, detect, distance, embed, likeness_score


def embedding(pixels: np.ndarray) -> tuple[float, ...]:
    return embed(pixels, detect(pixels)[0])


def test_same_person_is_near_and_a_stranger_far(portrait: np.ndarray, stranger: np.ndarray) -> None:
    known = embedding(portrait)
    assert len(known) == EMBEDDING_SIZE
    assert distance(known, known) == 0.0
    darker = embedding((portrait * 0.5).astype(np.uint8))
    mirrored = embedding(cv2.flip(portrait, 1))
    assert distance(known, darker) < 0.3
    assert distance(known, mirrored) < 0.35
    assert distance(known, embedding(stranger)) > 0.65


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_costs_no_likeness(portrait: np.ndarray, turns: int) -> None:
    assert distance(embedding(portrait), embedding(np.rot90(portrait, turns).copy())) < 0.2


def test_the_same_picture_gives_the_same_numbers(portrait: np.ndarray) -> None:
    assert embedding(portrait) == embedding(portrait)


def test_threads_do_not_disturb_each_other(portrait: np.ndarray, stranger: np.ndarray) -> None:
    pictures = [portrait, stranger] * 2
    expected = [embedding(picture) for picture in pictures]
    answers: dict[int, tuple[float, ...]] = {}

    def work(index: int) -> None:
        answers[index] = embedding(pictures[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[index] for index in range(len(pictures))] == expected


def test_distance_needs_equal_lengths() -> None:
    with pytest.raises(ValueError, match="length"):
        distance((0.0,), (0.0, 1.0))


def test_score_stands_where_its_formula_says() -> None:
    assert likeness_score(BOUNDARY) == 0.5
    assert likeness_score(0.46) == pytest.approx(0.9)
    assert likeness_score(0.74) == pytest.approx(0.1)
    assert likeness_score(0.0) > 0.999
    assert likeness_score(0.89) < 0.02


@given(st.floats(min_value=0, max_value=1e300), st.floats(min_value=0, max_value=1e300))
def test_score_stays_between_0_and_1_and_never_rises(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0.0 <= likeness_score(high) <= likeness_score(low) <= 1.0


@pytest.mark.parametrize("bad", [-0.1, math.nan])
def test_score_refuses_what_is_no_distance(bad: float) -> None:
    with pytest.raises(ValueError, match="distance"):
        likeness_score(bad)


def test_person_measures_by_the_median() -> None:
    person = Person.from_embeddings([(0.0, 0.0), (0.0, 0.2), (0.0, 9.0)])
    assert person.distance((0.0, 0.0)) == pytest.approx(0.2)


def test_person_needs_a_face() -> None:
    with pytest.raises(FacesError, match="at least one"):
        Person.from_embeddings([])


def test_person_scores_pictures(portrait: np.ndarray, stranger: np.ndarray) -> None:
    person = Person.from_embeddings([embedding(portrait)])
    own = person.score(cv2.resize(portrait, (700, 700), interpolation=cv2.INTER_AREA))
    other = person.score(stranger)
    nobody = person.score(np.full((200, 200, 3), 90, np.uint8))
    assert own.score > 0.95
    assert own.face is not None
    assert own.distance == pytest.approx(0.05, abs=0.1)
    assert other.score < 0.25
    assert (nobody.distance, nobody.score, nobody.face) == (None, 0.0, None)
