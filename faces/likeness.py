"""Is it this person? The raw distance, and a score from 0 to 1 made of it.

    score = 1 / (1 + exp(SLOPE * (distance - BOUNDARY)))

BOUNDARY is dlib's own threshold on Labeled Faces in the Wild, 0.6. SLOPE is set so that 0.46, the largest
distance between two pictures of one person measured here, scores 0.9; the smallest between two persons,
0.62, then scores 0.42 and an ordinary stranger (0.75) 0.09. See docs/decisions for the measurement.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from .detect import detect
from .embed import Embedding, distance, embed
from .errors import FacesError
from .face import Face

if TYPE_CHECKING:
    from .pixels import ImageLike

BOUNDARY = 0.6
"""Distance at which same and different are equally likely."""
SLOPE = math.log(9) / (BOUNDARY - 0.46)
"""Steepness of the score, per unit of distance (about 15.7)."""


def likeness_score(distance: float) -> float:
    """Turn an embedding distance into a likeness, 1 the same picture, 0.5 the boundary, 0 somebody else.

    Raises:
        ValueError: The distance is negative or not a number.

    Example:
        >>> likeness_score(0.6)
        0.5
    """
    if not distance >= 0.0:
        raise ValueError(f"A distance is 0 or more, got {distance}")
    return 1.0 / (1.0 + math.exp(min(700.0, SLOPE * (distance - BOUNDARY))))


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much a picture shows a person."""

    distance: float | None
    """Raw measure, dlib scale (below 0.6 the same person); None when no face was found."""

    score: float
    """Calibrated, 0..1; 0.0 when no face was found."""

    face: Face | None
    """The face that was compared."""


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a person's face: one embedding for each photo."""

    embeddings: tuple[Embedding, ...]

    @classmethod
    def from_embeddings(cls, embeddings: Iterable[Embedding]) -> Person:
        """Make a person of the embeddings of accepted photos.

        Raises:
            FacesError: There is none.
        """
        known = tuple(embeddings)
        if not known:
            raise FacesError("A person needs at least one face to be compared with.")
        return cls(known)

    def distance(self, embedding: Embedding) -> float:
        """Median of the distances to the person's photos.

        A median of pairs stays on the scale the 0.6 was found on (pairs of pictures; the distance to an
        average face would be smaller), and one unlucky photo does not move it.
        """
        return median(distance(embedding, known) for known in self.embeddings)

    def score(self, image: ImageLike) -> Likeness:
        """Compare the largest face of a picture with the person."""
        faces = detect(image)
        if not faces:
            return Likeness(distance=None, score=0.0, face=None)
        measured = self.distance(embed(image, faces[0]))
        return Likeness(distance=measured, score=likeness_score(measured), face=faces[0])
