"""Preset blocks for the extensions a stage uses: ControlNet and ADetailer."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ._fields import SIZE_MAX_PX, SIZE_MIN_PX, Fraction, Name, Pixels, PresetModel

ControlMode = Literal["Balanced", "My prompt is more important", "ControlNet is more important"]
ResizeMode = Literal["Just Resize", "Crop and Resize", "Resize and Fill"]


def _resolution_or_default(value: int) -> int:
    if value != -1 and not SIZE_MIN_PX <= value <= SIZE_MAX_PX:
        raise ValueError(f"must be {SIZE_MIN_PX}–{SIZE_MAX_PX} px, or -1 for the server's default")
    return value


ProcessorPixels = Annotated[int, AfterValidator(_resolution_or_default)]


class ControlNetParams(PresetModel):
    """One ControlNet unit. Write `controlnet: null` in a child preset to switch it off."""

    model: Name
    """Model name as in the server's list, without the `[hash]`:
    the client finds the exact spelling. No neutral value."""
    module: Name = "none"
    """Preprocessor. `none` = the picture is already a control map (our pose skeletons are);
    `tile_resample` for the upscale."""
    weight: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    """How strongly the control map steers, 0–2. 0 = no effect, 1 = as trained; above 1.3 pictures get stiff.
    """
    guidance_start: Fraction = 0.0
    """Fraction of the sampling steps after which the unit begins, 0–1. 0 = from the first step."""
    guidance_end: Fraction = 1.0
    """Fraction of the steps after which it stops, 0–1, above `guidance_start`. 1 = to the last step; 0.8
    leaves the model the details."""
    control_mode: ControlMode = "Balanced"
    """Who wins when prompt and control map disagree. `Balanced` = neither. reForge ignores this field."""
    resize_mode: ResizeMode = "Crop and Resize"
    """How the control map is fitted when its shape differs from the picture's.
    Ours have the same shape, so nothing changes."""
    pixel_perfect: bool = False
    """Whether the server chooses the preprocessor's resolution. No effect with module `none`."""
    processor_res: ProcessorPixels = -1
    """Preprocessor resolution in px, 64–2048; -1 = the server's default."""

    @model_validator(mode="after")
    def _start_before_end(self) -> Self:
        # A1111 answers 500 and Forge 200-without-effect when they are swapped.
        if self.guidance_start >= self.guidance_end:
            raise ValueError(
                f"guidance_start ({self.guidance_start:g}) must be below guidance_end ({self.guidance_end:g})"
            )
        return self


class ADetailerUnitParams(PresetModel):
    """One ADetailer pass: find faces (or hands), paint each again at full resolution, paste it back."""

    model: Name
    """Detector as in the server's list, e.g. `face_yolov8n.pt`. A name the server lacks is skipped silently,
    so it is checked first."""
    prompt: str = ""
    """Prompt of the pass. Empty = the stage's prompt. The person's LoRA is added with `lora.face_weight` in
    the face pass only."""
    negative_prompt: str = ""
    """Negative prompt of the pass. Empty = the stage's."""
    denoising_strength: Fraction = 0.4
    """How much is painted anew, 0–1. 0 = nothing, 0.4 = mends eyes and keeps the expression, above 0.6
    invents another face."""
    confidence: Fraction = 0.3
    """How sure the detector must be, 0–1. Lower finds more, and more that is none."""
    mask_blur: Annotated[int, Field(ge=0, le=64)] = 4
    """Blur of the mask's edge in px, 0–64. 0 = a hard edge that can be seen."""
    inpaint_padding: Annotated[int, Field(ge=0, le=256)] = 32
    """Surroundings painted along with the find, in px, 0–256.
    More = fits in better, fewer pixels for the face."""
    dilate_erode: Annotated[int, Field(ge=-128, le=128)] = 4
    """Grow (+) or shrink (-) the mask, px. 0 = the detector's own outline."""
    mask_min_ratio: Fraction = 0.0
    """Smallest find, as a fraction of the picture's area.
    0 = any size; raise it to ignore faces in the background."""
    mask_max_ratio: Fraction = 1.0
    """Largest find, as a fraction of the picture's area. 1 = any size."""
    mask_k: Annotated[int, Field(ge=0, le=10)] = 0
    """Keep only the k best finds, 0–10. 0 = all. 1 for portraits: one person, one face."""
    inpaint_width: Pixels | None = None
    """Width the find is painted at, px, multiple of 8. null = the stage's width."""
    inpaint_height: Pixels | None = None
    """Height the find is painted at, px, multiple of 8. null = the stage's height."""
    steps: Annotated[int, Field(ge=1, le=150)] | None = None
    """Sampling steps of the pass, 1–150. null = the stage's."""
    cfg_scale: Annotated[float, Field(ge=0.0, le=30.0)] | None = None
    """Prompt strength of the pass, 0–30. null = the stage's."""

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        if self.mask_min_ratio >= self.mask_max_ratio:
            raise ValueError(
                f"mask_min_ratio ({self.mask_min_ratio:g}) must be below "
                f"mask_max_ratio ({self.mask_max_ratio:g})"
            )
        if (self.inpaint_width is None) != (self.inpaint_height is None):
            raise ValueError("inpaint_width and inpaint_height are set together or not at all")
        return self


class ADetailerParams(PresetModel):
    """The ADetailer passes of a stage, in this order. `hand: null` leaves one out, `adetailer: null` both."""

    face: ADetailerUnitParams | None = None
    """The face pass; the person's LoRA joins its prompt."""
    hand: ADetailerUnitParams | None = None
    """The hand pass; no LoRA of a face in its prompt."""
