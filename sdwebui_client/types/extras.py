"""Upscaling, png-info and interrogation."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ..images import EncodedImage
from ._base import Request, Response
from .generation import MAX_SIDE_PX

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class ExtrasRequest(Request):
    """What the two extras routes share."""

    resize_mode: int = Field(default=0, ge=0, le=1)
    """0 by factor (`upscaling_resize`), 1 to a size."""
    show_extras_results: bool = True
    """False leaves the picture out of the answer."""
    gfpgan_visibility: Share = 0.0
    """Share of GFPGAN; unchanged picture when its model is missing."""
    codeformer_visibility: Share = 0.0
    """Share of CodeFormer; unchanged picture when its model is missing."""
    codeformer_weight: Share = 0.0
    """0 strongest, 1 weakest effect."""
    upscaling_resize: float = Field(default=2.0, gt=0.0, le=8.0)
    """Factor."""
    upscaling_resize_w: int = Field(default=512, ge=1, le=MAX_SIDE_PX * 2)
    """Width, pixels, with `resize_mode` 1."""
    upscaling_resize_h: int = Field(default=512, ge=1, le=MAX_SIDE_PX * 2)
    """Height, pixels, with `resize_mode` 1."""
    upscaling_crop: bool = True
    """Crop to the size asked for."""
    upscaler_1: str = "None"
    """Main upscaler, of `upscalers()`."""
    upscaler_2: str = "None"
    """Second upscaler, mixed in."""
    extras_upscaler_2_visibility: Share = 0.0
    """Share of the second upscaler."""
    upscale_first: bool = False
    """Upscale before restoring faces."""


class ExtraSingleImageRequest(ExtrasRequest):
    """POST /sdapi/v1/extra-single-image."""

    image: EncodedImage
    """The picture."""


class NamedImage(Request):
    """A picture of a batch."""

    data: EncodedImage
    """The picture."""
    name: str
    """A file name."""


class ExtraBatchImagesRequest(ExtrasRequest):
    """POST /sdapi/v1/extra-batch-images."""

    imageList: list[NamedImage] = Field(min_length=1)  # noqa: N815 - the server's spelling
    """The pictures."""


class ExtraSingleImageResult(Response):
    """Answer of extra-single-image."""

    html_info: str | None = None
    """What was done, as HTML."""
    image: EncodedImage
    """The picture."""


class ExtraBatchImagesResult(Response):
    """Answer of extra-batch-images."""

    html_info: str | None = None
    """What was done, as HTML."""
    images: list[EncodedImage]
    """The pictures in order."""


class PngInfo(Response):
    """Answer of png-info."""

    info: str | None = ""
    """The infotext; see `sdwebui_client.infotext`."""
    items: dict[str, Any] = Field(default_factory=dict)
    """The other text chunks."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """The infotext as the server reads it."""


class Caption(Response):
    """Answer of interrogate."""

    caption: str
    """A description."""
