"""The score's formula, number by number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages.choosing import scoring
from stages.choosing.scoring import Seen, judge, nearness

HALF = (scoring.SITTING + scoring.STRANGER) / 2
PICTURE = Seen(asked=0, likeness=0.9, distance=HALF, sharp=True, print=0, embedding=None, copying=0.0)
"""Half way between the person and a stranger; the only one of its prompt, so nothing speaks of variety."""


@pytest.mark.parametrize(
    ("changes", "score"),
    [
        ({}, 0.5),
        ({"distance": scoring.SITTING}, 1.0),
        ({"distance": 0.0}, 1.0),
        ({"distance": scoring.STRANGER}, 0.0),
        ({"distance": 1.2}, 0.0),
        ({"distance": None}, 0.0),
        ({"sharp": False}, 0.0),
        ({"copying": 1.0}, 0.2),
        ({"copying": 0.5}, 0.35),
        ({"likeness": 0.1}, 0.5),
    ],
)
def test_one_picture(changes: dict[str, object], score: float) -> None:
    assert judge([replace(PICTURE, **changes)]).score == pytest.approx(score, abs=1e-4)  # type: ignore[arg-type]


def test_a_face_that_is_not_sharp_is_no_likeness_however_near() -> None:
    assert nearness(replace(PICTURE, distance=scoring.SITTING, sharp=False)) == 0.0


def test_pictures_that_are_all_alike_cost_a_fifth() -> None:
    same = [PICTURE, replace(PICTURE, asked=1)]
    other = [PICTURE, replace(PICTURE, asked=1, print=(1 << scoring.APART_BITS) - 1)]
    half = [
        PICTURE,
        replace(PICTURE, asked=1, print=(1 << (scoring.APART_BITS + scoring.ALIKE_BITS) // 2) - 1),
    ]
    assert judge(same).score == pytest.approx(0.4)
    assert judge(half).score == pytest.approx(0.45)
    assert judge(other).score == pytest.approx(0.5)
    assert [judge(pictures).variety for pictures in (same, half, other)] == pytest.approx([0.0, 0.5, 1.0])


def test_two_pictures_of_one_prompt_may_be_alike() -> None:
    assert judge([PICTURE, PICTURE]).score == pytest.approx(0.5)


def test_a_trial_is_the_mean_of_its_pictures_and_never_the_best() -> None:
    hit, miss = replace(PICTURE, distance=scoring.SITTING), replace(PICTURE, distance=scoring.STRANGER)
    verdict = judge([hit, miss, replace(miss, likeness=0.1), miss])
    assert verdict.score == pytest.approx(0.25)
    assert verdict.worst == 0.1
    assert verdict.likeness == pytest.approx(0.7)
