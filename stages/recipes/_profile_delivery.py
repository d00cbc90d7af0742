"""The end of a run of the profile recipe: its session becomes the output folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sdwebui_client import EncodedImage
from train_lora import PhotoSet

from ..deliver import MADE, Folder, RunFacts, as_json, deliveries, rejected, run_json
from ..director import Session
from ..engine import Engine
from ..errors import LikenessNotReached
from ..lora import PersonLora
from ..plan import Blueprint
from ..presets import dump_preset
from ..report import render_report
from ..servers import Probed
from ..texts import FROM_PHOTO
from ..tone import ToneChoice
from ..view import report_view
from .profile import ProfileOptions, RunResult

_FOR_IP_ADAPTER = (
    "Photos shown to an IP-Adapter are less like than a LoRA. Train one (--identity lora, or both), show it "
    "more (--set ip_adapter.photos=2) or more strongly (--set ip_adapter.weight=1.1), or ask for less "
    "(--set min_likeness=0.5)."
)


_FOR_SMALL_FACES = (
    "Without a LoRA no ADetailer pass paints the face again, so it must be drawn larger: raise "
    "stages.txt2img.width and height, or take a pose that shows less of the body."
)


def _advice(best: float | None, asked: float) -> str:
    """What to do when an IP-Adapter alone gave nothing."""
    return _FOR_IP_ADAPTER if best is None or best < asked else _FOR_SMALL_FACES


@dataclass(frozen=True)
class Clock:
    """When the run began, and how long its parts took."""

    started: datetime
    began: float
    parts: dict[str, float]

    @classmethod
    def start(cls) -> Clock:
        """Now."""
        return cls(datetime.now(UTC), time.monotonic(), {})

    def lap(self, part: str, since: float) -> None:
        """Note how long a part took, from `since` (monotonic seconds) until now."""
        self.parts[part] = round(time.monotonic() - since, 3)

    def to_json(self) -> dict[str, Any]:
        """As in run.json."""
        return {
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self.began, 3),
            **{f"{part}_s": seconds for part, seconds in self.parts.items()},
        }


@dataclass(frozen=True)
class Outcome:
    """Everything a run has when its last picture is made."""

    options: ProfileOptions
    servers: Sequence[Probed]
    blueprint: Blueprint
    photos: PhotoSet
    lora: PersonLora | None
    skeletons: Mapping[str, EncodedImage]
    session: Session
    tone: ToneChoice


def deliver(outcome: Outcome, engine: Engine, clock: Clock) -> RunResult:
    """Write the output folder.

    Raises:
        LikenessNotReached: Nothing could be delivered; the folder shows what was tried.
    """
    since = time.monotonic()
    out_dir, session, facts = outcome.options.out_dir, outcome.session, _facts(outcome)
    delivered, titles = deliveries(session), _titles(outcome.blueprint)
    folder = Folder(out_dir, engine)
    folder.write("preset.yaml", facts.preset_yaml.encode("utf-8"))
    folder.write_portraits(delivered, facts)
    folder.write_sheet(delivered, facts, titles)
    view = report_view(
        engine, facts, outcome.photos, session, delivered, skeletons=outcome.skeletons, titles=titles
    )
    folder.write("report.html", render_report(view).encode("utf-8"))
    clock.lap("delivery", since)
    run = run_json(facts, session, delivered, clock.to_json())
    folder.write("run.json", as_json(run))
    folder.take_away_old(_note_of(outcome.options))
    if not delivered:
        asked = outcome.blueprint.preset.min_likeness
        raise LikenessNotReached(
            best=session.best_likeness,
            asked=asked,
            out_dir=out_dir,
            reason=session.usual_reason,
            try_first=_advice(session.best_likeness, asked) if outcome.lora is None else "",
        )
    return RunResult(
        run, out_dir, tuple(out_dir / entry.file for entry in delivered), tuple(rejected(session))
    )


def _note_of(options: ProfileOptions) -> Path:
    """Where it is noted what was delivered into the output folder: with the folder, where several share a
    work folder."""
    return options.work / MADE if options.work_dir is None else options.out_dir / f".{MADE}"


def _facts(outcome: Outcome) -> RunFacts:
    preset, person = outcome.blueprint.preset, outcome.options.person
    return RunFacts(
        title=f"Studio portraits of {person}" if person else "Studio portraits",
        webui=_webui_json(outcome.servers),
        photos=[
            {"file": verdict.file, "accepted": verdict.accepted, "reason": verdict.reason}
            for verdict in outcome.photos.photos
        ],
        lora=outcome.lora,
        identity=_identity_json(outcome.blueprint),
        tone=outcome.tone.to_json(),
        seed=outcome.blueprint.seed,
        preset_name=preset.name,
        preset_yaml=dump_preset(preset),
        min_likeness=preset.min_likeness,
        consent=outcome.options.consent,
        # One stand-in among the servers is enough: nobody may take its picture for a real one.
        sandbox=any(server.caps.sandbox for server in outcome.servers),
    )


def _identity_json(blueprint: Blueprint) -> dict[str, Any]:
    """How the pictures became the person, as in run.json."""
    adapter = blueprint.chosen_adapter
    found: dict[str, Any] = {"kind": blueprint.preset.identity}
    return found if adapter is None else {**found, "ip_adapter": adapter.to_json()}


def _titles(blueprint: Blueprint) -> dict[str, str]:
    """Pose or tone -> its title for people."""
    library = blueprint.texts.library
    titles = {name: pose.title.en for name, pose in library.poses.items()}
    titles |= {name: tone.title.en for name, tone in library.tones.items()}
    return {**titles, FROM_PHOTO: "Pose of a photo"}


def _webui_json(probed: Sequence[Probed]) -> dict[str, Any]:
    """The first server as run.json has it, and all of them when there are several."""
    entries = [
        {
            "url": server.url,
            "flavour": str(server.caps.flavour),
            "version": server.caps.version,
            "sandbox": server.caps.sandbox,
        }
        for server in probed
    ]
    return entries[0] if len(entries) == 1 else {**entries[0], "servers": entries}
