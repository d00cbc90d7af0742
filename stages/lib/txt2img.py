"""Draws a candidate: the person by their LoRA, the pose by a skeleton, face and hands painted again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdwebui_client import Capabilities, Txt2ImgRequest

from ..identity import AdapterChoice, adapter_params, adapter_units
from ..presets import Preset
from ..texts import Texts
from .generation import (
    Job,
    Pictures,
    adetailer_params,
    adetailer_units,
    controlnet_params,
    controlnet_unit,
    drawing_params,
    request_fields,
)

STAGE = "txt2img"
VERSION = 1


def params(
    preset: Preset, texts: Texts, *, pose: str, seed: int, adapter: AdapterChoice | None = None
) -> dict[str, Any]:
    """Resolved parameters of one candidate."""
    stage = preset.txt2img
    return {
        **drawing_params(preset, stage, texts, pose=pose, tone=None, seed=seed),
        "width": stage.width,
        "height": stage.height,
        "controlnet": controlnet_params(stage.controlnet),
        "adetailer": adetailer_params(stage.adetailer, stage, texts, pose=pose, tone=None),
        **adapter_params(preset, adapter),
    }


def job(values: Mapping[str, Any], pictures: Pictures, caps: Capabilities) -> Job:
    """The request; `pictures["skeleton"]` is what ControlNet gets, `face-1` … what an IP-Adapter is shown."""
    units: list[Any] = [*adapter_units(values, pictures, caps), *adetailer_units(values["adetailer"])]
    if values["controlnet"] is not None:
        units.insert(0, controlnet_unit(values["controlnet"], pictures["skeleton"]))
    request = Txt2ImgRequest(
        **request_fields(values, caps), width=values["width"], height=values["height"], batch_size=1, n_iter=1
    )
    return Job("txt2img", request, tuple(units))
