"""Writes the output folder: portraits with their sidecars, contact sheet, report, preset, run.json.

Everything is written when the session is over, each file whole or not at all, run.json last: a folder whose
run.json names a portrait has that portrait. What an earlier, different run delivered into the folder is
taken away then; files the recipe did not make are never touched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdwebui_client import EncodedImage

from .canonical import sha256_hex
from .contact_sheet import SheetEntry, contact_sheet
from .director import Session
from .engine import Engine
from .events import Delivered
from .lib.select import Slot
from .lora import PersonLora, slug
from .provenance import SUFFIX, sidecar
from .shots import Candidate, Finished
from .store import explain_full_disk, write_atomically

SCHEMA = "sdwebui-run/1"
RECIPE = "profile"
MADE = "made.json"
"""In the work folder: what a run delivered, so that the next one takes away what it does not."""


@dataclass(frozen=True)
class Delivery:
    """One delivered portrait."""

    slot: Slot
    shot: Finished
    file: str
    """Relative to the output folder."""


@dataclass(frozen=True)
class RunFacts:
    """What is known of the run as a whole."""

    title: str
    webui: Mapping[str, Any]
    """url, flavour, version, sandbox of the first server; `servers` lists all of several."""
    photos: Sequence[Mapping[str, Any]]
    lora: PersonLora | None
    """The person's; None where photos stood for it."""
    identity: Mapping[str, Any]
    """How the pictures became the person."""
    tone: Mapping[str, Any]
    """Which tones were asked for and made, and what the photos say of the skin."""
    seed: int
    preset_name: str
    preset_yaml: str
    min_likeness: float
    consent: str | None
    sandbox: bool


def deliveries(session: Session) -> tuple[Delivery, ...]:
    """The delivered portraits with their file names, in the order of the slots."""
    return tuple(
        Delivery(slot, shot, f"portraits/{slot.number:02d}-{slug(slot.pose)}-{slug(slot.tone)}.png")
        for slot, shot in session.chosen
    )


class Folder:
    """The output folder of a run."""

    def __init__(self, out_dir: Path, engine: Engine) -> None:
        self._out, self._engine = out_dir, engine
        self._written: list[str] = []

    def write(self, name: str, data: bytes) -> None:
        """Write one file, whole or not at all; one that is as it should be is left alone."""
        path = self._out / name
        with explain_full_disk(self._out):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not (path.is_file() and path.read_bytes() == data):
                # Unfinished files lie where the next run removes them, should this one be killed.
                write_atomically(path, data, tmp_dir=self._engine.store.tmp)
        self._written.append(name)

    def write_portraits(self, delivered: Sequence[Delivery], facts: RunFacts) -> None:
        """The pictures, each with its sidecar."""
        preset_sha256 = sha256_hex(facts.preset_yaml.encode("utf-8"))
        for entry in delivered:
            shot = entry.shot
            self.write(entry.file, self._engine.store.get(shot.sha256))
            content = sidecar(
                picture=shot.sha256,
                shot=shot.shot,
                lora=facts.lora.to_json() if facts.lora else None,
                preset_sha256=preset_sha256,
                stages=shot.steps,
                score=shot.score.to_payload(),
                sandbox=facts.sandbox,
            )
            self.write(provenance_name(entry.file), as_json(content))
            self._engine.emit(
                Delivered(
                    entry.file,
                    shot.shot,
                    shot.pose,
                    shot.tone,
                    shot.candidate.seed,
                    shot.score.likeness,
                )
            )

    def write_sheet(self, delivered: Sequence[Delivery], facts: RunFacts, titles: Mapping[str, str]) -> None:
        """The contact sheet; none when nothing was delivered."""
        if not delivered:
            return
        entries = [
            SheetEntry(
                EncodedImage(self._engine.store.get(entry.shot.sha256)),
                f"{entry.slot.number:02d}  {titles.get(entry.shot.pose, entry.shot.pose)}, "
                f"{titles.get(entry.shot.tone, entry.shot.tone).lower()}",
                f"likeness {entry.shot.score.likeness:.3f}   seed {entry.shot.candidate.seed}",
            )
            for entry in delivered
        ]
        self.write("contact-sheet.jpg", contact_sheet(entries, title=facts.title, sandbox=facts.sandbox))

    def take_away_old(self, note: Path) -> None:
        """Remove what an earlier run of the recipe made here and this one did not, and note in `note` what
        this one made."""
        for name in _made_before(note):
            path = self._out / name
            if name not in self._written and path.resolve().is_relative_to(self._out.resolve()):
                path.unlink(missing_ok=True)
        with explain_full_disk(self._out):
            write_atomically(note, as_json(sorted(set(self._written))))


def _made_before(note: Path) -> tuple[str, ...]:
    try:
        names = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def provenance_name(file: str) -> str:
    """Name of a portrait's sidecar."""
    return str(Path(file).with_suffix("")) + SUFFIX


def as_json(value: Any) -> bytes:
    """As a person reads it, keys in their order."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def run_json(
    facts: RunFacts, session: Session, delivered: Sequence[Delivery], timing: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of run.json. Everything but `timing` is the same whenever the same run is made."""
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "recipe": RECIPE,
        "webui": dict(facts.webui),
        "photos": [dict(photo) for photo in facts.photos],
        "lora": facts.lora.to_json() if facts.lora else None,
        "identity": dict(facts.identity),
        "tone": dict(facts.tone),
        "portraits": [_portrait(entry) for entry in delivered],
        "rejected": rejected(session),
        "unfilled": [{"pose": slot.pose, "tone": slot.tone} for slot in session.unfilled],
        "candidates": [_candidate(shot) for shots in session.candidates.values() for shot in shots],
        "preset": facts.preset_name,
        "min_likeness": facts.min_likeness,
        "seed": facts.seed,
    }
    if facts.consent is not None:
        content["consent"] = facts.consent
    return {**content, "timing": dict(timing)}


def _portrait(entry: Delivery) -> dict[str, Any]:
    shot, last = entry.shot, entry.shot.steps[-1].payload
    return {
        "file": entry.file,
        "width": last["width"],
        "height": last["height"],
        "pose": shot.pose,
        "tone": shot.tone,
        "seed": shot.candidate.seed,
        "likeness": shot.score.likeness,
        "distance": shot.score.distance,
        "sha256": shot.sha256,
        "provenance": provenance_name(entry.file),
    }


def rejected(session: Session) -> list[dict[str, Any]]:
    """Pictures that were good for nothing: refused as candidates, and refused when finished."""
    found = [
        {**_candidate(shot), "stage": "txt2img", "tone": None, "reason": shot.refused}
        for shots in session.candidates.values()
        for shot in shots
        if shot.refused is not None
    ]
    found += [
        {
            **_candidate(shot.candidate),
            "shot": shot.shot,
            "stage": "portrait",
            "tone": shot.tone,
            "likeness": shot.score.likeness,
            "distance": shot.score.distance,
            "sha256": shot.sha256,
            "reason": shot.refused,
        }
        for shot in session.finished
        if shot.refused is not None
    ]
    return found


def _candidate(shot: Candidate) -> dict[str, Any]:
    return {
        "shot": shot.shot,
        "pose": shot.pose,
        "seed": shot.seed,
        "likeness": shot.score.likeness,
        "distance": shot.score.distance,
        "sha256": shot.drawn.sha256,
    }
