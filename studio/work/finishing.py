"""One delivered portrait: its marked picture, its small one, and what it was after each stage."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .context import JobContext
from .marking import Marker
from .options import RAW, options_of
from .previews import small_jpeg

if TYPE_CHECKING:
    from faces import Person
    from stages.store import Store

PORTRAITS, THUMBS, STAGES = "portraits", "thumbs", "stages"
THUMB_PX = 480
STAGE_PX = 1024
"""Longer sides, pixels."""


def thumb_of(number: int) -> str:
    """File of a portrait's small picture, relative to the job's folder."""
    return f"{THUMBS}/{number:02d}.jpg"


@dataclass(frozen=True)
class Finisher:
    """Finishes the portraits of one run."""

    context: JobContext
    folder: Path
    """The job's."""
    marker: Marker
    store: Store
    person: Person
    likeness: Mapping[str, float]
    """SHA-256 -> likeness, of the pictures the recipe compared."""

    @classmethod
    def of(cls, context: JobContext, run: Mapping[str, Any]) -> Finisher:
        """For the run whose run.json this is.

        Raises:
            PhotosError: The photos are gone or have changed, so likeness cannot be measured.
        """
        from stages.recipes.ahead import look_at_photos
        from stages.store import Store

        photos = look_at_photos(options_of(context), on_event=_silent, cancel=context.cancel)
        compared = [*run["candidates"], *run["portraits"]]
        servers = run["webui"].get("servers") or [run["webui"]]
        return cls(
            context,
            context.folder,
            Marker.of(context, sandbox=any(server["sandbox"] for server in servers)),
            Store(context.work / "store", sweep=False),
            photos.person(),
            {entry["sha256"]: float(entry["likeness"]) for entry in compared},
        )

    def finish(self, entry: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Write the files of one portrait of run.json.

        Returns:
            The values of its row, and its size in bytes.

        Raises:
            KeyError: A stage's picture is not in the store any more.
            sdwebui_client.Cancelled: The job was cancelled.
        """
        self._may_go_on()
        raw = self.folder / RAW
        file = str(entry["file"])
        number = int(Path(file).name.partition("-")[0])
        picture = self.marker.mark((raw / file).read_bytes())
        self._write(file, picture)
        self._write(thumb_of(number), _jpeg(picture, THUMB_PX, quality=82))
        sidecar = json.loads((raw / str(entry["provenance"])).read_text(encoding="utf-8"))
        stages = [
            self._stage(number, place, stage)
            for place, stage in enumerate(sidecar["stages"], start=1)
            if stage["output"]
        ]
        values = {name: entry[name] for name in ("pose", "tone", "seed", "likeness", "width", "height")}
        values |= {
            "number": number,
            "file": file,
            "sha256": hashlib.sha256(picture).hexdigest(),
            "stages": stages,
        }
        return values, len(picture)

    def _stage(self, number: int, place: int, stage: Mapping[str, Any]) -> dict[str, Any]:
        """A stage's picture, small and marked, and how like it is."""
        sha256, name = str(stage["output"]), str(stage["stage"])
        data = _jpeg(self.store.get(sha256), STAGE_PX, quality=88)
        file = f"{STAGES}/{number:02d}-{place}-{name}.jpg"
        # Without the visible mark: it would hide what the stage changed, and the metadata say it.
        self._write(file, self.marker.quietly().mark(data))
        return {"stage": name, "file": file, "likeness": self._likeness(sha256, data)}

    def _likeness(self, sha256: str, data: bytes) -> float | None:
        """As the recipe measured it, else measured now; None without a face."""
        from sdwebui_client import EncodedImage
        from stages.lib.score import score_picture

        if sha256 in self.likeness:
            return self.likeness[sha256]
        score = score_picture(EncodedImage(data), self.person)
        return score.likeness if score.has_face else None

    def _write(self, name: str, data: bytes) -> None:
        """Whole or not at all."""
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)

    def _may_go_on(self) -> None:
        from sdwebui_client import Cancelled

        if self.context.cancel.cancelled:
            raise Cancelled("the job was cancelled")


def _jpeg(picture: bytes, longest_px: int, *, quality: int) -> bytes:
    data = small_jpeg(picture, longest_px, quality=quality)
    if data is None:
        raise ValueError("a picture of the recipe cannot be read")
    return data


def _silent(_event: object) -> None:
    """It was told when the photos were checked."""
