"""The arithmetic of the choice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.choosing import scoring
from stages.choosing.scoring import TIE, Seen, best, copying, finalists, judge, nearness, sameness, variety

SHARES = st.floats(0.0, 1.0)
DISTANCES = st.floats(0.0, 1.4)
HASHES = st.integers(0, 2**64 - 1)


@st.composite
def seen(draw: st.DrawFn) -> Seen:
    face = draw(st.booleans())
    return Seen(
        asked=draw(st.integers(0, 3)),
        likeness=draw(SHARES) if face else 0.0,
        distance=draw(DISTANCES) if face else None,
        sharp=face and draw(st.booleans()),
        print=draw(HASHES),
        embedding=tuple(draw(st.lists(st.floats(-0.3, 0.3), min_size=8, max_size=8))) if face else None,
        copying=draw(SHARES),
    )


PICTURES = st.lists(seen(), min_size=1, max_size=6)
GOOD = Seen(0, 0.95, 0.3, True, 0x0F0F_3355_AAAA_1234, (0.1,) * 8, 0.0)


def varied(count: int = 4, **changed: object) -> list[Seen]:
    """Good pictures of different prompts that look nothing like each other."""
    prints = (0x0000_0000_FFFF_FFFF, 0x0F0F_0F0F_0F0F_0F0F, 0x3333_3333_3333_3333, 0x5555_5555_5555_5555)
    pictures = [
        replace(GOOD, asked=number, print=prints[number], embedding=(0.1 * number,) * 8)
        for number in range(count)
    ]
    return [replace(picture, **changed) for picture in pictures]  # type: ignore[arg-type]


@given(PICTURES)
def test_everything_is_between_0_and_1(pictures: list[Seen]) -> None:
    verdict = judge(pictures)
    for value in (verdict.likeness, verdict.worst, verdict.variety, verdict.copying, verdict.score):
        assert 0.0 <= value <= 1.0
    assert verdict.worst <= verdict.likeness + 1e-4


@given(PICTURES, st.randoms())
def test_the_order_of_the_pictures_does_not_matter(pictures: list[Seen], random: object) -> None:
    shuffled = list(pictures)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert judge(shuffled).score == pytest.approx(judge(pictures).score, abs=2e-4)


@given(PICTURES, st.data())
def test_a_nearer_face_never_scores_less(pictures: list[Seen], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(pictures) - 1))
    picture = pictures[index]
    if picture.distance is None:
        return
    nearer = replace(picture, distance=picture.distance * data.draw(SHARES))
    assert judge([*pictures[:index], nearer, *pictures[index + 1 :]]).score >= judge(pictures).score - 1e-4


@given(PICTURES, st.data())
def test_copying_more_never_scores_more(pictures: list[Seen], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(pictures) - 1))
    more = replace(pictures[index], copying=data.draw(st.floats(pictures[index].copying, 1.0)))
    assert judge([*pictures[:index], more, *pictures[index + 1 :]]).score <= judge(pictures).score + 1e-4


@given(PICTURES, st.data())
def test_a_blurred_picture_never_helps(pictures: list[Seen], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(pictures) - 1))
    blurred = replace(pictures[index], sharp=False)
    assert judge([*pictures[:index], blurred, *pictures[index + 1 :]]).score <= judge(pictures).score + 1e-4


def test_one_picture_of_four_without_a_face_costs_a_quarter() -> None:
    whole = judge(varied())
    lost = varied()
    lost[2] = replace(lost[2], distance=None, likeness=0.0, sharp=False)
    assert judge(lost).score == pytest.approx(0.75 * whole.score, abs=0.02)
    assert judge(lost).worst == 0.0


def test_nearness_tells_apart_what_the_likeness_calls_equal() -> None:
    near, far = replace(GOOD, distance=0.25, likeness=0.996), replace(GOOD, distance=0.32, likeness=0.988)
    assert nearness(near) - nearness(far) > 0.1
    assert nearness(replace(GOOD, distance=scoring.SITTING)) == 1.0
    assert nearness(replace(GOOD, distance=scoring.STRANGER)) == 0.0


def test_a_perfect_copy_loses_to_a_fair_likeness_but_a_little_copying_does_not() -> None:
    fair = judge(varied(distance=0.36)).score
    assert judge(varied(distance=0.15, copying=1.0)).score < fair
    assert judge(varied(distance=0.25, copying=0.1)).score > fair


def test_pictures_that_are_all_alike_have_no_variety() -> None:
    assert variety([replace(GOOD, asked=number) for number in range(4)]) == 0.0
    assert variety(varied()) == 1.0
    assert judge([replace(GOOD, asked=number) for number in range(4)]).score < judge(varied()).score


def test_only_pictures_of_different_prompts_have_to_differ() -> None:
    assert variety([GOOD, GOOD]) == 1.0
    assert variety([GOOD]) == 1.0


def test_no_picture_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="without a picture"):
        judge([])


@given(HASHES, HASHES)
def test_sameness_is_the_same_both_ways(a: int, b: int) -> None:
    assert sameness(a, b) == sameness(b, a)
    assert sameness(a, a) == 1.0
    assert 0.0 <= sameness(a, b) <= 1.0


@given(SHARES, SHARES, SHARES)
def test_the_same_face_alone_is_no_copy(whole: float, face: float, behind: float) -> None:
    assert copying(whole=0.0, face=face, behind=0.0) == 0.0
    assert copying(whole=0.0, face=1.0, behind=behind) == pytest.approx(behind)
    assert copying(whole=whole, face=face, behind=behind) >= max(whole, behind / 2)
    assert copying(whole=whole, face=face, behind=behind) <= max(whole, behind)


TRIALS = st.lists(
    st.tuples(SHARES, st.sampled_from([200, 400, 600, 800]), st.sampled_from([0.6, 0.7, 0.8, 0.9, 1.0])),
    min_size=1,
    max_size=12,
    unique_by=lambda trial: (trial[1], trial[2]),
)


@given(TRIALS, st.randoms())
def test_the_winner_does_not_depend_on_the_order(
    trials: list[tuple[float, int, float]], random: object
) -> None:
    shuffled = list(trials)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert shuffled[best(shuffled)] == trials[best(trials)]


@given(TRIALS)
def test_the_winner_is_never_clearly_worse_than_another(trials: list[tuple[float, int, float]]) -> None:
    won = trials[best(trials)]
    assert won[0] >= max(score for score, _, _ in trials) - TIE
    rivals = [trial for trial in trials if trial[0] >= won[0] and trial[1] < won[1]]
    assert not rivals, "as good and trained less"


def test_ties_go_to_the_earlier_checkpoint_then_to_the_lower_weight() -> None:
    assert best([(0.80, 600, 0.8), (0.81, 800, 0.7), (0.79, 400, 0.9), (0.79, 400, 0.8)]) == 3
    assert best([(0.80, 600, 0.8), (0.83, 800, 0.7)]) == 1


def test_finalists_come_best_first_and_earlier_first() -> None:
    assert finalists([(0.5, 200), (0.9, 400), (0.9, 300), (0.7, 600)], 3) == (2, 1, 3)
    assert finalists([(0.5, 200)], 2) == (0,)
