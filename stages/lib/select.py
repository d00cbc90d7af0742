"""Decides which pictures go on and which are delivered. Pure: the same scores always give the same choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .score import MIN_SHARPNESS, Score

CANDIDATE_SLACK = 0.15
"""How far below `min_likeness` a first picture may be and still go on: the face pass of img2img can win a
little, and an upscale costs more than everything before it."""

MAX_RETRIES = 3
"""Further candidates tried for a pose and tone, over all, when finished portraits are refused."""


@dataclass(frozen=True)
class Slot:
    """A portrait that is wanted: the `rank`-th best candidate of a pose, in a tone."""

    number: int
    """Counted from 1 in the order of delivery."""
    pose: str
    tone: str
    rank: int


def plan_slots(
    poses: Sequence[str], tones: Sequence[str], *, keep: int, count: int | None
) -> tuple[Slot, ...]:
    """The portraits wanted, in order:
    every pose in every tone with its best candidate, then with the second best, …

    Args:
        poses: At least one.
        tones: At least one.
        keep: Candidates per pose when `count` is not given.
        count: Portraits wanted, 1 or more.

    Raises:
        ValueError: `count` is below 1.
    """
    if count is not None and count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    per_rank = [(pose, tone) for pose in poses for tone in tones]
    wanted = len(per_rank) * keep if count is None else count
    return tuple(
        Slot(index + 1, *per_rank[index % len(per_rank)], rank=index // len(per_rank))
        for index in range(wanted)
    )


def candidates_to_draw(slots: Sequence[Slot], *, shots: int, keep: int) -> dict[str, int]:
    """How many candidates each pose needs, so that the best ones stay as choice as the preset wants.

    `shots` are drawn for every `keep` kept; keeping more draws more in proportion.
    """
    ranks: dict[str, int] = {}
    for slot in slots:
        ranks[slot.pose] = max(ranks.get(slot.pose, 0), slot.rank + 1)
    return {pose: max(shots, -(-shots * kept // keep)) for pose, kept in ranks.items()}


def reason_against_candidate(score: Score, *, min_likeness: float) -> str | None:
    """Why a first picture goes no further, or None when it may."""
    if not score.has_face:
        return "no face was found in it"
    floor = max(0.0, min_likeness - CANDIDATE_SLACK)
    if score.likeness < floor:
        return f"likeness {score.likeness:.2f}, too far below the asked {min_likeness:.2f} to go on"
    return None


def reason_against_portrait(score: Score, *, min_likeness: float) -> str | None:
    """Why a finished portrait is not delivered, or None when it is."""
    if not score.has_face:
        return "no face was found in it"
    if not score.is_sharp:
        return f"the face is not sharp ({score.sharpness or 0.0:.0f}; at least {MIN_SHARPNESS:.0f} is needed)"
    if score.likeness < min_likeness:
        return f"likeness {score.likeness:.2f} is below the asked {min_likeness:.2f}"
    return None


def rank_candidates(scores: Mapping[int, Score], *, min_likeness: float) -> tuple[int, ...]:
    """Candidates that may go on, best first; the earlier drawn one where two are equal."""
    able = [
        index
        for index, score in scores.items()
        if reason_against_candidate(score, min_likeness=min_likeness) is None
    ]
    return tuple(sorted(able, key=lambda index: (-scores[index].likeness, index)))
