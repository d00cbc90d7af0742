"""Is everything there that the recipe needs? Each thing is looked at, and named with what to do."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .errors import SETUP_HINT
from .extras import missing_modules, project_version

if TYPE_CHECKING:
    from sdwebui_client import Capabilities
    from stages.presets import Preset

Status = Literal["ok", "note", "missing"]

LOW_DISK_BYTES = 2_000_000_000
"""A run keeps every stage of every shot, some 100 MB for 4 SDXL portraits; below this a word is worth it."""

ALWAYS_NEEDED = ("sandbox", "faces", "profile")
"""Extras of make-profile."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: which part of the set-up it belongs to.
        name: the thing.
        status: ok; note: works, but worth knowing; missing: the recipe cannot run.
        detail: what was found.
        advice: what to install, rename or change; "" when nothing.
    """

    group: str
    name: str
    status: Status
    detail: str
    advice: str = ""


def check_machine(folder: Path) -> list[Check]:
    """Look at this machine: Python, extras, face models, photo formats, disk.

    Args:
        folder: where runs will be written; need not exist.
    """
    group = "This machine"
    checks = [
        Check(group, "Python", "ok", f"{platform.python_version()} ({sys.platform}, {platform.machine()})"),
        Check(group, "sdwebui-client", "ok", project_version()),
    ]
    for extra in ALWAYS_NEEDED:
        missing = missing_modules(extra)
        if missing:
            checks.append(
                Check(group, f"[{extra}]", "missing", f"not installed: {', '.join(missing)}", SETUP_HINT)
            )
        else:
            checks.append(Check(group, f"[{extra}]", "ok", "installed"))
    return [
        *checks,
        _faces_check(group),
        *_yolo_checks(group),
        *_format_checks(group),
        _disk_check(group, folder),
    ]


def _faces_check(group: str) -> Check:
    """Find a face in a picture without one: loads both models, which is what can fail."""
    from faces import FacesError, detect

    try:
        from PIL import Image

        detect(Image.new("RGB", (64, 64)))
    except (FacesError, ImportError) as error:
        return Check(group, "face models", "missing", str(error), SETUP_HINT)
    return Check(group, "face models", "ok", "load, offline")


def _yolo_checks(group: str) -> list[Check]:
    """The user's own detector, where one is named; the face models' check has loaded it."""
    from faces import FacesError, detector_identity

    name = "face detector"
    try:
        identity = detector_identity()
    except FacesError as error:
        return [Check(group, name, "missing", error.message, error.hint)]
    if identity == "centerface":
        return []
    advice = "Its file is a pickle, which can run code when it is loaded: use weights from people you trust."
    return [Check(group, name, "note", f"SDWEBUI_FACE_YOLO ({identity})", advice)]


def _format_checks(group: str) -> list[Check]:
    from PIL import features

    checks = []
    for name, feature in (("JPEG", "jpg"), ("PNG", "zlib"), ("WebP", "webp")):
        there = bool(features.check(feature))
        advice = "" if there else "Reinstall Pillow from its wheel."
        checks.append(
            Check(
                group, f"{name} photos", "ok" if there else "missing", "read" if there else "not read", advice
            )
        )
    heic = find_spec("pillow_heif") is not None
    checks.append(
        Check(
            group,
            "HEIC photos",
            "ok" if heic else "note",
            "read" if heic else "not read: refused one by one",
            "" if heic else SETUP_HINT,
        )
    )
    return checks


def _disk_check(group: str, folder: Path) -> Check:
    place = folder.resolve()
    while not place.is_dir():
        place = place.parent
    free = shutil.disk_usage(place).free
    low = free < LOW_DISK_BYTES
    return Check(
        group,
        "disk",
        "note" if low else "ok",
        f"{free / 1e9:.1f} GB free below {place}",
        "Make room, or point --out at another disk." if low else "",
    )


def check_server(
    url: str, caps: Capabilities, models_dir: Path | str | None, lora: str | None = None
) -> list[Check]:
    """Look at what a WebUI says about itself.

    Args:
        url: its address.
        caps: what it said.
        models_dir: its models folder: a path of this machine, an address as text, or None.
        lora: a LoRA it is said to have, or None.
    """
    group = f"WebUI {url}"
    flavour = "the sandbox, playing " if caps.sandbox else ""
    checks = [Check(group, "API", "ok", f"answers: {flavour}{caps.flavour} {caps.version}".rstrip())]
    checks += [
        Check(group, part, "note", "installed, but does not answer yet", "Ask again in a few seconds.")
        for part in caps.still_starting
    ]
    for name, found in (
        ("checkpoints", [info.title for info in caps.checkpoints]),
        ("LoRAs", [info.name for info in caps.loras]),
        ("samplers", caps.samplers),
        ("upscalers", caps.upscalers),
        ("ControlNet models", caps.controlnet.models if caps.controlnet else ()),
        ("ADetailer models", caps.adetailer.models if caps.adetailer else ()),
    ):
        checks.append(Check(group, name, "ok" if found else "note", _listed(found)))
    from .doctor_identity import check_ip_adapters

    checks.append(check_ip_adapters(group, caps))
    return [*checks, *_lora_checks(group, caps, models_dir, lora)]


def _listed(names: Sequence[str], shown: int = 4) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{len(names)}: {', '.join(names[:shown])}{more}"


def _lora_checks(
    group: str, caps: Capabilities, models_dir: Path | str | None, lora: str | None
) -> list[Check]:
    """How the person's LoRA gets there: it is there already, or it can be published."""
    name = "the person's LoRA"
    if lora is not None:
        return []  # the preset's check names it, with near matches
    if caps.sandbox:
        return [Check(group, name, "ok", "a stand-in is made from the photos")]
    checks = [Check(group, name, "ok", "none named: one is trained from the photos (see Training below)")]
    if models_dir is None:
        advice = "Name it with --models-dir: a path, or sftp://user@host/path. Or name a LoRA with --lora."
        checks.append(Check(group, "models folder", "note", "not named: a LoRA cannot be published", advice))
    elif isinstance(models_dir, str):
        checks.append(_place_check(group, models_dir))
    elif not (models_dir / "Lora").is_dir():
        detail = f"{models_dir} has no folder Lora"
        checks.append(
            Check(group, "models folder", "missing", detail, "Name the WebUI's `models` folder itself.")
        )
    return checks


def _place_check(group: str, address: str) -> Check:
    """Whether a models folder elsewhere is reached; nothing is written there."""
    from train_lora.errors import TrainError
    from train_lora.places import open_place

    name = "models folder"
    try:
        with open_place(address) as place:
            return Check(group, name, "ok", f"{place.url} is reached")
    except TrainError as error:
        return Check(group, name, "missing", error.message, error.hint)


def check_preset(url: str, preset: Preset, caps: Capabilities, lora: str | None = None) -> list[Check]:
    """Hold a preset against a WebUI: every sampler, model, extension, slot and upscaler it names.

    Args:
        url: the WebUI's address.
        preset: the preset.
        caps: what the WebUI said.
        lora: a LoRA it is said to have; None takes it that one will be published.
    """
    from stages.family import checkpoint_doubt
    from stages.recipes.profile import ProfileOptions, plan_profile

    options = ProfileOptions(
        photos_dir=Path(),
        out_dir=Path(),
        preset=preset,
        name="doctor",
        count=None,
        seed=0,
        lora=lora,
        models_dir=None,
        pose_from=None,
    )
    group = f"Preset {preset.name} on {url}"
    problems = [text for found in plan_profile(options, [caps]).problems.values() for text in found]
    doubt = checkpoint_doubt(preset, caps)
    checks = [Check(group, "checkpoint", "note", doubt)] if doubt else []
    if not problems:
        return [*checks, Check(group, "everything it names", "ok", "there")]
    # A problem reads "what: detail; near match or advice".
    parts = [problem.partition(": ") for problem in problems]
    return [*checks, *(Check(group, what, "missing", detail or what) for what, _, detail in parts)]


def report(checks: Sequence[Check]) -> dict[str, Any]:
    """The checks as `doctor --json` prints them."""
    return {
        "schema": "sdwebui-doctor/1",
        "ready": is_ready(checks),
        "checks": [asdict(check) for check in checks],
    }


def is_ready(checks: Sequence[Check]) -> bool:
    """Whether nothing is missing."""
    return not any(check.status == "missing" for check in checks)
