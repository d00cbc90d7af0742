"""Ultimate SD Upscale: its 18 positional arguments, read as the script reads them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .errors import Crash

NAME = "ultimate sd upscale"
_NAMES = (
    "_", "tile_width", "tile_height", "mask_blur", "padding", "seams_fix_width", "seams_fix_denoise",
    "seams_fix_padding", "upscaler_index", "save_upscaled_image", "redraw_mode", "save_seams_fix_image",
    "seams_fix_mask_blur", "seams_fix_type", "target_size_type", "custom_width", "custom_height",
    "custom_scale",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Upscale:
    """What the script is asked to do."""

    width: int
    height: int
    upscaler: str
    tile_width: int
    tile_height: int
    mask_blur: int
    padding: int
    pictures: int
    """1, or 2 when a seams fix runs and both are to be saved (recorded: p09e)."""
    seams_denoise: float | None
    """Set when a seams fix ran: the last pass's values are the ones `info` names."""
    seams_padding: int
    redraws: bool

    @property
    def tiles(self) -> int:
        """How many tiles are redrawn."""
        return math.ceil(self.width / self.tile_width) * math.ceil(self.height / self.tile_height)

    def entries(self) -> dict[str, Any]:
        """What is added to `extra_generation_params`, before the other scripts' entries."""
        values = {
            "upscaler": self.upscaler,
            "tile_width": self.tile_width,
            "tile_height": self.tile_height,
            "mask_blur": self.mask_blur,
            "padding": self.padding,
        }
        return {f"Ultimate SD upscale {name}": value for name, value in values.items()}

    def inpaint_entries(self, denoising_strength: float) -> dict[str, Any]:
        """What the inpainting of the tiles adds after them."""
        ran = self.seams_denoise is not None
        return {
            "Denoising strength": self.seams_denoise if ran else denoising_strength,
            "Mask blur": self.mask_blur,
            "Inpaint area": "Only masked",
            "Masked area padding": self.seams_padding if ran else self.padding,
        }


def read(
    args: tuple[Any, ...], upscalers: list[str], init: tuple[int, int], size: tuple[int, int]
) -> Upscale:
    """Read the arguments.

    Args:
        args: as sent; more than 18 are ignored, fewer crash.
        upscalers: the server's list; `upscaler_index` counts in it.
        init: size of the init image.
        size: `width` and `height` of the request.

    Raises:
        Crash: with the server's own words.
    """
    missing = _NAMES[len(args) :]
    if missing:
        raise Crash("TypeError", f"Script.run() missing {_required(missing)}")
    value = dict(zip(_NAMES, args, strict=False))
    width, height = _target(value, init, size)
    index = value["upscaler_index"]
    if isinstance(index, bool) or not isinstance(index, int):
        raise Crash("TypeError", f"list indices must be integers or slices, not {type(index).__name__}")
    if not -len(upscalers) <= index < len(upscalers):
        raise Crash("IndexError", "list index out of range")
    tile_width, tile_height = int(value["tile_width"]), int(value["tile_height"])
    seams = value["seams_fix_type"] in (1, 2, 3)
    return Upscale(
        width=width,
        height=height,
        upscaler=upscalers[index],
        # 0 takes the other's value (recorded: e05k).
        tile_width=max(tile_width or tile_height, 64),
        tile_height=max(tile_height or tile_width, 64),
        mask_blur=int(value["mask_blur"]),
        padding=int(value["padding"]),
        pictures=2 if value["save_upscaled_image"] and seams else 1,
        seams_denoise=float(value["seams_fix_denoise"]) if seams else None,
        seams_padding=int(value["seams_fix_padding"]),
        redraws=value["redraw_mode"] != 2,
    )


def _target(value: dict[str, Any], init: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """A target size type that is neither 1 nor 2, text included, means the request's own size (e05m)."""
    kind = value["target_size_type"]
    width, height = size
    if kind == 1:
        width, height = int(value["custom_width"]), int(value["custom_height"])
    elif kind == 2:
        scale = float(value["custom_scale"])
        width, height = math.ceil(init[0] * scale / 64) * 64, math.ceil(init[1] * scale / 64) * 64
    return width, height


def _required(names: tuple[str, ...]) -> str:
    quoted = [f"'{name}'" for name in names]
    if len(quoted) == 1:
        return f"1 required positional argument: {quoted[0]}"
    joined = " and ".join(quoted) if len(quoted) == 2 else f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
    return f"{len(quoted)} required positional arguments: {joined}"
