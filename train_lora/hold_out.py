"""Which photos are kept out of the training to judge its checkpoints by.

A checkpoint judged by the photos it was trained on looks better the more it copies them; photos it has never
seen tell likeness from copying. Each costs the training a picture, so there are few, and never the only one
of its kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from faces import BOUNDARY, distance

from .photo_set import Photo

MIN_PHOTOS = 6
"""Below this many none is held out."""
_LARGEST_SHARE = 5
"""At most one in so many."""
SIDE_DEG = 12.0
"""Turn of the head from which a photo shows the person from the side. The estimate is good to about 10."""
_DIM, _BRIGHT = 0.35, 0.62
"""Mean grey of a face below and above which its light counts as dim or bright."""


@dataclass(frozen=True, slots=True)
class HoldOut:
    """The photos in two heaps, both in the order they came in."""

    training: tuple[Photo, ...]
    held_out: tuple[Photo, ...]
    why: str
    """One sentence: why none or fewer than asked for; "" when as many as asked for were held out."""


def hold_out(photos: Sequence[Photo], wanted: int) -> HoldOut:
    """Keep some photos out of the training.

    Never more than a fifth of them, none below six, and never the only photo from its side (left, front,
    right) or in its light (dim, ordinary, bright). Among the rest those of good quality and typical of the
    person come first: a poor photo judges poorly. The same photos in any order give the same choice.

    Args:
        photos: The accepted photos.
        wanted: How many to hold out; 0 for none.

    Raises:
        ValueError: `wanted` is negative.
    """
    if wanted < 0:
        raise ValueError(f"wanted is 0 or more, got {wanted}")
    allowed = len(photos) // _LARGEST_SHARE if len(photos) >= MIN_PHOTOS else 0
    left = sorted(photos, key=lambda photo: (-_worth(photo, photos), photo.sha256, photo.file))
    out: list[Photo] = []
    while len(out) < min(wanted, allowed):
        chosen = next(photo for photo in left if not _only_one(photo, left))
        left.remove(chosen)
        out.append(chosen)
    return HoldOut(
        training=tuple(photo for photo in photos if photo not in out),
        held_out=tuple(photo for photo in photos if photo in out),
        why=_why(len(photos), wanted, len(out)),
    )


def view(photo: Photo) -> str:
    """ "left", "front" or "right": where the head is turned in the picture."""
    if abs(photo.quality.yaw) < SIDE_DEG:
        return "front"
    return "left" if photo.quality.yaw < 0 else "right"


def light(photo: Photo) -> str:
    """ "dim", "ordinary" or "bright": how light the face is."""
    grey = photo.quality.brightness
    return "dim" if grey < _DIM else "bright" if grey > _BRIGHT else "ordinary"


def _only_one(photo: Photo, left: Sequence[Photo]) -> bool:
    """There are three views and three lights, so of six photos or more at least one is not alone."""
    views, lights = Counter(map(view, left)), Counter(map(light, left))
    return views[view(photo)] == 1 or lights[light(photo)] == 1


def _worth(photo: Photo, photos: Sequence[Photo]) -> float:
    """How good a judge a photo is, 0..1: its quality, and how near it is to the person's other photos."""
    others = [distance(photo.embedding, other.embedding) for other in photos if other is not photo]
    typical = max(0.0, 1.0 - median(others) / BOUNDARY) if others else 0.0
    # Rounded: the last digits differ between processors, the choice must not.
    return round((photo.quality.overall + typical) / 2, 6)


def _why(count: int, wanted: int, out: int) -> str:
    if out == wanted:
        return ""
    if count < MIN_PHOTOS:
        return (
            f"No photo is held out: of {count} all are needed for the training "
            f"({MIN_PHOTOS} photos are the fewest)."
        )
    return f"{out} instead of {wanted} photos are held out: never more than one in {_LARGEST_SHARE}."
