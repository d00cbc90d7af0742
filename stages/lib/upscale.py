"""Enlarges a picture tile by tile. No ADetailer here: it would run on every tile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sdwebui_client import Capabilities, Img2ImgRequest, UltimateSDUpscale

from ..presets import Preset, UpscaleParams
from ..texts import Texts
from .generation import Job, Pictures, controlnet_params, controlnet_unit, drawing_params, request_fields

STAGE = "upscale"
VERSION = 1

_SCRIPT_FIELDS = (
    "scale", "tile_width", "tile_height", "mask_blur", "padding", "redraw_mode", "seams_fix",
    "seams_fix_width", "seams_fix_denoise", "seams_fix_padding", "seams_fix_mask_blur",
)  # fmt: skip


def choose_upscaler(stage: UpscaleParams, servers: Iterable[Capabilities]) -> str:
    """The first upscaler of the preset that a server has; all portraits of a run use the same one.

    When there is none the preset's first choice is returned, and the check of the plan names it as missing.
    Nothing is taken that the preset does not list.
    """
    known = {name for caps in servers for name in caps.upscalers}
    wanted = (stage.upscaler, *stage.fallback_upscalers)
    return next((name for name in wanted if name in known), stage.upscaler)


def params(
    preset: Preset, stage: UpscaleParams, texts: Texts, *, pose: str, tone: str, seed: int, upscaler: str
) -> dict[str, Any]:
    """Resolved parameters of one upscale."""
    script = {name: getattr(stage, name) for name in _SCRIPT_FIELDS}
    # A side of 0 means "as the other".
    script["tile_width"] = stage.tile_width or stage.tile_height
    script["tile_height"] = stage.tile_height or stage.tile_width
    return {
        **drawing_params(preset, stage, texts, pose=pose, tone=tone, seed=seed),
        "width": preset.txt2img.width,
        "height": preset.txt2img.height,
        "denoising_strength": stage.denoising_strength,
        "controlnet": controlnet_params(stage.controlnet),
        "upscaler": upscaler,
        "script": script,
    }


def job(values: Mapping[str, Any], pictures: Pictures, caps: Capabilities) -> Job:
    """The request; `pictures["image"]` is enlarged, and is what the tile ControlNet looks at."""
    controlnet = values["controlnet"]
    request = Img2ImgRequest(
        **request_fields(values, caps),
        init_images=[pictures["image"]],
        denoising_strength=values["denoising_strength"],
        width=values["width"],
        height=values["height"],
        batch_size=1,
        n_iter=1,
    )
    return Job(
        "img2img",
        request,
        (controlnet_unit(controlnet, None),) if controlnet is not None else (),
        UltimateSDUpscale(upscaler=values["upscaler"], **values["script"]),
    )
