"""Answers of the ControlNet and ADetailer extensions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ..images import EncodedImage
from ._base import Request, Response


class ControlNetVersion(Response):
    """Answer of /controlnet/version."""

    version: int
    """API version; 3 for sd-webui-controlnet 1.1.455."""


class ControlNetModels(Response):
    """Answer of /controlnet/model_list."""

    model_list: list[str]
    """Names with their hash; Forge and reForge want them exactly so."""


class ControlNetModules(Response):
    """Answer of /controlnet/module_list."""

    module_list: list[str]
    """Preprocessors; "none" on A1111, "None" on Forge and reForge."""
    module_detail: dict[str, Any] = Field(default_factory=dict)
    """Their sliders."""


class ControlType(Response):
    """One control type."""

    module_list: list[str] = Field(default_factory=list)
    """Preprocessors that fit."""
    model_list: list[str] = Field(default_factory=list)
    """Models that fit."""
    default_option: str | None = None
    """Neutral preprocessor."""
    default_model: str | None = None
    """Neutral model."""


class ControlTypes(Response):
    """Answer of /controlnet/control_types."""

    control_types: dict[str, ControlType]
    """By name ("OpenPose")."""


class ControlNetSettings(Response):
    """Answer of /controlnet/settings."""

    control_net_unit_count: int
    """Units a request may have; further ones are dropped silently."""


class DetectRequest(Request):
    """POST /controlnet/detect: only the preprocessor."""

    controlnet_input_images: list[EncodedImage] = Field(min_length=1)
    """The pictures."""
    controlnet_module: str = "none"
    """Preprocessor, of `controlnet_module_list()`."""
    controlnet_masks: list[EncodedImage] = Field(default_factory=list)
    """Masks, for inpainting preprocessors."""
    controlnet_processor_res: Annotated[int, Field(ge=-1, le=4096)] = -1
    """Resolution of the preprocessor, pixels; -1 its own."""
    controlnet_threshold_a: float = -1
    """First slider; -1 its own."""
    controlnet_threshold_b: float = -1
    """Second slider; -1 its own."""
    low_vram: bool = False
    """Save GPU memory."""


class DetectResult(Response):
    """Answer of /controlnet/detect and /controlnet/render_openpose_json."""

    images: list[EncodedImage]
    """One map a picture."""
    info: str = ""
    """"Success" or a remark."""
    poses: list[Any] | None = None
    """Key points, where a pose was detected."""


class ADetailerVersion(Response):
    """Answer of /adetailer/v1/version."""

    version: str
    """Version of the extension."""


class ADetailerModels(Response):
    """Answer of /adetailer/v1/ad_model."""

    ad_model: list[str]
    """Detectors; an unknown one is ignored silently."""
