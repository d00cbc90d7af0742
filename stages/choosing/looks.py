"""Looks at pictures as pictures: hashes that survive small changes, and what is behind a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faces import Embedding, Face, crop_upright, detect, embed, upright_matrix

from . import scoring

if TYPE_CHECKING:
    from PIL import Image

HASH_PX, HASH_KEPT = 32, 8
FACE_PX, FACE_EYES, FACE_SPANS = 96, (48.0, 34.0), (44.0, 41.0, 47.0)
"""A face is cut out at three sizes: its points are found to within a few percent, which moves a hash."""
BEHIND_PX, BEHIND_EYES, BEHIND_SPAN = 48, (24.0, 20.0), 7.5
"""The place a person stands in: 48 px across, the eyes 7.5 px apart, about as much as photos hold."""
HEAD = (1.5, 2.1)
"""Half axes of the ellipse that holds a head with its hair, in spans."""
SHOULDERS = 3.0
"""Half the breadth of shoulders, in spans."""
LEAST_COMMON = 0.12
"""Share of the window that must be place, and lie in both pictures, to say anything."""
STRUCTURE = 0.05
"""Standard deviation (of 1) from which a backdrop has something to be known by: plain ones are all alike."""
UNRELATED, THE_SAME = 0.4, 0.85
"""Correlation of two places: what chance gives at most, and what a place has with itself in another light."""


@dataclass(frozen=True, eq=False)
class Look:
    """One picture, made ready to be compared with others."""

    prints: tuple[int, ...]
    """Perceptual hashes: of the whole, then of the squares along its longer side."""
    face: Face | None
    embedding: Embedding | None
    face_prints: tuple[int, ...]
    """Hashes of the face, cut out upright at the usual size and at two others; empty without a face."""
    place: Any
    """float32 (48, 48, 3), 0..1, with the face at a fixed place; None without a face."""
    visible: Any
    """bool (48, 48): where `place` is neither the person nor outside the picture."""


def look(image: Image.Image, *, whose: bool = True) -> Look:
    """Look at one picture, and at its largest face.

    Args:
        image: The picture.
        whose: Also describe the face by its embedding, which takes longest.
    """
    import numpy as np

    rgb = image.convert("RGB")
    pixels = np.asarray(rgb)
    prints = tuple(picture_hash(part) for part in (pixels, *_squares(pixels)))
    found = detect(rgb)
    if not found:
        return Look(prints, None, None, (), None, None)
    face = found[0]
    faces = (
        crop_upright(rgb, face, size=(FACE_PX, FACE_PX), eyes_at=FACE_EYES, span_px=span)
        for span in FACE_SPANS
    )
    place, visible = _place(rgb, face)
    return Look(
        prints,
        face,
        embed(rgb, face) if whose else None,
        tuple(picture_hash(crop) for crop in faces),
        place,
        visible,
    )


def picture_hash(pixels: Any) -> int:
    """64 bits that stay nearly the same when a picture (uint8, RGB) is scaled, compressed, a little changed.

    The lowest 8 x 8 frequencies of the 32 x 32 grey picture, each against their median (the "pHash" of
    Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010).
    """
    import cv2
    import numpy as np

    small = cv2.resize(pixels, (HASH_PX, HASH_PX), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    waves = cv2.dct(grey)[:HASH_KEPT, :HASH_KEPT].flatten()
    # The first one is the brightness of the whole, which must not move the median.
    bits = waves > np.median(waves[1:])
    return sum(1 << index for index, bit in enumerate(bits) if bit)


def _squares(pixels: Any) -> list[Any]:
    """A model that knows a photo by heart repeats it within a picture of another shape."""
    height, width = pixels.shape[:2]
    side, longer = min(height, width), max(height, width)
    if longer < side * 1.05:
        return []
    starts = [round((longer - side) * share) for share in (0.0, 0.5, 1.0)]
    if width > height:
        return [pixels[:, start : start + side] for start in starts]
    return [pixels[start : start + side] for start in starts]


def _place(image: Image.Image, face: Face) -> tuple[Any, Any]:
    import cv2
    import numpy as np

    size = (BEHIND_PX, BEHIND_PX)
    pixels = crop_upright(image, face, size=size, eyes_at=BEHIND_EYES, span_px=BEHIND_SPAN)
    matrix = np.array(upright_matrix(face, eyes_at=BEHIND_EYES, span_px=BEHIND_SPAN), np.float64)
    whole = np.full((image.height, image.width), 255, np.uint8)
    inside = cv2.warpAffine(whole, matrix, size, flags=cv2.INTER_NEAREST) > 0
    return pixels.astype(np.float32) / 255.0, inside & ~_person(np)


def _person(np: Any) -> Any:
    """Where head and shoulders are, generously."""
    rows, columns = np.mgrid[0:BEHIND_PX, 0:BEHIND_PX].astype(np.float32)
    x, y = (columns - BEHIND_EYES[0]) / BEHIND_SPAN, (rows - BEHIND_EYES[1]) / BEHIND_SPAN
    head = (x / HEAD[0]) ** 2 + ((y - 0.2) / HEAD[1]) ** 2 < 1
    return head | ((y > 1.6) & (abs(x) < SHOULDERS))


def same_place(a: Look, b: Look) -> float:
    """How surely two pictures show the same place behind the person, 0..1."""
    if a.place is None or b.place is None:
        return 0.0
    import numpy as np

    common = a.visible & b.visible
    if float(common.mean()) < LEAST_COMMON:
        return 0.0
    first, second = _structure(a.place, common, np), _structure(b.place, common, np)
    spread = min(float(first.std()), float(second.std()))
    if spread < 1e-4:
        return 0.0
    alike = float((first * second).mean()) / (float(first.std()) * float(second.std()))
    sure = min(1.0, spread / STRUCTURE)
    return sure * min(1.0, max(0.0, (alike - UNRELATED) / (THE_SAME - UNRELATED)))


def _structure(place: Any, where: Any, np: Any) -> Any:
    """What is left of the pixels when an even slope of light is taken away: every second studio has that."""
    rows, columns = np.nonzero(where)
    plane = np.stack([np.ones(rows.size), rows / BEHIND_PX, columns / BEHIND_PX], axis=1)
    values = place[where].astype(np.float64)
    slope, *_ = np.linalg.lstsq(plane, values, rcond=None)
    return values - plane @ slope


def same_face(a: Look, b: Look) -> float:
    """How nearly two faces are the same picture of a face (and not only the same person's), 0..1."""
    pairs = [(one, other) for one in a.face_prints for other in b.face_prints[:1]]
    return max((scoring.sameness(one, other) for one, other in pairs), default=0.0)


def nearest(picture: Look, training: Sequence[tuple[str, Look]]) -> tuple[str, float]:
    """The training picture that a picture repeats most, and how much, 0..1; ("", 0) when there is none."""
    repeats = [(repeated(picture, known), name) for name, known in training]
    share, name = max(repeats, key=lambda entry: (entry[0], entry[1]), default=(0.0, ""))
    return (name, round(share, 4)) if share > 0 else ("", 0.0)


def repeated(picture: Look, known: Look) -> float:
    """How much of one training picture a picture repeats, 0..1."""
    whole = max(scoring.sameness(a, b, apart=scoring.COPY_BITS) for a in picture.prints for b in known.prints)
    face = same_face(picture, known)
    return scoring.copying(whole=whole, face=face, behind=same_place(picture, known))
