"""What only the set can tell: copies of one picture, and whose face it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, median

from faces import Embedding, distance

from .limits import PhotoLimits
from .screening import Screened


@dataclass(frozen=True, slots=True)
class Copy:
    """Photo `index` shows the same picture as the better photo `of`."""

    index: int
    of: int
    same_file: bool


def find_copies(photos: Sequence[Screened], limits: PhotoLimits) -> list[Copy]:
    """Find files that are the same, or nearly the same picture; of each pair the better one stays.

    Better is the higher `faces.Quality.overall`; on equal terms the earlier one. The result does not
    depend on anything but the photos and their order.
    """
    order = sorted(range(len(photos)), key=lambda i: (-round(photos[i].quality.overall, 6), i))
    kept: list[int] = []
    copies: list[Copy] = []
    for index in order:
        photo = photos[index]
        for other in kept:
            if photo.sha256 == photos[other].sha256:
                copies.append(Copy(index, other, same_file=True))
                break
            if (photo.picture_hash ^ photos[other].picture_hash).bit_count() <= limits.near_duplicate_bits:
                copies.append(Copy(index, other, same_file=False))
                break
        else:
            kept.append(index)
    return sorted(copies, key=lambda copy: copy.index)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is on which photo."""

    person: tuple[int, ...]
    """Photos of the person the set is about."""
    others: tuple[int, ...]
    """Photos of somebody else."""
    rival: tuple[int, ...]
    """Photos of a second person who is on so many that it is unclear who is meant; empty when it is clear."""


def find_person(embeddings: Sequence[Embedding], limits: PhotoLimits) -> Identity:
    """Find the person most photos agree on.

    The photo with the most others within `PhotoLimits.same_person` is the centre; a photo belongs to the
    person when its median distance to the centre's neighbours is within it too, so one look-alike cannot
    chain two people together. It is unclear who is meant when the rest holds a second person on at least
    half as many photos.
    """
    everyone = list(range(len(embeddings)))
    person = _largest_group(embeddings, everyone, limits.same_person)
    others = [i for i in everyone if i not in person]
    second = _largest_group(embeddings, others, limits.same_person)
    unclear = bool(second) and 2 * len(second) >= len(person)
    return Identity(tuple(person), tuple(others), tuple(second) if unclear else ())


def find_doubtful(
    embeddings: Sequence[Embedding], person: Sequence[int], limits: PhotoLimits
) -> tuple[int, ...]:
    """Photos of the person that may be of a look-alike: clearly less like the others than these like each
    other.

    The boundary between persons is one for all faces, and relatives may come below it. A set's own spread
    says more, but a side view stands apart as well: so such a photo is pointed out, not refused. Below four
    photos there is no spread to speak of.
    """
    if len(person) < 4:
        return ()
    table = {
        pair: distance(embeddings[pair[0]], embeddings[pair[1]]) for pair in combinations(sorted(person), 2)
    }
    doubtful = []
    for index in person:
        apart = median(far for pair, far in table.items() if index in pair)
        usual = median(far for pair, far in table.items() if index not in pair)
        if apart >= limits.doubtful_person and apart >= limits.doubtful_ratio * usual:
            doubtful.append(index)
    return tuple(doubtful)


def _largest_group(embeddings: Sequence[Embedding], among: Sequence[int], boundary: float) -> list[int]:
    if not among:
        return []
    table = {i: {j: distance(embeddings[i], embeddings[j]) for j in among} for i in among}
    near = {i: [j for j in among if table[i][j] < boundary] for i in among}
    centre = min(among, key=lambda i: (-len(near[i]), fmean(table[i][j] for j in near[i]), i))
    return [i for i in among if median(table[i][j] for j in near[centre]) < boundary]
