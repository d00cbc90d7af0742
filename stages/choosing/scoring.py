"""Which of two checkpoints is better, from what was seen in their pictures. Arithmetic only.

    score    = mean nearness * (1 - COPY * copying) * (1 - VARIED + VARIED * variety)
    nearness = (STRANGER - distance) / (STRANGER - SITTING), kept within 0..1; 0 without a sharp face

Reasons. *Nearness and not likeness*: the calibrated likeness answers "is it this person?" and is 0.99 for
half the checkpoints of a good training; the distance beneath it still tells them apart. *A mean and not the
best picture*: a LoRA that hits once in four wastes three generations in four. *A picture without a sharp
face counts as a stranger*: it would be thrown away. *Copying takes up to COPY*: a perfect copy of a training
photo is as like as can be and of no use, but at a little of it the likeness is still worth more. *Variety
takes up to VARIED*: it is the weaker sign of the same fault, and light and clothes that the base model
cannot draw must not decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import dist
from statistics import fmean

SITTING = 0.15
"""Distance of two photos of one sitting (the example photos: 0.08 to 0.19); nearer is not better."""
STRANGER = 0.75
"""Distance of an ordinary stranger, see `faces.likeness`."""
COPY, VARIED = 0.6, 0.2
ALIKE_BITS, APART_BITS = 8, 26
"""Bits of 64 in which two picture hashes differ: at most so many for the same picture in other clothes, and
what two portraits of one person that were asked for differently have (unrelated pictures: 32)."""
COPY_BITS = 18
"""The same, of a whole picture and a training picture: heads in the middle are alike in 20 bits by chance."""
FACES_APART = 0.2
"""Distance of two pictures of one person in another mood and light; more would be somebody else."""
FACE_SHARE = 0.25
"""How much of variety is that of the faces."""
TIE = 0.02
"""Scores this close are equal: with four pictures of each, chance alone makes such differences."""


@dataclass(frozen=True)
class Seen:
    """What was seen in one picture."""

    asked: int
    """Number of the prompt: pictures of different prompts ought to differ."""
    likeness: float
    """Calibrated, 0..1."""
    distance: float | None
    """To the photos it is compared with; None without a face."""
    sharp: bool
    """Whether there is a face and it is not blurred."""
    print: int
    """Perceptual hash of the whole picture, 64 bits."""
    embedding: tuple[float, ...] | None
    copying: float
    """Nearness to a training picture as a picture, 0..1."""


@dataclass(frozen=True)
class Verdict:
    """What all pictures of a trial say together. Everything is 0..1."""

    likeness: float
    """Mean."""
    worst: float
    variety: float
    copying: float
    """Mean."""
    score: float


def nearness(seen: Seen) -> float:
    """How near the person a picture comes, 0..1; 0 when it cannot be used."""
    if seen.distance is None or not seen.sharp:
        return 0.0
    return _share(seen.distance, STRANGER, SITTING)


def judge(pictures: Sequence[Seen]) -> Verdict:
    """Sum up the pictures of one checkpoint at one weight.

    Raises:
        ValueError: There are none.
    """
    if not pictures:
        raise ValueError("a checkpoint without a picture cannot be judged")
    copying, varied = fmean(seen.copying for seen in pictures), variety(pictures)
    score = fmean(nearness(seen) for seen in pictures) * (1 - COPY * copying) * (1 - VARIED + VARIED * varied)
    likenesses = [seen.likeness for seen in pictures]
    return Verdict(
        likeness=round(fmean(likenesses), 4),
        worst=round(min(likenesses), 4),
        variety=round(varied, 4),
        copying=round(copying, 4),
        score=round(score, 4),
    )


def variety(pictures: Sequence[Seen]) -> float:
    """How much pictures differ that were asked for different things, 0 all the same .. 1.

    Mean over the pairs of different prompts; 1 when there is no such pair, for nothing speaks against it.
    """
    pairs = [(a, b) for a, b in combinations(pictures, 2) if a.asked != b.asked]
    return fmean(_difference(a, b) for a, b in pairs) if pairs else 1.0


def _difference(a: Seen, b: Seen) -> float:
    whole = 1.0 - sameness(a.print, b.print)
    if a.embedding is None or b.embedding is None:
        return whole
    faces = min(1.0, dist(a.embedding, b.embedding) / FACES_APART)
    return (1 - FACE_SHARE) * whole + FACE_SHARE * faces


def sameness(a: int, b: int, *, apart: int = APART_BITS) -> float:
    """How nearly two hashes are of the same picture, 0..1; 0 when they differ in `apart` bits of 64."""
    return _share((a ^ b).bit_count(), apart, ALIKE_BITS)


def copying(*, whole: float, face: float, behind: float) -> float:
    """How much of one training picture a picture repeats, 0..1.

    What is behind the person counts half by itself (the place was learnt with the person) and whole when the
    face is in the same light with the same expression too. The same face alone counts nothing: it may be no
    more than the likeness that is wanted.

    Args:
        whole: Sameness of the whole pictures.
        face: Sameness of the faces, cut out upright.
        behind: Sameness of what is behind the person.
    """
    return max(whole, behind * (1 + face) / 2)


def best(scores: Sequence[tuple[float, int, float]]) -> int:
    """Index of the winner among (score, step, weight).

    Of those within `TIE` of the highest score the earliest checkpoint wins, then the lowest weight: what was
    trained less, and is applied less, leaves the prompt more to say.

    Raises:
        ValueError: There is nothing to choose from.
    """
    highest = max(score for score, _, _ in scores)
    near = [index for index, (score, _, _) in enumerate(scores) if score >= highest - TIE]
    return min(near, key=lambda index: (scores[index][1], scores[index][2], -scores[index][0]))


def finalists(scores: Sequence[tuple[float, int]], number: int) -> tuple[int, ...]:
    """Indexes of the best (score, step), best first; of equal scores the earlier step."""
    order = sorted(range(len(scores)), key=lambda index: (-scores[index][0], scores[index][1]))
    return tuple(order[:number])


def _share(value: float, nothing: float, everything: float) -> float:
    """Where a value lies between two ends, 0..1."""
    return min(1.0, max(0.0, (nothing - value) / (nothing - everything)))
