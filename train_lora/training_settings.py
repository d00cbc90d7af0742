"""Every number of a training: what the user's YAML gives, checked before anything starts.

Names are those of sd-scripts' arguments where it has one. Where each shipped value comes from stands in
`presets/training/*.yaml` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .captions import DEFAULT_TEMPLATE

Positive = Annotated[float, Field(gt=0.0)]


class TrainSettings(BaseModel):
    """How a LoRA is trained. The defaults suit ten photos and SD 1.5."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        str_max_length=4000,
    )

    # ---- how long
    steps: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Optimizer steps, 1–100000. null = `steps_per_photo` times the training photos, within `min_steps` and
    `max_steps`. Too many copy the photos."""
    steps_per_photo: Annotated[int, Field(ge=1, le=10_000)] = 120
    """Optimizer steps for each training photo when `steps` is null, 1–10000."""
    min_steps: Annotated[int, Field(ge=1, le=100_000)] = 600
    """Fewest steps when `steps` is null."""
    max_steps: Annotated[int, Field(ge=1, le=100_000)] = 1600
    """Most steps when `steps` is null."""
    batch_size: Annotated[int, Field(ge=1, le=64)] = 1
    """Pictures a step, 1–64. More = steadier, more GPU memory."""
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=64)] = 1
    """Batches summed up before the weights change, 1–64. A larger batch without its memory, but slower."""

    # ---- the pictures
    resolution: Annotated[int, Field(ge=64, le=2048, multiple_of=64)] = 512
    """Side of a square training picture, px, in steps of 64; other shapes have about as many pixels. 512 for
    SD 1.5, 1024 for SDXL."""
    half_body_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.25
    """Share of the photos that are also shown as a half-body picture, where they hold that much, 0–1."""
    max_upscale: Annotated[float, Field(ge=1.0, le=4.0)] = 2.0
    """How much a small photo may be enlarged, 1–4; beyond it the picture shows less of the surroundings."""
    held_out: Annotated[int, Field(ge=0, le=20)] = 2
    """Photos kept out of the training to judge the checkpoints by, 0–20. Never more than a fifth of them."""
    regularisation_images: Annotated[int, Field(ge=0, le=1000)] = 0
    """Pictures of other people the WebUI makes, so that not everybody becomes this person, 0–1000. Doubles
    the steps of an epoch."""
    captions: Literal["template", "interrogate"] = "template"
    """`template` = `caption_template` under every picture; `interrogate` = followed by what the WebUI's
    interrogator sees in it, where it has one."""
    caption_template: str = DEFAULT_TEMPLATE
    """Text under each picture; must contain {trigger}, may contain {framing}."""
    shuffle_caption: bool = False
    """Shuffle what follows the caption's first comma in every step."""
    flip_aug: bool = False
    """Show mirrored pictures too. Off: faces are not symmetric."""

    # ---- the LoRA
    network_dim: Annotated[int, Field(ge=1, le=320)] = 32
    """Rank of the LoRA, 1–320. Higher = larger file, more detail, sooner overfitted."""
    network_alpha: Annotated[float, Field(gt=0.0, le=320.0)] = 16.0
    """Scale of the LoRA: its effect is alpha / dim. At most `network_dim`; half of it is usual."""
    network_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the LoRA's neurons left out in each step, 0–1. 0 = off, 0.1 is usual."""
    scale_weight_norms: Annotated[float, Field(gt=0.0, le=100.0)] | None = None
    """Largest norm a LoRA module may grow to. null = no limit, 1.0 is usual."""

    # ---- how it learns
    unet_lr: Annotated[float, Field(ge=0.0, le=0.1)] = 1.0e-4
    """Learning rate of the U-Net, 0–0.1. 1e-3 gave noise in users' reports. 0 = not trained."""
    text_encoder_lr: Annotated[float, Field(ge=0.0, le=0.1)] = 5.0e-5
    """Learning rate of the text encoder, 0–0.1. 0 = not trained (recommended for SDXL)."""
    optimizer_type: Literal["AdamW", "AdamW8bit", "Adafactor", "Prodigy", "Lion"] = "AdamW"
    """AdamW8bit needs less memory and the package bitsandbytes; Prodigy (package prodigyopt) finds its
    learning rate itself: the two above then only say what is trained; Lion needs the package lion-pytorch."""
    lr_scheduler: Literal["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts"] = (
        "constant"
    )
    """How the learning rate changes on the way."""
    lr_warmup_steps: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Steps in which the learning rate rises from 0."""
    min_snr_gamma: Annotated[float, Field(gt=0.0, le=100.0)] | None = 5.0
    """Weighs noisy steps less (Hang et al. 2023, arXiv:2303.09556); 5 is the paper's. null = off."""
    noise_offset: Annotated[float, Field(gt=0.0, le=1.0)] | None = 0.05
    """Lets the model learn overall brightness. null = off, 0.05 is usual."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of everything random in the training."""

    # ---- speed and memory
    mixed_precision: Literal["auto", "no", "fp16", "bf16"] = "auto"
    """Numbers it computes with. `auto` = bf16 where the machine has it, else fp16, and none on a CPU."""
    save_precision: Literal["float", "fp16", "bf16"] = "fp16"
    """Numbers in the file."""
    attention: Literal["sdpa", "xformers", "none"] = "sdpa"
    """Attention code; xformers is a package of its own."""
    cache_latents: Literal["memory", "disk", "off"] = "memory"
    """Encode each picture once instead of in every step."""
    cache_text_encoder_outputs: bool = False
    """Encode each caption once; only with `text_encoder_lr: 0` and without shuffling."""
    gradient_checkpointing: bool = False
    """Much less GPU memory for about a third more time."""
    full_bf16: bool = False
    """Weights in bf16 too: less memory, less exact."""
    fp8_base: bool = False
    """The base model in 8 bits: less memory."""
    torch_compile: bool = False
    """Compile the model first: minutes of waiting, then faster steps."""
    lighter: Mapping[str, Any] | None = None
    """Settings that replace those above for one more try when the GPU's memory was not enough. null = no
    second try."""

    # ---- what is kept
    save_every_n_steps: Annotated[int, Field(ge=1, le=100_000)] | None = 200
    """Keep a checkpoint every so many steps, to choose among by likeness. null = the last one only."""
    keep_metadata: bool = False
    """Leave captions, folder names and the like in the LoRA's metadata."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.network_alpha > self.network_dim:
            raise ValueError(
                f"network_alpha ({self.network_alpha:g}) is above network_dim ({self.network_dim}): "
                "the LoRA would be amplified"
            )
        if self.unet_lr == 0.0 and self.text_encoder_lr == 0.0:
            raise ValueError("unet_lr and text_encoder_lr are both 0: nothing would be trained")
        if self.min_steps > self.max_steps:
            raise ValueError(f"min_steps ({self.min_steps}) is above max_steps ({self.max_steps})")
        if self.cache_text_encoder_outputs and (self.text_encoder_lr != 0.0 or self.shuffle_caption):
            raise ValueError("cache_text_encoder_outputs needs text_encoder_lr: 0 and shuffle_caption: false")
        if self.lighter is not None:
            self._check_lighter(self.lighter)
        return self

    def _check_lighter(self, lighter: Mapping[str, Any]) -> None:
        known = type(self).model_fields
        for key in lighter:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                raise ValueError(
                    f"lighter.{key}: no setting is called so" + (f"; did you mean {near[0]}?" if near else "")
                )
        try:
            self.lightened()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(["lighter", *(str(part) for part in first["loc"])])
            raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error

    def total_steps(self, photos: int) -> int:
        """Optimizer steps for so many training photos."""
        if self.steps is not None:
            return self.steps
        return min(max(self.steps_per_photo * photos, self.min_steps), self.max_steps)

    def lightened(self) -> Self:
        """The settings for the second try after the GPU ran out of memory.

        Raises:
            ValueError: `lighter` names what is no setting, or an impossible value.
        """
        changed = {**self.model_dump(), **dict(self.lighter or {}), "lighter": None}
        return type(self).model_validate(changed)
