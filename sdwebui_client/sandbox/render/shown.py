"""A person by a picture that an IP-Adapter unit shows, instead of by a LoRA file.

The face is found by the package's own detector; head and hair are cut out with GrabCut from where they lie
about a face. What comes out is as much a stand-in as the sandbox LoRA, only less like.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import cv2
import numpy as np

from faces import Face, detect

from .lora import SandboxLora
from .scene import Picture, Plane

QUALITY = 0.86
"""How like a person shown by a picture is drawn; a good LoRA is 1."""
_WORK_PX = 256
_SMALLEST_PX = 24
"""Eye distance from which a head can be cut out."""


class _Pixels:
    """A picture that can be a key: equal pixels are equal."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self._digest = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pixels) and other._digest == self._digest


def person_shown(picture: Picture) -> SandboxLora | None:
    """The person in a picture; None when there is no face large enough.

    Raises:
        faces.ModelMissing: The face detector is not installed.
    """
    return _person(_Pixels(np.ascontiguousarray(picture)))


@lru_cache(maxsize=8)
def _person(pixels: _Pixels) -> SandboxLora | None:
    picture = pixels.picture
    found = detect(picture)
    if not found or found[0].eye_distance < _SMALLEST_PX:
        return None
    face = found[0]
    height, width = picture.shape[:2]
    points = tuple((min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)) for x, y in face.landmarks)
    return SandboxLora("shown", picture, _outline(picture, face), points, QUALITY)


def _outline(picture: Picture, face: Face) -> Plane:
    """255 where the person is."""
    height, width = picture.shape[:2]
    ratio = min(1.0, _WORK_PX / max(height, width))
    size = (max(round(width * ratio), 16), max(round(height * ratio), 16))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    span, (x, y) = face.span * ratio, face.eye_center
    right, down = (columns - x * ratio) / span, (rows - y * ratio) / span

    def within(middle: float, across: float, high: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        return np.asarray((right / across) ** 2 + ((down - middle) / high) ** 2 < 1)

    neck = (np.abs(right) < 0.5) & (down > 1.0)
    sure = within(0.35, 0.85, 1.25) | neck | within(5.0, 1.8, 2.1)
    likely = within(0.0, 1.45, 1.9) | within(4.2, 3.0, 3.1)
    reach = within(0.0, 2.1, 2.5) | within(4.6, 4.4, 4.0)
    marks = np.where(sure, cv2.GC_FGD, np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD)).astype(np.uint8)
    marks[~reach] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    if (marks == cv2.GC_BGD).any() or (marks == cv2.GC_PR_BGD).any():
        cv2.grabCut(small, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    person = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) * 255
    large = cv2.resize(person, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.GaussianBlur(large, (0, 0), 2.0), dtype=np.uint8)
