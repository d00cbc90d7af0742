"""What was found on each photo, kept: finding faces takes half a second, and the same file shows the same.

    FOLDER/1a2b….json      one photo; named by its bytes and by everything its verdict hangs on

The files hold the face's embedding: whoever deletes the photos deletes the folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from faces import Face, Quality, detector_identity

from ._files import write_atomically
from .decoding import Refused, read_bytes
from .limits import PhotoLimits
from .screening import Screened

VERSION = 1
"""Raised when the same photo may get another verdict, or the files look different."""
Screen = Callable[[Path, PhotoLimits], Screened]


class ScreenedFolder:
    """Remembers in a folder what was found on photos. Safe for several processes.

    Args:
        folder: Made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def screened(self, path: Path, limits: PhotoLimits, screen: Screen) -> Screened:
        """What is known of the photo, else what `screen` finds.

        A photo with a date in its metadata is not remembered: the date is kept in memory only.

        Raises:
            Refused: As `screen`.
        """
        note = self._note(path, limits)
        found = _read(note, path)
        if isinstance(found, Screened):
            return found
        if found is not None:
            raise found
        try:
            made = screen(path, limits)
        except Refused as refused:
            # Without a hash it was not decoded: it may be another's lock or a missing package.
            if "_sha256" in refused.facts:
                self._keep(note, {"refused": refused.code, "facts": refused.facts})
            raise
        if made.taken is None:
            self._keep(note, _to_json(made))
        return made

    def forget(self, path: Path, limits: PhotoLimits) -> None:
        """Delete what is known of a photo; call it while the photo is still there.

        Raises:
            Refused: The photo cannot be read.
        """
        self._note(path, limits).unlink(missing_ok=True)

    def _note(self, path: Path, limits: PhotoLimits) -> Path:
        return self._folder / f"{_key(read_bytes(path, limits), path.suffix, limits)}.json"

    def _keep(self, note: Path, content: dict[str, Any]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(note, json.dumps(content).encode("utf-8"))


def _key(data: bytes, suffix: str, limits: PhotoLimits) -> str:
    parts = [VERSION, hashlib.sha256(data).hexdigest(), suffix.lower(), asdict(limits), detector_identity()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()[:40]


def _to_json(found: Screened) -> dict[str, Any]:
    content = {name: value for name, value in asdict(found).items() if name not in ("path", "taken")}
    return {**content, "picture_hash": str(found.picture_hash)}


def _read(note: Path, path: Path) -> Screened | Refused | None:
    """What the note says; None where there is none, or what is there is damaged."""
    try:
        content: dict[str, Any] = json.loads(note.read_text("utf-8"))
        if "refused" in content:
            return Refused(content["refused"], **content["facts"])
        face, (width, height) = content["face"], content["picture_size"]
        x0, y0, x1, y1 = face["box"]
        landmarks = tuple((x, y) for x, y in face["landmarks"])
        found = Screened(
            **{
                **content,
                "path": path,
                "face": Face((x0, y0, x1, y1), landmarks, face["confidence"]),
                "embedding": tuple(content["embedding"]),
                "quality": Quality(**content["quality"]),
                "picture_hash": int(content["picture_hash"]),
                "picture_size": (width, height),
            }
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return replace(found, facts=dict(found.facts))
