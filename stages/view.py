"""Gathers what the report shows: small pictures out of the store and out of the person's photos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sdwebui_client import EncodedImage
from train_lora import PhotoSet

from .deliver import Delivery, RunFacts
from .director import Session
from .engine import Engine, Outcome
from .photo_thumbs import small_photo
from .report import (
    LARGE_PX,
    STAGE_PX,
    THUMB_PX,
    CandidateView,
    EffectView,
    PhotoView,
    PortraitView,
    PoseView,
    RejectedView,
    ReportView,
    StageView,
    thumbnail,
)
from .shots import Candidate

_TITLES = {
    "txt2img": "txt2img: drawn",
    "img2img": "img2img: toned",
    "upscale": "upscale: enlarged",
    "finish": "finish: graded",
}
_PHOTO_PX = 320
_SHORT = 40
_FEW = 24
"""Up to so many portraits the page has room for larger pictures of the stages."""

Thumb = Callable[[str, int], str]


def report_view(
    engine: Engine,
    facts: RunFacts,
    photos: PhotoSet,
    session: Session,
    delivered: Sequence[Delivery],
    *,
    skeletons: Mapping[str, EncodedImage],
    titles: Mapping[str, str],
) -> ReportView:
    """Put the page's content together.

    Args:
        engine: Its store has the pictures.
        facts: The run as a whole.
        photos: The person's.
        session: Every shot.
        delivered: What is in the folder.
        skeletons: Pose -> what ControlNet was given.
        titles: Pose or tone -> its title for people.
    """
    made: dict[tuple[str, int], str] = {}

    def thumb(sha256: str, longest_px: int = THUMB_PX) -> str:
        if (sha256, longest_px) not in made:
            picture = EncodedImage(engine.store.get(sha256))
            made[sha256, longest_px] = thumbnail(picture.open(), longest_px)
        return made[sha256, longest_px]

    stage_px = STAGE_PX if len(delivered) <= _FEW else THUMB_PX
    best = next((v for v in photos.photos if photos.accepted and v.file == photos.best.file), None)
    near = small_photo(photos, best, STAGE_PX) if best is not None else None
    nearest = thumbnail(near, STAGE_PX) if near is not None else None
    return ReportView(
        title=facts.title,
        sandbox=facts.sandbox,
        facts=_facts(facts, photos, session, delivered),
        min_likeness=facts.min_likeness,
        photos=_photos(photos),
        portraits=tuple(_portrait(entry, thumb, nearest, titles, stage_px) for entry in delivered),
        poses=_poses(session, delivered, thumb, skeletons, titles),
        rejected=tuple(
            RejectedView(shot.shot, thumb(shot.sha256, THUMB_PX), shot.score.likeness, shot.refused)
            for shot in session.finished
            if shot.refused is not None
        ),
        notes=_notes(session),
        preset_yaml=facts.preset_yaml,
    )


def _facts(
    facts: RunFacts, photos: PhotoSet, session: Session, delivered: Sequence[Delivery]
) -> tuple[tuple[str, str], ...]:
    webui, lora = facts.webui, facts.lora
    drawn = sum(len(shots) for shots in session.candidates.values())
    kind = "sandbox playing " if facts.sandbox else ""
    return (
        ("Delivered", f"{len(delivered)} of {len(delivered) + len(session.unfilled)} portraits"),
        *_likeness_fact(delivered),
        ("Drawn first", f"{drawn} pictures"),
        ("Photos used", f"{len(photos.accepted)} of {len(photos.photos)}"),
        *((("LoRA", f"{lora.name} ({lora.trainer})"),) if lora else ()),
        *((("IP-Adapter", facts.identity["ip_adapter"]["model"]),) if "ip_adapter" in facts.identity else ()),
        *((("Undertone", facts.tone["undertone"]["why"]["en"]),) if "undertone" in facts.tone else ()),
        ("WebUI", f"{kind}{webui['flavour']} {webui['version']}".strip()),
        ("Preset", facts.preset_name),
        ("Seed", str(facts.seed)),
    )


def _likeness_fact(delivered: Sequence[Delivery]) -> tuple[tuple[str, str], ...]:
    if not delivered:
        return ()
    lowest, highest = (f"{pick(entry.shot.score.likeness for entry in delivered):.3f}" for pick in (min, max))
    return (("Likeness", lowest if lowest == highest else f"{lowest} to {highest}"),)


def _notes(session: Session) -> tuple[str, ...]:
    return tuple(
        f"No picture was good enough for {slot.pose} in {slot.tone}; it is left out."
        for slot in session.unfilled
    )


def _photos(photos: PhotoSet) -> tuple[PhotoView, ...]:
    views = []
    for verdict in photos.photos:
        picture = small_photo(photos, verdict, _PHOTO_PX)
        small = thumbnail(picture, _PHOTO_PX) if picture is not None else None
        views.append(PhotoView(verdict.file, verdict.accepted, verdict.reason, small))
    return tuple(views)


def _portrait(
    entry: Delivery, thumb: Thumb, nearest: str | None, titles: Mapping[str, str], stage_px: int
) -> PortraitView:
    shot, last = entry.shot, entry.shot.steps[-1]
    return PortraitView(
        file=entry.file,
        title=f"{titles.get(shot.pose, shot.pose)}, {titles.get(shot.tone, shot.tone).lower()}",
        thumb=thumb(shot.sha256, LARGE_PX),
        size=_size(last),
        likeness=shot.score.likeness,
        seen=f"distance {shot.score.distance:.3f} from the photos, a sharp face ({shot.score.sharpness:.0f})",
        seed=shot.candidate.seed,
        nearest_photo=nearest,
        stages=tuple(_stage(step, thumb, stage_px) for step in shot.steps),
    )


def _size(step: Outcome) -> str:
    return f"{step.payload['width']} × {step.payload['height']}"


def _stage(step: Outcome, thumb: Thumb, longest_px: int) -> StageView:
    name = step.call.stage
    return StageView(
        title=_TITLES.get(name, name),
        thumb=thumb(step.sha256, longest_px),
        size=_size(step),
        settings=_settings(step),
        effects=tuple(
            EffectView(effect["effect"], effect["status"], effect["evidence"])
            for effect in step.payload.get("evidence", ())
        ),
    )


def _settings(step: Outcome) -> tuple[tuple[str, str], ...]:
    """Parameters as label and text, what is not set left out."""
    rows = []
    for name, value in step.call.params.items():
        if value in (None, "", [], {}) or name in ("infotext", "description"):
            continue
        rows.append((name.replace("_", " "), _text(value)))
    if "model_name" in step.payload:
        model = f"{step.payload['model_name']} [{step.payload['model_hash']}]"
        rows.append(("model reported", model))
    return tuple(rows)


def _text(value: Any) -> str:
    """A value as lines: a unit's short fields on one, its prompts on their own, a blank one between units."""
    if isinstance(value, Mapping):
        fields = [
            (name.replace("_", " "), _text(item)) for name, item in value.items() if item not in (None, "")
        ]
        short = ", ".join(f"{name} {text}" for name, text in fields if len(text) <= _SHORT)
        return "\n".join([short, *(f"{name}: {text}" for name, text in fields if len(text) > _SHORT)])
    if isinstance(value, (list, tuple)):
        between = "\n\n" if any(isinstance(item, Mapping) for item in value) else ", "
        return between.join(_text(item) for item in value)
    return str(value)


def _poses(
    session: Session,
    delivered: Sequence[Delivery],
    thumb: Thumb,
    skeletons: Mapping[str, EncodedImage],
    titles: Mapping[str, str],
) -> tuple[PoseView, ...]:
    used = {entry.shot.candidate.shot for entry in delivered}
    tried = {shot.candidate.shot for shot in session.finished}
    views = []
    for pose, shots in session.candidates.items():
        skeleton = thumbnail(skeletons[pose].open(), THUMB_PX) if pose in skeletons else None
        candidates = tuple(_candidate(shot, thumb, used=used, tried=tried) for shot in shots)
        views.append(PoseView(titles.get(pose, pose), skeleton, candidates))
    return tuple(views)


def _candidate(shot: Candidate, thumb: Thumb, *, used: set[str], tried: set[str]) -> CandidateView:
    if shot.shot in used:
        note = "went on"
    elif shot.refused is not None:
        note = shot.refused
    else:
        note = "went on, and was not delivered" if shot.shot in tried else "another was better"
    return CandidateView(
        shot=shot.shot,
        thumb=thumb(shot.drawn.sha256, THUMB_PX),
        likeness=shot.score.likeness,
        distance=shot.score.distance,
        seed=shot.seed,
        chosen=shot.shot in used,
        note=note,
        refused=shot.refused is not None,
    )
