"""Preset blocks of the stages; `type:` says which one a block is.

A new stage is one class here and one entry in `StageParams`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ._fields import Fraction, Name, Names, Pixels, PresetModel
from .units import ADetailerParams, ControlNetParams

Steps = Annotated[int, Field(ge=1, le=150)]
CfgScale = Annotated[float, Field(ge=0.0, le=30.0)]
TilePixels = Annotated[int, Field(ge=0, le=2048, multiple_of=64)]
SeamsFix = Literal["none", "band_pass", "half_tile", "half_tile_intersections"]
RedrawMode = Literal["linear", "chess", "none"]


class Sampling(PresetModel):
    """What the three drawing stages have in common."""

    prompt: str
    """Prompt template. `{trigger}`, `{subject}`, `{outfit}`, `{backdrop}`, `{tone}`, `{pose}` and the prompt
    library's snippets are filled in; LoRA tags are added at the end. Weights: `(text:1.2)`, 1 = neutral."""
    negative_prompt: str = ""
    """What must not be in the picture, with the same placeholders. Empty = nothing in particular."""
    steps: Steps = 28
    """Sampling steps, 1–150. More = cleaner and slower; little changes above 35. In img2img about steps x
    denoising are run."""
    cfg_scale: CfgScale = 6.5
    """How strictly the prompt is followed, 0–30. 1 = not guided at all;
    SD 1.5 likes 5–7.5, SDXL 4–6; higher burns skin."""
    sampler_name: Name = "DPM++ 2M"
    """Sampler, spelt as the server lists it.
    An unknown one would silently become another, so it is checked first."""
    scheduler: Name = "Karras"
    """Noise schedule, a field of its own since A1111 1.9. `Automatic` = what the sampler prefers."""


class Txt2ImgParams(Sampling):
    """Draws the candidates: the person, the pose, the clothes, the light."""

    type: Literal["txt2img"]
    """Always `txt2img`."""
    width: Pixels = 512
    """Width in px, 64–2048, multiple of 8. 512 for SD 1.5, 832 for SDXL."""
    height: Pixels = 768
    """Height in px, 64–2048, multiple of 8. 768 for SD 1.5, 1216 for SDXL."""
    controlnet: ControlNetParams | None = None
    """Pose control from a skeleton of the pose library. null = the pose is left to chance."""
    adetailer: ADetailerParams | None = None
    """Face and hand passes. null = none."""


class Img2ImgParams(Sampling):
    """Gives each chosen candidate its tone: same picture, cool or warm light."""

    type: Literal["img2img"]
    """Always `img2img`."""
    denoising_strength: Fraction = 0.3
    """How much is painted anew, 0–1. 0 = nothing;
    0.3 changes light and texture and keeps the face; above 0.5 another person."""
    controlnet: ControlNetParams | None = None
    """ControlNet of this stage; without a control map it looks at the picture itself. null = none."""
    adetailer: ADetailerParams | None = None
    """Face and hand passes. null = none."""


class UpscaleParams(Sampling):
    """Enlarges tile by tile with Ultimate SD Upscale. ADetailer is left out: it would run on every tile."""

    type: Literal["upscale"]
    """Always `upscale`."""
    denoising_strength: Fraction = 0.1
    """How much is painted anew in each tile, 0–1. 0 = plain enlargement; 0.1 adds skin and cloth; above 0.35
    faces in every tile."""
    scale: Annotated[float, Field(ge=1.0, le=16.0)] = 2.0
    """Enlargement, 1–16. 1 = same size, 2 = four times the pixels."""
    upscaler: Name = "4x-UltraSharp"
    """Upscaler model, spelt as the server lists it."""
    fallback_upscalers: Names = ()
    """Upscalers to take, in this order, when the server lacks `upscaler`. Empty = stop with an error instead.
    """
    tile_width: Annotated[TilePixels, Field(ge=64)] = 512
    """Tile width in px, 64–2048 in steps of 64. Larger = fewer seams, more memory."""
    tile_height: TilePixels = 512
    """Tile height in px, 0–2048 in steps of 64. 0 = as high as the tile is wide."""
    padding: Annotated[int, Field(ge=0, le=512)] = 32
    """Surroundings each tile sees, px, 0–512. 0 = none, seams show."""
    mask_blur: Annotated[int, Field(ge=0, le=64)] = 8
    """Blur between tiles, px, 0–64. 0 = hard edges."""
    redraw_mode: RedrawMode = "linear"
    """Order of the tiles: row by row, like a chess board, or none (only enlarge)."""
    seams_fix: SeamsFix = "none"
    """A second pass along the seams. `none` is enough at denoising 0.1;
    `half_tile_intersections` is the thorough one."""
    seams_fix_width: Annotated[int, Field(ge=0, le=128)] = 64
    """Width of the mended band in px, 0–128; only `band_pass` uses it."""
    seams_fix_denoise: Fraction = 0.35
    """Denoising along the seams, 0–1. Unused with `seams_fix: none`."""
    seams_fix_padding: Annotated[int, Field(ge=0, le=128)] = 16
    """Surroundings seen while mending seams, px, 0–128."""
    seams_fix_mask_blur: Annotated[int, Field(ge=0, le=64)] = 4
    """Blur of the seam mask, px, 0–64."""
    controlnet: ControlNetParams | None = None
    """Tile control, which keeps each tile what it was. null = none (then keep denoising low)."""


class FinishParams(PresetModel):
    """The last touch on our side: a colour grade with fixed arithmetic, and the mark that says how the
    picture was made."""

    type: Literal["finish"]
    """Always `finish`."""
    grade: bool = True
    """Whether the tone's colour grade is applied. false = the picture stays as the server made it."""
    grade_strength: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    """How much of the tone's grade, 0–2. 0 = none, 1 = as the prompt library has it."""
    mark_generated: bool = True
    """Whether the file's metadata say that the picture was generated."""


StageParams = Annotated[
    Txt2ImgParams | Img2ImgParams | UpscaleParams | FinishParams, Field(discriminator="type")
]
STAGE_TYPES: dict[str, type[PresetModel]] = {
    "txt2img": Txt2ImgParams,
    "img2img": Img2ImgParams,
    "upscale": UpscaleParams,
    "finish": FinishParams,
}
"""Every stage by its `type:`, in the order the recipe runs them."""
