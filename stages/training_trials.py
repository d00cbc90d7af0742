"""What the checkpoints drew, for the training report: rows of pictures, and the charts of their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeAlias

from .lib._optional import require
from .report import thumbnail
from .training_charts import Chart, Point, share_chart

THUMB_PX = 256
_QUALITY = 78
ReadPicture: TypeAlias = Callable[[str], bytes]
"""Gives a stored picture's bytes by its SHA-256; raises KeyError when it is gone."""
_KINDS = ("main", "other", "third", "fourth")
PASSES = 0.7
"""Likeness the presets ask of a portrait (`min_likeness` in presets/_base.yaml)."""
REPEATS = 0.5
"""Copying from which on a picture is said to repeat a photo."""


@dataclass(frozen=True)
class CellView:
    """One picture a checkpoint drew."""

    thumb: str | None
    alt: str
    likeness: float
    copying: float
    flaw: str
    repeats: str


@dataclass(frozen=True)
class TrialView:
    """A checkpoint at a weight: a row of pictures."""

    title: str
    step: int
    likeness: float
    worst: float
    variety: float
    copying: float
    score: float
    chosen: bool
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class VerdictView:
    """Whether the LoRA can be used, in a few words."""

    level: str
    """good | doubt | bad."""
    title: str
    text: str


@dataclass(frozen=True)
class ChoiceView:
    """What was tried and what won."""

    step: int
    weight: float
    why: str
    verdict: VerdictView
    won: TrialView
    measure: str
    compared_at: float
    """The weight at which all checkpoints were compared."""
    checkpoints: tuple[TrialView, ...]
    """Each checkpoint at the weight they were compared at."""
    weights: tuple[TrialView, ...]
    """The chosen checkpoint at every weight."""
    others: tuple[TrialView, ...]
    """The other finalists at every weight."""
    prompts: tuple[str, ...]


def stored(picture: ReadPicture, sha256: object) -> bytes | None:
    """A stored picture; None for one that is gone."""
    if not isinstance(sha256, str):
        return None
    try:
        return picture(sha256)
    except KeyError:
        return None


def small(data: bytes | None) -> str | None:
    """A small picture; None for what is gone or damaged."""
    if data is None:
        return None
    pil = require("PIL.Image", "pillow")
    try:
        with pil.open(BytesIO(data)) as image:
            return thumbnail(image, THUMB_PX, quality=_QUALITY)
    except (OSError, ValueError):
        return None


def choice_view(choice: Mapping[str, Any] | None, picture: ReadPicture) -> ChoiceView | None:
    """What was tried and what won; None when nothing was."""
    if not choice or not choice.get("trials"):
        return None
    trials: list[Mapping[str, Any]] = sorted(choice["trials"], key=lambda t: (t["step"], t["weight"]))
    common = _common_weight(trials)
    won = (choice["step"], choice["weight"])
    views = {(trial["step"], trial["weight"]): _trial(trial, picture, won=won) for trial in trials}
    prompts = tuple(str(item.get("prompt", "")) for item in max((t["pictures"] for t in trials), key=len))
    mine = [key for key in views if key[0] == won[0]]
    others = [key for key in views if key[0] != won[0] and key[1] != common]
    return ChoiceView(
        step=won[0],
        weight=won[1],
        why=str(choice.get("why") or "").removeprefix(f"step {won[0]} at weight {won[1]:g}: "),
        verdict=verdict(views[won]),
        won=views[won],
        measure=_measure(choice.get("compared") or {}),
        compared_at=common,
        checkpoints=tuple(view for key, view in views.items() if key[1] == common),
        weights=tuple(views[key] for key in mine) if len(mine) > 1 else (),
        others=tuple(views[key] for key in others),
        prompts=prompts,
    )


def _common_weight(trials: Sequence[Mapping[str, Any]]) -> float:
    """The weight at which the checkpoints were compared: the one most of them were tried at."""
    return float(Counter(trial["weight"] for trial in trials).most_common(1)[0][0])


def _trial(trial: Mapping[str, Any], picture: ReadPicture, *, won: tuple[int, float]) -> TrialView:
    title = f"Step {trial['step']}, weight {trial['weight']:g}"
    return TrialView(
        title=title,
        step=trial["step"],
        likeness=trial["likeness"],
        worst=trial["worst"],
        variety=trial["variety"],
        copying=trial["copying"],
        score=trial["score"],
        chosen=(trial["step"], trial["weight"]) == won,
        cells=tuple(
            CellView(
                small(stored(picture, item["sha256"])),
                f"{title}: {item.get('prompt', '')}",
                item["likeness"],
                item["copying"],
                str(item.get("flaw") or ""),
                str(item.get("repeats") or ""),
            )
            for item in trial["pictures"]
        ),
    )


def verdict(trial: TrialView) -> VerdictView:
    """Whether a studio can work with it: how many of its pictures would be delivered."""
    some = [cell for cell in trial.cells if not cell.flaw and cell.likeness >= PASSES]
    counted = f"{len(some)} of {len(trial.cells)} pictures reach a likeness of {PASSES:g}"
    text = f"{counted}, which the presets ask of a portrait."
    if trial.copying >= REPEATS:
        return VerdictView(
            "doubt",
            "It repeats its photos",
            f"{text} But they repeat training photos whatever the prompt asks for. Take a lower weight, or "
            "train again with photos of other days, clothes and places.",
        )
    if len(some) == len(trial.cells):
        return VerdictView("good", "Ready to use", text)
    if trial.likeness >= 0.5:
        return VerdictView(
            "doubt", "Usable, with some waste", f"{text} Expect to draw more pictures than are kept."
        )
    return VerdictView(
        "bad",
        "Not the person",
        f"{text} Better photos help most; what is missing in these stands under “What would make it better”.",
    )


def _measure(compared: Mapping[str, Any]) -> str:
    count = int(compared.get("photos") or 0)
    if not count:
        return ""
    noun = "photo" if count == 1 else "photos"
    if compared.get("held_out"):
        return f"Likeness is measured against {count} {noun} the training never saw."
    return (
        f"Likeness is measured against the {count} {noun} it was trained with, because none was held out: "
        "every value is flattered."
    )


def _text_of(trial: Mapping[str, Any]) -> str:
    return (
        f"step {trial['step']}, weight {trial['weight']:g}: likeness {trial['likeness']:.2f}, "
        f"worst {trial['worst']:.2f}, copying {trial['copying']:.2f}"
    )


def likeness_chart(trials: Sequence[Mapping[str, Any]], choice: ChoiceView | None) -> Chart | None:
    """Likeness and copying of each checkpoint."""
    if choice is None:
        return None
    common = _common_weight(trials)
    some = sorted((t for t in trials if t["weight"] == common), key=lambda t: t["step"])
    like = [Point(t["step"], t["likeness"], _text_of(t), t["step"] == choice.step, t["worst"]) for t in some]
    copying = [Point(t["step"], t["copying"], _text_of(t)) for t in some]
    series = [("likeness, down to the worst picture", "main", like), ("copying a photo", "copying", copying)]
    return share_chart("Likeness by checkpoint", "steps", series)


def weights_chart(trials: Sequence[Mapping[str, Any]], choice: ChoiceView | None) -> Chart | None:
    """Likeness of the finalists at each weight."""
    if choice is None:
        return None
    steps = [step for step, count in Counter(t["step"] for t in trials).items() if count > 1]
    steps.sort(key=lambda step: (step != choice.step, step))
    series = [
        (
            f"step {step}",
            kind,
            [
                Point(
                    t["weight"],
                    t["likeness"],
                    _text_of(t),
                    (step, t["weight"]) == (choice.step, choice.weight),
                )
                for t in sorted(trials, key=lambda t: t["weight"])
                if t["step"] == step
            ],
        )
        for step, kind in zip(steps, _KINDS, strict=False)
    ]
    return share_chart("Likeness by weight", "LoRA weight", series)
