"""Looks at a picture: is there a sharp face in it, and how much is it the person's?

ADetailer says nothing when it found no face and left the picture as it was, so this is also where the
recipe finds out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from faces import Person, measure_quality
from sdwebui_client import EncodedImage

STAGE = "score"
VERSION = 1

MIN_SHARPNESS = 10.0
"""Below this a face is blurred, on the scale of `faces.Quality.sharpness`. Finished portraits of the sandbox
have about 42, softened by 2 px 26, by 4 px 8; drawn as small as 320x480 they have 11."""


@dataclass(frozen=True)
class Score:
    """What was seen in one picture."""

    likeness: float
    """0 to 1; 0.5 at the decision boundary, 0 without a face."""
    distance: float | None
    """The face model's measure (dlib scale); None without a face."""
    sharpness: float | None
    """`faces.Quality.sharpness` of the face; None without a face."""
    face_px: float | None
    """Height of the face in the picture; None without a face."""
    box: tuple[float, float, float, float] | None
    """x0, y0, x1, y1 in pixels."""

    @property
    def has_face(self) -> bool:
        """Whether a face was found."""
        return self.distance is not None

    @property
    def is_sharp(self) -> bool:
        """Whether a face was found that is not blurred."""
        return self.sharpness is not None and self.sharpness >= MIN_SHARPNESS

    def to_payload(self) -> dict[str, Any]:
        """As plain JSON."""
        value = asdict(self)
        value["box"] = list(self.box) if self.box else None
        return value

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Score:
        """The reverse of `to_payload`."""
        box = payload["box"]
        return cls(**{**payload, "box": (box[0], box[1], box[2], box[3]) if box else None})


def score_picture(picture: EncodedImage, person: Person) -> Score:
    """Compare the largest face of a picture with the person."""
    image = picture.open().convert("RGB")
    likeness = person.score(image)
    if likeness.face is None or likeness.distance is None:
        return Score(likeness=0.0, distance=None, sharpness=None, face_px=None, box=None)
    quality = measure_quality(image, likeness.face)
    # Rounded: the numbers are written to files that must be the same on every run,
    # and no decision hangs on more.
    return Score(
        likeness=round(float(likeness.score), 4),
        distance=round(float(likeness.distance), 4),
        sharpness=round(float(quality.sharpness), 2),
        face_px=round(float(quality.face_px), 1),
        box=_rounded(likeness.face.box),
    )


def _rounded(box: Sequence[float]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(float(value), 1) for value in box)
    return x0, y0, x1, y1
