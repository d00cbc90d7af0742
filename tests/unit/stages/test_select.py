"""Selection is pure: which portraits are wanted, which candidates go on, what is refused and why."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.lib.score import Score
from stages.lib.select import (
    candidates_to_draw,
    plan_slots,
    rank_candidates,
    reason_against_candidate,
    reason_against_portrait,
)

NO_FACE = Score(likeness=0.0, distance=None, sharpness=None, face_px=None, box=None)


def _score(likeness: float, sharpness: float = 50.0) -> Score:
    return Score(likeness, distance=0.4, sharpness=sharpness, face_px=150.0, box=(1.0, 2.0, 3.0, 4.0))


def test_without_a_count_every_pose_is_delivered_in_every_tone() -> None:
    slots = plan_slots(["front", "left"], ["cool", "warm"], keep=1, count=None)
    assert [(slot.number, slot.pose, slot.tone, slot.rank) for slot in slots] == [
        (1, "front", "cool", 0),
        (2, "front", "warm", 0),
        (3, "left", "cool", 0),
        (4, "left", "warm", 0),
    ]


def test_a_larger_count_goes_round_again_with_the_next_best_candidates() -> None:
    slots = plan_slots(["front", "left"], ["cool"], keep=1, count=5)
    assert [(slot.pose, slot.rank) for slot in slots] == [
        ("front", 0), ("left", 0), ("front", 1), ("left", 1), ("front", 2),
    ]  # fmt: skip


def test_a_smaller_count_takes_the_first() -> None:
    assert [slot.pose for slot in plan_slots(["front", "left"], ["cool", "warm"], keep=2, count=3)] == [
        "front", "front", "left",
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, -1])
def test_an_impossible_count_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        plan_slots(["front"], ["cool"], keep=1, count=count)


@given(
    poses=st.integers(1, 6),
    tones=st.integers(1, 4),
    keep=st.integers(1, 4),
    count=st.none() | st.integers(1, 60),
)
def test_slots_are_even_and_numbered(poses: int, tones: int, keep: int, count: int | None) -> None:
    slots = plan_slots(
        [f"p{i}" for i in range(poses)], [f"t{i}" for i in range(tones)], keep=keep, count=count
    )
    assert len(slots) == (count if count is not None else poses * tones * keep)
    assert [slot.number for slot in slots] == list(range(1, len(slots) + 1))
    per_lane = Counter((slot.pose, slot.tone) for slot in slots)
    assert max(per_lane.values()) - min(per_lane.values()) <= 1
    assert len({(slot.pose, slot.tone, slot.rank) for slot in slots}) == len(slots)


def test_more_kept_means_more_drawn_in_proportion() -> None:
    slots = plan_slots(["front", "left"], ["cool"], keep=1, count=3)
    assert candidates_to_draw(slots, shots=3, keep=1) == {"front": 6, "left": 3}
    assert candidates_to_draw(slots[:1], shots=4, keep=2) == {"front": 4}


def test_the_best_goes_first_and_equals_keep_their_order() -> None:
    scores = {0: _score(0.6), 1: _score(0.9), 2: _score(0.6), 3: NO_FACE, 4: _score(0.1)}
    assert rank_candidates(scores, min_likeness=0.5) == (1, 0, 2)


def test_a_candidate_a_little_below_may_go_on() -> None:
    assert reason_against_candidate(_score(0.40), min_likeness=0.5) is None
    assert "too far below" in (reason_against_candidate(_score(0.30), min_likeness=0.5) or "")
    assert "no face" in (reason_against_candidate(NO_FACE, min_likeness=0.0) or "")


def test_a_portrait_must_reach_what_was_asked() -> None:
    assert reason_against_portrait(_score(0.5), min_likeness=0.5) is None
    assert reason_against_portrait(_score(0.49), min_likeness=0.5) == "likeness 0.49 is below the asked 0.50"
    assert "not sharp" in (reason_against_portrait(_score(0.9, sharpness=1.0), min_likeness=0.5) or "")
    assert "no face" in (reason_against_portrait(NO_FACE, min_likeness=0.0) or "")


@pytest.mark.parametrize("score", [NO_FACE, _score(0.7)])
def test_a_score_survives_being_stored(score: Score) -> None:
    assert Score.from_payload(score.to_payload()) == score
