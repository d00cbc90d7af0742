"""Our units in SD.Next's own fields: ADetailer -> detailer_*, ControlNet -> /control's units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _resolve as resolve
from .._loras import lora_tags
from ..capabilities import Capabilities, Problem
from ..units import ADetailer, Context, ControlNet

SHARED = {
    "confidence": "detailer_conf",
    "mask_blur": "detailer_blur",
    "inpaint_padding": "detailer_padding",
    "steps": "detailer_steps",
    "width": "detailer_resolution",
    "height": "detailer_resolution",
}
"""ADetailer's field -> the detailer's, which counts for every detector of a request."""
PER_UNIT = frozenset({"model", "prompt", "negative_prompt", "denoising_strength"})
PROCESSES = {"none": "None", "canny": "Canny"}
"""Preprocessors that were recorded working without downloads."""


def detector(name: str, caps: Capabilities) -> str:
    """Return the detector's name as SD.Next lists it:
    without the file ending, with which it finds nothing."""
    plain = name.removesuffix(".pt")
    return plain if caps.adetailer and plain in caps.adetailer.models else name


def detailer_problems(units: Sequence[ADetailer], caps: Capabilities) -> list[Problem]:
    """Return what the built-in detailer cannot do of what the units ask."""
    if not units:
        return []
    if caps.adetailer is None:
        return [Problem("ADetailer", "this SD.Next lists no detectors")]
    found: list[Any] = []
    for index, unit in enumerate(units):
        where = f"ADetailer[{index}]"
        name = detector(unit.model, caps)
        found.append(resolve.adetailer_model(caps.adetailer, name, what=f"{where} model"))
        found += [
            Problem(f"{where} {field}", "SD.Next's detailer has no such setting", fix="leave it out")
            for field in sorted(unit.model_fields_set - set(SHARED) - PER_UNIT)
            if getattr(unit, field) != type(unit).model_fields[field].default
        ]
        found += [
            Problem(f"{where} lora", f"{tag.text} has no effect in the detailer's prompt (measured)")
            for tag in lora_tags(unit.prompt + unit.negative_prompt)
        ]
        if unit.width != unit.height:
            found.append(
                Problem(f"{where} width, height", "the detailer draws squares", fix="make them equal")
            )
        if "\n" in unit.prompt + unit.negative_prompt:
            found.append(Problem(f"{where} prompt", "a line break separates detectors here"))
    for field in sorted(set(SHARED) - {"height"}):
        values = {getattr(unit, field) for unit in units}
        if len(values) > 1:
            found.append(
                Problem(f"ADetailer {field}", "counts for every detector here, and the units disagree")
            )
    return [item for item in found if isinstance(item, Problem)]


def detailer_fields(units: Sequence[ADetailer], caps: Capabilities) -> dict[str, Any]:
    """Return the detailer's fields for these units; empty without units."""
    if not units:
        return {}
    names = [detector(unit.model, caps) for unit in units]
    fields: dict[str, Any] = {"detailer_enabled": True}
    strengths = {unit.denoising_strength for unit in units}
    if len(strengths) == 1:
        fields["detailer_models"] = names
    else:
        fields["detailer_models"] = [
            f"{name}:denoising_strength={unit.denoising_strength}"
            for name, unit in zip(names, units, strict=True)
        ]
    # Sent always: SD.Next's own values differ from ADetailer's.
    fields["detailer_strength"] = units[0].denoising_strength
    fields["detailer_conf"] = units[0].confidence
    fields["detailer_blur"] = units[0].mask_blur
    fields["detailer_padding"] = units[0].inpaint_padding
    fields["detailer_prompt"] = "\n".join(unit.prompt for unit in units)
    fields["detailer_negative"] = "\n".join(unit.negative_prompt for unit in units)
    if units[0].steps is not None:
        fields["detailer_steps"] = units[0].steps
    if units[0].width is not None:
        fields["detailer_resolution"] = units[0].width
    return fields


def control_model(unit: ControlNet, caps: Capabilities) -> str:
    """Return the model's name as SD.Next lists it, or as it was given when it is not there."""
    found = unit.resolve_model(caps)
    return (unit.model or unit.kind) if isinstance(found, Problem) else found


def control_problems(units: Sequence[ControlNet], caps: Capabilities, context: Context) -> list[Problem]:
    """Return what /control cannot do of what the units ask."""
    if not units:
        return []
    if caps.controlnet is None:
        return [Problem("ControlNet", "this SD.Next lists no ControlNet models")]
    found: list[Any] = []
    for index, unit in enumerate(units):
        where = f"ControlNet[{index}]"
        found.append(unit.resolve_model(caps, what=f"{where} model"))
        if "tile" in control_model(unit, caps).casefold():
            detail = "a tile ControlNet makes SD.Next answer 200 without any picture"
            found.append(Problem(f"{where} model", detail, fix="leave it out"))
        if unit.module.casefold() not in PROCESSES:
            detail = f'"{unit.module}" is not known to work'
            found.append(Problem(f"{where} module", detail, tuple(PROCESSES), "preprocess the picture first"))
        if unit.image is None:
            detail = "without one SD.Next reuses the picture of the request before, anybody's"
            found.append(Problem(f"{where} image", detail, fix="give it a picture"))
        if unit.weight == 0:
            found.append(Problem(f"{where} weight", "0 does nothing", fix="leave the unit out"))
        if unit.control_mode != "Balanced" or unit.mask is not None:
            found.append(
                Problem(f"{where} control_mode, mask", "has no counterpart here", fix="leave it out")
            )
    del context
    return [item for item in found if isinstance(item, Problem)]


def control_unit(unit: ControlNet, caps: Capabilities) -> dict[str, Any]:
    """Return the unit for /control. The picture goes in `override`:
    `inputs` cannot be sent as base64 (422)."""
    return {
        "process": PROCESSES.get(unit.module.casefold(), "None"),
        "model": control_model(unit, caps),
        "strength": unit.weight,
        "start": unit.guidance_start,
        "end": unit.guidance_end,
        "override": unit.image,
    }
