"""What is known of a folder of photos: a verdict on each file, and the photos that can be used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from faces import Embedding, Face, Person, Quality

from .decoding import Refused, decode, read_bytes
from .errors import PhotosError
from .limits import PhotoLimits
from .reasons import describe
from .screening import turn

if TYPE_CHECKING:
    from PIL import Image

_AGAIN = "Leave the photos in place and run the same command again."


@dataclass(frozen=True, slots=True)
class PhotoVerdict:
    """What was found out about one file."""

    file: str
    """Its name, without the folder."""

    accepted: bool

    code: str
    """Stable key of the reason: an entry of `train_lora.reasons.CODES`."""

    reason: str
    """One English sentence a person understands; `describe("ko")` gives it in Korean."""

    advice: str
    """What would help, or ""."""

    sha256: str | None
    """Of the file; None when it was not read."""

    width: int | None
    """Upright, pixels; None when it was not decoded."""

    height: int | None

    facts: Mapping[str, str | int] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """What fills the reason's placeholders."""

    quality: float | None = None
    """`faces.Quality.overall`, 0..1: sharpness, light, pose, size, covers; None without one face."""

    def describe(self, language: str = "en") -> tuple[str, str]:
        """Reason and advice in "en" or "ko"."""
        words = describe(self.code, self.facts, language)
        return words.reason, words.advice


@dataclass(frozen=True, slots=True)
class Photo:
    """An accepted photo. It holds no pixels; `open` reads them again."""

    path: Path
    sha256: str
    """Of the file as it was checked."""
    width: int
    """Upright, pixels."""
    height: int
    face: Face
    """In the pixels of what `open` gives."""
    embedding: Embedding = field(repr=False)
    quality: Quality
    picture_size: tuple[int, int]
    """Width and height of what `open` gives, pixels."""
    turned_deg: int = 0
    """By how much the picture was turned counter-clockwise because it lay on its side."""
    taken: datetime | None = None
    """When the camera says it was taken, by its own clock. Kept in memory only."""
    limits: PhotoLimits = field(default_factory=PhotoLimits, repr=False)

    @property
    def file(self) -> str:
        """The file's name."""
        return printable_name(self.path)

    def open(self) -> Image.Image:
        """Decode the photo: upright, sRGB, without metadata,
        at most `PhotoLimits.working_px` on the longer side.

        Raises:
            PhotosError: The file has changed or gone since it was checked.
        """
        try:
            decoded = decode(read_bytes(self.path, self.limits), self.limits, suffix=self.path.suffix)
        except Refused as refused:
            raise PhotosError(f"{self.file} can no longer be read ({refused.code}).", _AGAIN) from refused
        if decoded.sha256 != self.sha256:
            raise PhotosError(f"{self.file} has changed since it was checked.", _AGAIN)
        return turn(decoded.image, self.turned_deg)


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """The verdict on every file of a folder, and the photos that can be used."""

    folder: Path
    photos: tuple[PhotoVerdict, ...]
    accepted: tuple[Photo, ...]

    @property
    def refused(self) -> tuple[PhotoVerdict, ...]:
        """The files that are not used."""
        return tuple(verdict for verdict in self.photos if not verdict.accepted)

    @property
    def best(self) -> Photo:
        """The accepted photo of the highest quality."""
        return max(self.accepted, key=lambda photo: (round(photo.quality.overall, 6), photo.sha256))

    def person(self) -> Person:
        """Whom results are compared with."""
        return Person.from_embeddings(photo.embedding for photo in self.accepted)

    def table(self, language: str = "en") -> str:
        """A plain-text table: file, accepted or refused, why, what to do."""
        marks = {"en": ("accepted", "refused"), "ko": ("사용", "제외")}[language]
        width = max((len(verdict.file) for verdict in self.photos), default=0)
        lines = []
        for verdict in self.photos:
            words = " ".join(part for part in verdict.describe(language) if part)
            lines.append(f"{verdict.file:<{width}}  {marks[not verdict.accepted]:<8}  {words}")
        return "\n".join(lines)


def printable_name(path: Path) -> str:
    """The file's name as printable text; names that are not Unicode keep their place, marked."""
    text = os.fsencode(path.name).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)
