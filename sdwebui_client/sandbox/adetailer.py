"""ADetailer: reads its units as the extension does, dropping without a word what it does not like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .render.scene import DetailTarget

_FIELDS: tuple[tuple[str, str, Any, str | None], ...] = (
    # key, label, value that is not written ("_always": none), key that must be on for it to be written
    ("ad_model", "model", "_always", None),
    ("ad_model_classes", "model classes", "", None),
    ("ad_prompt", "prompt", "", None),
    ("ad_negative_prompt", "negative prompt", "", None),
    ("ad_confidence", "confidence", "_always", None),
    ("ad_mask_filter_method", "method to decide top-k masks", "Area", "ad_mask_k"),
    ("ad_mask_k", "mask only top k", 0, None),
    ("ad_mask_min_ratio", "mask min ratio", 0.0, None),
    ("ad_mask_max_ratio", "mask max ratio", 1.0, None),
    ("ad_x_offset", "x offset", 0, None),
    ("ad_y_offset", "y offset", 0, None),
    ("ad_dilate_erode", "dilate erode", "_always", None),
    ("ad_mask_merge_invert", "mask merge invert", "None", None),
    ("ad_mask_blur", "mask blur", "_always", None),
    ("ad_denoising_strength", "denoising strength", "_always", None),
    ("ad_inpaint_only_masked", "inpaint only masked", False, None),
    ("ad_inpaint_only_masked_padding", "inpaint padding", "_always", "ad_inpaint_only_masked"),
    ("ad_use_inpaint_width_height", "use inpaint width height", False, None),
    ("ad_inpaint_width", "inpaint width", "_always", "ad_use_inpaint_width_height"),
    ("ad_inpaint_height", "inpaint height", "_always", "ad_use_inpaint_width_height"),
    ("ad_use_steps", "use separate steps", False, None),
    ("ad_steps", "steps", "_always", "ad_use_steps"),
    ("ad_use_cfg_scale", "use separate CFG scale", False, None),
    ("ad_cfg_scale", "CFG scale", "_always", "ad_use_cfg_scale"),
    ("ad_use_checkpoint", "use separate checkpoint", False, None),
    ("ad_checkpoint", "checkpoint", None, "ad_use_checkpoint"),
    ("ad_use_vae", "use separate VAE", False, None),
    ("ad_vae", "VAE", None, "ad_use_vae"),
    ("ad_use_sampler", "use separate sampler", False, None),
    ("ad_sampler", "sampler", "_always", "ad_use_sampler"),
    ("ad_scheduler", "scheduler", "Use same scheduler", "ad_use_sampler"),
    ("ad_use_noise_multiplier", "use separate noise multiplier", False, None),
    ("ad_noise_multiplier", "noise multiplier", "_always", "ad_use_noise_multiplier"),
    ("ad_use_clip_skip", "use separate CLIP skip", False, None),
    ("ad_clip_skip", "CLIP skip", "_always", "ad_use_clip_skip"),
    ("ad_restore_face", "restore face", False, None),
    ("ad_controlnet_model", "ControlNet model", "None", None),
    ("ad_controlnet_module", "ControlNet module", "None", "ad_controlnet_model"),
    ("ad_controlnet_weight", "ControlNet weight", 1.0, "ad_controlnet_model"),
    ("ad_controlnet_guidance_start", "ControlNet guidance start", 0.0, "ad_controlnet_model"),
    ("ad_controlnet_guidance_end", "ControlNet guidance end", 1.0, "ad_controlnet_model"),
)
_OFF = (None, False, 0, "", "None")
_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, float), "integer": (int,), "boolean": (bool,), "string": (str,)
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit the extension accepted."""

    values: dict[str, Any]

    @property
    def model(self) -> str:
        """The detector; "None" switches the unit off."""
        return str(self.values["ad_model"])

    @property
    def runs(self) -> bool:
        """Whether it is switched on (which says nothing about its detector being there)."""
        return self.model != "None" and bool(self.values["ad_tab_enable"])

    @property
    def prompt(self) -> str:
        """Its own prompt; empty: the picture's."""
        return str(self.values["ad_prompt"])

    @property
    def denoising_strength(self) -> float:
        """0..1."""
        return float(self.values["ad_denoising_strength"])


@dataclass(frozen=True, slots=True)
class Plan:
    """What ADetailer does to one request."""

    units: tuple[Unit, ...] = ()
    """Accepted units, switched-off ones included: their place decides the names in `info`."""
    skip_img2img: bool = False

    @property
    def enabled(self) -> bool:
        """Whether anything runs at all."""
        return any(unit.runs for unit in self.units)

    def entries(self, version: str) -> dict[str, Any]:
        """What is added to `extra_generation_params`."""
        if not self.enabled:
            return {}
        entries: dict[str, Any] = {}
        for index, unit in enumerate(self.units):
            if unit.runs:
                entries |= _entries(unit, _suffix(index))
        return {**entries, "ADetailer version": version}


def plan(args: tuple[Any, ...], schema: Mapping[str, Any], *, img2img: bool) -> Plan:
    """Read the script's arguments (recorded: p03*, e08*).

    The first is the switch when it is a boolean and means "on" otherwise, so a request without the two
    leading booleans runs, together with the interface's default unit behind it. A unit that does not
    validate is dropped.
    """
    switch = args[0] if args and isinstance(args[0], bool) else bool(args)
    if not switch:
        return Plan()
    skip = len(args) > 1 and args[1] is True and img2img
    units = (_unit(arg, schema) for arg in args if isinstance(arg, dict))
    return Plan(tuple(unit for unit in units if unit is not None), skip)


def _unit(given: dict[str, Any], schema: Mapping[str, Any]) -> Unit | None:
    properties: Mapping[str, Mapping[str, Any]] = schema["properties"]
    values = {key: field.get("default") for key, field in properties.items()}
    # Keys the interface's own default unit carries beside the schema's.
    for key, value in given.items():
        field = properties.get(key)
        if field is None or not _fits(value, field):
            return None
        values[key] = value
    return Unit(_typed(values, properties))


def _fits(value: Any, field: Mapping[str, Any]) -> bool:
    if value is None:
        return "default" not in field
    kind = field.get("type")
    if kind is None:
        return not field.get("enum") or value in field["enum"]
    if isinstance(value, bool) and kind != "boolean":
        return False
    if not isinstance(value, _TYPES[kind]):
        return False
    if "enum" in field and value not in field["enum"]:
        return False
    low, high = field.get("minimum", float("-inf")), field.get("maximum", float("inf"))
    return not isinstance(value, int | float) or low <= value <= high


def _typed(values: dict[str, Any], properties: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    numbers = {key for key, field in properties.items() if field.get("type") == "number"}
    return {
        k: float(v) if k in numbers and isinstance(v, int) and v is not None else v for k, v in values.items()
    }


def _entries(unit: Unit, suffix: str) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key, label, neutral, needs in _FIELDS:
        if key not in unit.values or (needs is not None and unit.values.get(needs) in _OFF):
            continue
        value = unit.values[key]
        if neutral == "_always" or value != neutral:
            entries[f"ADetailer {label}{suffix}"] = value
    return entries


def _suffix(index: int) -> str:
    if index == 0:
        return ""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(0 if 10 <= (index + 1) % 100 <= 20 else (index + 1) % 10, "th")
    return f" {index + 1}{ending}"


def target(model: str) -> DetailTarget:
    """What a detector looks for: face, hand or other."""
    lowered = model.lower()
    if "hand" in lowered:
        return "hand"
    return "face" if "face" in lowered else "other"
