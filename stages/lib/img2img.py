"""Gives a chosen candidate its tone: the same picture in cool or warm light, the face painted again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdwebui_client import Capabilities, Img2ImgRequest

from ..identity import AdapterChoice, adapter_params, adapter_units
from ..presets import Img2ImgParams, Preset
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

STAGE = "img2img"
VERSION = 1


def params(
    preset: Preset,
    stage: Img2ImgParams,
    texts: Texts,
    *,
    pose: str,
    tone: str,
    seed: int,
    adapter: AdapterChoice | None = None,
) -> dict[str, Any]:
    """Resolved parameters of one candidate in one tone. The size is the candidate's."""
    return {
        **drawing_params(preset, stage, texts, pose=pose, tone=tone, seed=seed),
        "width": preset.txt2img.width,
        "height": preset.txt2img.height,
        "denoising_strength": stage.denoising_strength,
        "controlnet": controlnet_params(stage.controlnet),
        "adetailer": adetailer_params(stage.adetailer, stage, texts, pose=pose, tone=tone),
        **adapter_params(preset, adapter),
    }


def job(values: Mapping[str, Any], pictures: Pictures, caps: Capabilities) -> Job:
    """The request; `pictures["image"]` is the picture to start from, and what a ControlNet looks at;
    `face-1` … are what an IP-Adapter is shown."""
    units: list[Any] = [*adapter_units(values, pictures, caps), *adetailer_units(values["adetailer"])]
    if values["controlnet"] is not None:
        units.insert(0, controlnet_unit(values["controlnet"], None))
    request = Img2ImgRequest(
        **request_fields(values, caps),
        init_images=[pictures["image"]],
        denoising_strength=values["denoising_strength"],
        # Left out they would be 512x512, whatever the picture's size.
        width=values["width"],
        height=values["height"],
        batch_size=1,
        n_iter=1,
    )
    return Job("img2img", request, tuple(units))
