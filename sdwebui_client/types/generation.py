"""What txt2img and img2img are asked. Field names and neutral values are the WebUI's own (recorded OpenAPI).

Only fields that were set are sent; the values after `=` are what the server uses
when a field is left out. Bounds are the client's: Forge answers a width of 100000 by
eating all memory (recorded: forge e12_width_100000), so sizes and steps end here.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ..images import EncodedImage
from ._base import Request

MAX_SIDE_PX = 8192
"""Longest side that may be asked for, pixels."""
MAX_PIXELS = 4096 * 4096
"""Largest area of one generation, hires fix included; the tile upscale takes its size from its own scale."""
MAX_STEPS = 500

# A size that is no multiple of 8 is floored in the picture but not in `info` (recorded:
# e03c_not_multiple_of_8).
Side = Annotated[int, Field(ge=8, le=MAX_SIDE_PX, multiple_of=8)]
Seed = Annotated[int, Field(ge=-1, le=2**63 - 1)]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]


class GenerationRequest(Request):
    """What txt2img and img2img share."""

    prompt: str = ""
    """What to draw, with LoRA tags `<lora:name:weight>`."""
    negative_prompt: str = ""
    """What to keep out."""
    styles: list[str] | None = None
    """Names of the server's prompt styles; an unknown one is ignored by the server."""
    seed: Seed = -1
    """Random seed; -1 draws one, which `GenerationResult.info.seed` then states."""
    subseed: Seed = -1
    """Seed of the variation."""
    subseed_strength: Unit = 0.0
    """How much of the variation is mixed in; 0 none."""
    seed_resize_from_h: int = Field(default=-1, ge=-1, le=MAX_SIDE_PX)
    """Height the seed was drawn for, pixels; -1 off."""
    seed_resize_from_w: int = Field(default=-1, ge=-1, le=MAX_SIDE_PX)
    """Width the seed was drawn for, pixels; -1 off."""
    sampler_name: str | None = None
    """Sampler exactly as `samplers()` lists it, without the schedule ("DPM++ 2M")."""
    scheduler: str | None = None
    """Noise schedule, label or name as `schedulers()` lists it ("Karras")."""
    batch_size: int = Field(default=1, ge=1, le=64)
    """Pictures drawn at once; costs GPU memory."""
    n_iter: int = Field(default=1, ge=1, le=1000)
    """Batches drawn one after another."""
    steps: int = Field(default=50, ge=1, le=MAX_STEPS)
    """Sampling steps."""
    cfg_scale: float = Field(default=7.0, ge=-100.0, le=100.0)
    """How strictly the prompt is followed; 1 ignores the negative prompt."""
    distilled_cfg_scale: float | None = Field(default=None, ge=0.0, le=100.0)
    """Forge only: guidance of distilled models such as Flux."""
    width: Side = 512
    """Pixels, a multiple of 8; 512 when left out, in img2img too, whatever the input's size."""
    height: Side = 512
    """Pixels, a multiple of 8; 512 when left out, in img2img too, whatever the input's size."""
    restore_faces: bool | None = None
    """Run the face restorer; unchanged picture when its model is missing."""
    tiling: bool | None = None
    """Make the picture tile seamlessly."""
    do_not_save_samples: bool = False
    """Keep the server from saving pictures (only with `save_images`)."""
    do_not_save_grid: bool = False
    """Keep the server from making a grid (only with `save_images`)."""
    eta: float | None = None
    """Noise multiplier of ancestral samplers."""
    denoising_strength: Unit | None = None
    """Share of noise, 0 (nothing changes) to 1; for hires fix in txt2img, where it is required."""
    s_min_uncond: float | None = Field(default=None, ge=0.0)
    """Skip the negative prompt below this noise level."""
    s_churn: float | None = Field(default=None, ge=0.0)
    """Stochasticity of Euler and Heun."""
    s_tmax: float | None = Field(default=None, ge=0.0)
    """Highest noise level that gets `s_churn`."""
    s_tmin: float | None = Field(default=None, ge=0.0)
    """Lowest noise level that gets `s_churn`."""
    s_noise: float | None = Field(default=None, ge=0.0)
    """Noise multiplier with `s_churn`."""
    override_settings: dict[str, Any] | None = None
    """Settings for this job only.
    Keys not yet in the server's config.json are NOT restored afterwards and get saved."""
    override_settings_restore_afterwards: bool = True
    """Put the settings back afterwards."""
    refiner_checkpoint: str | None = None
    """Checkpoint that draws the last steps."""
    refiner_switch_at: Unit | None = None
    """Share of the steps after which the refiner takes over."""
    disable_extra_networks: bool = False
    """Ignore LoRA tags."""
    firstpass_image: EncodedImage | None = None
    """Picture used instead of hires fix's first pass."""
    comments: dict[str, Any] | None = None
    """Remarks the server attaches to the job."""
    force_task_id: str | None = None
    """Name of the job; the client sets it."""
    infotext: str | None = None
    """Infotext whose settings are used; 500 on Forge."""
    script_name: str | None = None
    """Selectable script; prefer the `script=` argument."""
    script_args: list[Any] = Field(default_factory=list)
    """The script's positional arguments; prefer the `script=` argument."""
    send_images: bool = True
    """False leaves the pictures out of the answer."""
    save_images: bool = False
    """True saves the pictures on the server too."""
    alwayson_scripts: dict[str, Any] = Field(default_factory=dict)
    """Always-on scripts by name; prefer the `units=` argument."""


class Txt2ImgRequest(GenerationRequest):
    """POST /sdapi/v1/txt2img."""

    enable_hr: bool = False
    """Hires fix: draw small, enlarge, draw again. Needs `denoising_strength`."""
    firstphase_width: int = Field(default=0, ge=0, le=MAX_SIDE_PX)
    """Width of hires fix's first pass; 0 = `width`."""
    firstphase_height: int = Field(default=0, ge=0, le=MAX_SIDE_PX)
    """Height of hires fix's first pass; 0 = `height`."""
    hr_scale: float = Field(default=2.0, gt=0.0, le=16.0)
    """Enlargement of hires fix."""
    hr_upscaler: str | None = None
    """Upscaler of hires fix, of `upscalers()` or `latent_upscale_modes()`; unknown: 500."""
    hr_second_pass_steps: int = Field(default=0, ge=0, le=MAX_STEPS)
    """Steps of hires fix's second pass; 0 = `steps`."""
    hr_resize_x: int = Field(default=0, ge=0, le=MAX_SIDE_PX)
    """Width after hires fix, pixels; 0 = by `hr_scale`."""
    hr_resize_y: int = Field(default=0, ge=0, le=MAX_SIDE_PX)
    """Height after hires fix, pixels; 0 = by `hr_scale`."""
    hr_checkpoint_name: str | None = None
    """Checkpoint of hires fix's second pass."""
    hr_sampler_name: str | None = None
    """Sampler of hires fix's second pass."""
    hr_scheduler: str | None = None
    """Schedule of hires fix's second pass."""
    hr_prompt: str = ""
    """Prompt of hires fix's second pass; empty = `prompt`."""
    hr_negative_prompt: str = ""
    """Negative prompt of hires fix's second pass; empty = `negative_prompt`."""
    hr_cfg: float | None = Field(default=None, ge=-100.0, le=100.0)
    """Forge and reForge: `cfg_scale` of the second pass."""
    hr_distilled_cfg: float | None = Field(default=None, ge=0.0, le=100.0)
    """Forge only: `distilled_cfg_scale` of the second pass."""
    hr_additional_modules: list[str] | None = None
    """Forge only, and required there with `enable_hr`: ["Use same choices"]."""

    @model_validator(mode="after")
    def _check_area(self) -> Self:
        width, height = self.width, self.height
        if self.enable_hr:
            width = self.hr_resize_x or round(width * self.hr_scale)
            height = self.hr_resize_y or round(height * self.hr_scale)
        if width * height > MAX_PIXELS:
            raise ValueError(f"{width}x{height} is more than {MAX_PIXELS} pixels; enlarge by tiles instead")
        if self.enable_hr and self.denoising_strength is None:
            raise ValueError("enable_hr needs denoising_strength: without it every server answers 500")
        return self


class Img2ImgRequest(GenerationRequest):
    """POST /sdapi/v1/img2img."""

    init_images: list[EncodedImage] = Field(min_length=1)
    """The pictures to start from: `EncodedImage`, Pillow image, path, bytes or base64."""
    denoising_strength: Unit | None = 0.75
    """Share of noise: 0 leaves the picture, 1 draws a new one."""
    resize_mode: int = Field(default=0, ge=0, le=3)
    """0 stretch, 1 crop, 2 fill, 3 stretch in latent space."""
    image_cfg_scale: float | None = Field(default=None, ge=0.0, le=100.0)
    """Guidance by the picture, for InstructPix2Pix models."""
    mask: EncodedImage | None = None
    """White is drawn anew, black is kept."""
    latent_mask: EncodedImage | None = None
    """Mask in latent space."""
    mask_blur: int | None = Field(default=None, ge=0, le=256)
    """Blur of the mask's edge, pixels; sets x and y."""
    mask_blur_x: int = Field(default=4, ge=0, le=256)
    """Horizontal blur of the mask's edge, pixels."""
    mask_blur_y: int = Field(default=4, ge=0, le=256)
    """Vertical blur of the mask's edge, pixels."""
    mask_round: bool = True
    """Make the mask black and white."""
    inpainting_fill: int = Field(default=0, ge=0, le=3)
    """What the masked area starts from: 0 fill, 1 original, 2 latent noise, 3 latent nothing."""
    inpaint_full_res: bool = True
    """Draw the masked area at full size."""
    inpaint_full_res_padding: int = Field(default=0, ge=0, le=1024)
    """Surroundings taken along, pixels."""
    inpainting_mask_invert: int = Field(default=0, ge=0, le=1)
    """1 draws what is black in the mask."""
    initial_noise_multiplier: float | None = Field(default=None, ge=0.0)
    """Multiplier of the first noise; 1 neutral."""
    include_init_images: bool = False
    """True echoes the pictures in the answer's `parameters`."""

    @model_validator(mode="after")
    def _check_area(self) -> Self:
        if self.width * self.height > MAX_PIXELS:
            raise ValueError(
                f"{self.width}x{self.height} is more than {MAX_PIXELS} pixels; enlarge by tiles instead"
            )
        return self
