"""training-report.html: one training on one page that needs nothing but itself.

The photos as the trainer saw them, the loss, what every checkpoint drew, which was chosen and why, every
setting with its reason, and how long it took. Like the other report it says nothing about when it happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from .report import render_page
from .store import write_atomically
from .training_charts import Chart, loss_chart
from .training_sheet import PhaseView, SettingView, phase_views, setting_views, shown, took
from .training_trials import (
    ChoiceView,
    ReadPicture,
    choice_view,
    likeness_chart,
    small,
    stored,
    weights_chart,
)

Record: TypeAlias = Mapping[str, Any]
_FAMILIES = {"sd15": "SD 1.5", "sdxl": "SDXL"}


@dataclass(frozen=True)
class PhotoView:
    """One of the person's photos."""

    file: str
    state: str
    """trained | held out | refused."""
    reason: str
    thumb: str | None


@dataclass(frozen=True)
class ItemView:
    """One training picture."""

    thumb: str | None
    caption: str
    size: str
    kind: str


@dataclass(frozen=True)
class PublishedView:
    """A WebUI that has it."""

    server: str
    place: str
    listed: bool
    evidence: str


@dataclass(frozen=True)
class TrainingView:
    """Everything the page shows."""

    title: str
    sandbox: bool
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    photos: tuple[PhotoView, ...]
    advice: tuple[str, ...]
    items: tuple[ItemView, ...]
    regularisation: int
    loss: Chart | None
    likeness: Chart | None
    weights: Chart | None
    choice: ChoiceView | None
    settings: tuple[SettingView, ...]
    phases: tuple[PhaseView, ...]
    took: str
    published: tuple[PublishedView, ...]
    command: str
    preset: str
    file: str
    sha256: str


def write_training_report(
    path: Path,
    record: Record,
    *,
    picture: ReadPicture,
    dataset_dir: Path,
    photos: Mapping[str, bytes] | None = None,
) -> None:
    """Write the page, whole or not at all.

    A picture that is not there any more leaves an empty frame; the numbers are in the record all the same.

    Args:
        path: The file to write.
        record: What `training.json` holds.
        picture: Gives a stored picture's bytes by its SHA-256; raises KeyError when it is gone.
        dataset_dir: Where the training pictures lie that are not stored.
        photos: File name -> a small picture of the photo; None = the photos are listed by name.

    Raises:
        OSError: The file cannot be written.
    """
    html = render_page("training_report.html", training_view(record, picture, dataset_dir, photos or {}))
    write_atomically(path, html.encode("utf-8"))


def training_view(
    record: Record, picture: ReadPicture, dataset_dir: Path, photos: Mapping[str, bytes]
) -> TrainingView:
    """What the page shows of a record."""
    choice = choice_view(record.get("choice"), picture)
    dataset, lora = record.get("dataset") or {}, record.get("lora") or {}
    trials = (record.get("choice") or {}).get("trials") or ()
    return TrainingView(
        title=f"{record['name']}: how the LoRA was trained",
        sandbox=bool(record.get("sandbox")),
        facts=_facts(record, choice),
        notes=_notes(record),
        photos=tuple(_photo(photo, photos) for photo in record.get("photos") or ()),
        advice=tuple(str(item["text"]) for item in record.get("advice") or ()),
        items=tuple(_item(item, picture, dataset_dir) for item in dataset.get("items") or ()),
        regularisation=int(dataset.get("regularisation") or 0),
        loss=loss_chart(record.get("losses") or (), _saved_steps(record), choice.step if choice else None),
        likeness=likeness_chart(trials, choice),
        weights=weights_chart(trials, choice),
        choice=choice,
        settings=setting_views(record),
        phases=phase_views(record),
        took=took(record),
        published=tuple(
            PublishedView(
                str(place.get("server") or ""),
                str(place.get("place") or ""),
                bool(place.get("listed")),
                _verified(place.get("verified")),
            )
            for place in record.get("published") or ()
        ),
        command=" ".join((record.get("trainer") or {}).get("command") or ()),
        preset=str(record.get("preset") or ""),
        file=str(lora.get("file") or ""),
        sha256=str(lora.get("sha256") or ""),
    )


def _verified(value: object) -> str:
    """The evidence that the WebUI draws with it; empty when there is none."""
    if isinstance(value, str):
        return value
    return "verified: a picture was made with it" if value else ""


# ---- the head


def _facts(record: Record, choice: ChoiceView | None) -> tuple[tuple[str, str], ...]:
    trainer, base, lora = (record.get(name) or {} for name in ("trainer", "base_model", "lora"))
    items = (record.get("dataset") or {}).get("items") or ()
    family = str(record.get("family") or "")
    in_use = f"<lora:{record['name']}:{choice.weight:g}>" if choice else f"<lora:{record['name']}:0.8>"
    found = [
        ("In a prompt", f"{record.get('trigger') or ''} {in_use}".strip()),
        ("Steps", f"{record.get('steps')}" + (f", step {choice.step} chosen" if choice else "")),
        ("Training pictures", f"{len(items)}"),
        ("Model family", _FAMILIES.get(family, family)),
        ("Trainer", f"{trainer.get('name', '')} {trainer.get('version', '')}".strip()),
        ("Base model", str(base.get("name") or "")),
        ("Device", _device(trainer.get("facts") or {})),
        ("File", _file_text(lora)),
    ]
    return tuple((label, value) for label, value in found if value)


def _device(facts: Mapping[str, Any]) -> str:
    gpus = facts.get("gpus")
    if isinstance(gpus, Sequence) and not isinstance(gpus, str) and gpus:
        first = gpus[0]
        return str(first.get("name", "")) if isinstance(first, Mapping) else str(first)
    return str(facts.get("device") or "")


def _file_text(lora: Mapping[str, Any]) -> str:
    if not lora:
        return ""
    size = (
        f"{lora['bytes'] / 1e6:.0f} MB"
        if lora.get("bytes", 0) >= 1e6
        else f"{lora.get('bytes', 0) / 1e3:.0f} kB"
    )
    return f"{lora.get('file')}, {size}, hash {lora.get('webui_hash') or str(lora.get('sha256', ''))[:12]}"


def _notes(record: Record) -> tuple[str, ...]:
    notes = []
    if record.get("resumed_from"):
        notes.append(f"An earlier, interrupted training was continued from step {record['resumed_from']}.")
    if record.get("lighter"):
        changed = ", ".join(f"{key} {shown(value)}" for key, value in record["lighter"].items())
        notes.append(f"The GPU's memory was not enough. The second try was lighter: {changed}.")
    if not record.get("choice"):
        notes.append("No checkpoint was tried out: the last one was taken, and its likeness is not known.")
    return tuple(notes)


# ---- photos and training pictures


def _photo(photo: Mapping[str, Any], photos: Mapping[str, bytes]) -> PhotoView:
    state = "refused" if not photo["accepted"] else "held out" if photo.get("held_out") else "trained"
    reason = " ".join(str(photo.get(key) or "") for key in ("reason", "advice")).strip()
    data = photos.get(photo["file"])
    return PhotoView(str(photo["file"]), state, reason, small(data) if data else None)


def _item(item: Mapping[str, Any], picture: ReadPicture, dataset_dir: Path) -> ItemView:
    data = stored(picture, item.get("picture"))
    if data is None:
        file = dataset_dir / Path(str(item["image"])).name
        data = file.read_bytes() if file.is_file() else None
    size = f"{item['width']} × {item['height']}" if item.get("width") else ""
    return ItemView(small(data), str(item["caption"]), size, str(item.get("kind") or ""))


def _saved_steps(record: Record) -> list[int]:
    """Steps a checkpoint was kept at."""
    every = (record.get("settings") or {}).get("save_every_n_steps")
    last = int(record.get("steps") or 0)
    return sorted({*range(every, last + 1, every), last}) if every else [last]
