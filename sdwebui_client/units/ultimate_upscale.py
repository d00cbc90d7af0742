"""Ultimate SD Upscale: enlarge a picture and draw it again tile by tile."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import Field

from .. import _resolve as resolve
from .._expect import Expectation, PictureSize, Reported
from ..capabilities import Capabilities, Problem
from .base import IMG2IMG, Closed, Context

REDRAW_MODES = ("linear", "chess", "none")
SEAMS_FIXES = ("none", "band_pass", "half_tile", "half_tile_intersections")
TARGETS = ("img2img", "custom", "scale")
INSTALL = "install the extension ultimate-upscale-for-automatic1111 (Coyote-A) and restart the WebUI"
MAX_SIDE_PX = 8192


@runtime_checkable
class Script(Protocol):
    """A selectable script: one a request."""

    @property
    def script_name(self) -> str:
        """Its name in /sdapi/v1/scripts."""
        ...

    def render_args(self, caps: Capabilities) -> list[Any]:
        """Its positional arguments."""
        ...

    def problems(self, caps: Capabilities, *, context: Context = ...) -> list[Problem]:
        """What the server lacks for it."""
        ...

    def expectations(
        self, caps: Capabilities, *, context: Context, size: tuple[int, int]
    ) -> list[Expectation]:
        """What must be seen in the answer."""
        ...

    def pictures(self, count: int) -> int | None:
        """How many pictures come back when `count` are asked for; None when nobody can tell."""
        ...


class UltimateSDUpscale(Closed):
    """The tile upscale with named fields, turned into the script's 18 positional arguments.

    Example:
        >>> UltimateSDUpscale(upscaler="4x-UltraSharp", scale=2.0).target
        'scale'
    """

    SCRIPT: ClassVar[str] = "Ultimate SD upscale"

    upscaler: str = "4x-UltraSharp"
    """Upscaler, as /sdapi/v1/upscalers lists it; sent as its position in this server's list."""
    target: Literal["scale", "custom", "img2img"] = "scale"
    """What decides the size: `scale` times the init image,
    `width` x `height`, or the request's own width and height."""
    scale: float = Field(default=2.0, ge=1.0, le=16.0)
    """Enlargement; the script rounds each side up to a multiple of 64."""
    width: int = Field(default=2048, ge=64, le=MAX_SIDE_PX, multiple_of=8)
    """Width for target "custom", pixels."""
    height: int = Field(default=2048, ge=64, le=MAX_SIDE_PX, multiple_of=8)
    """Height for target "custom", pixels."""
    tile_width: int = Field(default=512, ge=64, le=2048, multiple_of=8)
    """Width of a tile, pixels."""
    tile_height: int = Field(default=512, ge=0, le=2048, multiple_of=8)
    """Height of a tile, pixels; 0 = as wide."""
    mask_blur: int = Field(default=8, ge=0, le=64)
    """Blur where tiles meet, pixels."""
    padding: int = Field(default=32, ge=0, le=512)
    """Surroundings each tile sees, pixels."""
    redraw_mode: Literal["linear", "chess", "none"] = "linear"
    """Order of the tiles; "none" only enlarges."""
    seams_fix: Literal["none", "band_pass", "half_tile", "half_tile_intersections"] = "none"
    """A further pass over the seams; the picture before it comes back as well."""
    seams_fix_width: int = Field(default=64, ge=0, le=128)
    """Width of a seam, pixels."""
    seams_fix_denoise: float = Field(default=0.35, ge=0.0, le=1.0)
    """Share of noise on the seams."""
    seams_fix_padding: int = Field(default=16, ge=0, le=128)
    """Surroundings of a seam, pixels."""
    seams_fix_mask_blur: int = Field(default=4, ge=0, le=64)
    """Blur of a seam, pixels."""
    save_upscaled: bool = False
    """Save the upscaled picture on the server."""
    save_seams_fix: bool = False
    """Save the picture after the seams pass on the server."""

    @property
    def script_name(self) -> str:
        """The selectable script."""
        return self.SCRIPT

    def render_args(self, caps: Capabilities) -> list[Any]:
        """Return the 18 positional arguments (scripts/ultimate-upscale.py run@2322caa).

        Positions, not names: a text for the target leaves the size alone without a word (recorded: e05m), a
        text for the upscaler fails with 500 (e05g).

        Raises:
            ValueError: The upscaler is not on this server; `problems` says so beforehand.
        """
        index = resolve.upscaler(caps, self.upscaler)
        if isinstance(index, Problem):
            raise ValueError(str(index))
        return [
            None,
            self.tile_width,
            self.tile_height or self.tile_width,
            self.mask_blur,
            self.padding,
            self.seams_fix_width,
            self.seams_fix_denoise,
            self.seams_fix_padding,
            index,
            self.save_upscaled,
            REDRAW_MODES.index(self.redraw_mode),
            self.save_seams_fix,
            self.seams_fix_mask_blur,
            SEAMS_FIXES.index(self.seams_fix),
            TARGETS.index(self.target),
            self.width,
            self.height,
            self.scale,
        ]

    def problems(self, caps: Capabilities, *, context: Context = IMG2IMG) -> list[Problem]:
        """Return what the server lacks for the upscale."""
        found: list[Any] = [resolve.script(caps, context.endpoint, self.SCRIPT, fix=INSTALL)]
        if context.endpoint != "img2img":
            return [item for item in found if isinstance(item, Problem)]
        found.append(resolve.upscaler(caps, self.upscaler))
        if context.init_image is not None and self.target == "scale":
            width, height = self.final_sizes(context.init_image.size)[0]
            if max(width, height) > MAX_SIDE_PX:
                found.append(Problem("scale", f"{width}x{height} is more than {MAX_SIDE_PX} pixels a side"))
        return [item for item in found if isinstance(item, Problem)]

    def final_sizes(
        self, init: tuple[int, int], request: tuple[int, int] = (0, 0)
    ) -> tuple[tuple[int, int], ...]:
        """Return the (width, height) that prove the upscale, the script's own rounding first.

        Args:
            init: Size of the init image, pixels.
            request: Width and height of the request, for target "img2img".
        """
        if self.target == "custom":
            return ((self.width, self.height),)
        if self.target == "img2img":
            return (request,)
        exact = (round(init[0] * self.scale), round(init[1] * self.scale))
        # scripts/ultimate-upscale.py run@2322caa rounds up to 64 when it scales the image;
        # 256 -> 512 was recorded.
        rounded = tuple(math.ceil(side * self.scale / 64) * 64 for side in init)
        return tuple(dict.fromkeys([(rounded[0], rounded[1]), exact]))

    def expectations(
        self, caps: Capabilities, *, context: Context, size: tuple[int, int]
    ) -> list[Expectation]:
        """Return what the answer must show:
        the size by the picture's header, the upscaler by the infotext."""
        del caps
        init = context.init_image.size if context.init_image else size
        key = "Ultimate SD upscale upscaler"
        return [
            PictureSize(self.final_sizes(init, size), name="upscale"),
            Reported(f"upscaler {self.upscaler}", key, frozenset({self.upscaler}), where="infotext"),
        ]

    def pictures(self, count: int) -> int | None:
        """Return 2 with a seams pass (before and after), else 1: the script ignores batches."""
        del count
        return 1 if self.seams_fix == "none" else 2
