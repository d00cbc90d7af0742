"""How the time of one training step depends on the settings, as a multiple of a known step.

The unit is one step at 512 px, SD 1.5, batch 1, U-Net and text encoder trained, latents cached, without
gradient checkpointing. Where a figure is measured, it is by real runs of sd-scripts v0.10.1 with random
weights on two shared cores (docs/benchmarks.md); the others say what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .training_settings import TrainSettings

REFERENCE_PX = 512 * 512
_FIXED = 0.055
_EXPONENT = 1.17
"""Measured: 2.4 s at 128 px, 6.3 at 256, 26 at 512. These are 1.43 + 24.57 * (pixels / 512²) ** 1.17 s: what
does not grow with the picture, and what grows a little faster than its pixels."""
_TEXT_ENCODER = 0.02
"""What training the text encoder adds, in units. Measured at 128 px: 0.4 to 0.6 s of a unit's 26 s."""
_CHECKPOINTING = 1.3
"""torch's documentation: the forward pass is done twice, about a third more time. At 128 px on a CPU it was
1.6."""
_NO_LATENT_CACHE = 0.3
"""The VAE's encoder in every step, in units per picture of 512 px; from its arithmetic (0.5 of 1.5 TFLOP)."""
_SDXL = 1.7
"""SDXL's U-Net at the same number of pixels; from its arithmetic (about 3.0 TMAC at 1024 px against 0.35 at
512 px), not measured."""
_FULL_PRECISION_GPU = 2.2
"""fp32 against fp16 or bf16 on a GPU with tensor cores; not measured."""
_FP8 = 1.15
_NO_ATTENTION_CODE = 1.15
_COMPILED = 0.8
"""Not measured, all three."""
_RANK = 0.0008
"""Each rank of the LoRA, in shares of a unit; from its arithmetic."""

MATTERS = (
    "resolution",
    "batch_size",
    "gradient_accumulation_steps",
    "network_dim",
    "text_encoder",
    "mixed_precision",
    "attention",
    "cache_latents",
    "cache_text_encoder_outputs",
    "gradient_checkpointing",
    "full_bf16",
    "fp8_base",
    "torch_compile",
)
"""What a step's time depends on; a calibration is exact where all of these are equal."""


def what_matters(settings: TrainSettings) -> dict[str, Any]:
    """The settings a step's time depends on."""
    values = {**settings.model_dump(mode="json"), "text_encoder": settings.text_encoder_lr > 0.0}
    values["cache_latents"] = settings.cache_latents != "off"
    return {name: values[name] for name in MATTERS}


def step_units(matters: Mapping[str, Any], family: str, *, gpu: bool) -> float:
    """Time of one step in units.

    Args:
        matters: Of `what_matters`.
        family: sd15 or sdxl.
        gpu: Whether numbers of 16 bits are faster than those of 32.
    """
    pixels = (matters["resolution"] ** 2 / REFERENCE_PX) ** _EXPONENT
    # The first text encoder share is in the reference, so it is taken out where none is trained.
    fixed = _FIXED - (0.0 if matters["text_encoder"] else _TEXT_ENCODER)
    grows = (1.0 - _FIXED) * pixels * (_SDXL if family == "sdxl" else 1.0)
    if not matters["cache_latents"]:
        grows += _NO_LATENT_CACHE * pixels
    one = (fixed + grows) * (1.0 + _RANK * matters["network_dim"])
    one *= _CHECKPOINTING if matters["gradient_checkpointing"] else 1.0
    one *= _FULL_PRECISION_GPU if gpu and matters["mixed_precision"] == "no" else 1.0
    one *= _FP8 if matters["fp8_base"] else 1.0
    one *= _NO_ATTENTION_CODE if matters["attention"] == "none" else 1.0
    one *= _COMPILED if matters["torch_compile"] else 1.0
    return float(one * matters["batch_size"] * matters["gradient_accumulation_steps"])


def encode_units(resolution: int) -> float:
    """Encoding one picture before the training, in units."""
    return float(_NO_LATENT_CACHE * (resolution**2 / REFERENCE_PX) ** _EXPONENT)


def sampling_units(width: int, height: int, steps: int, family: str) -> float:
    """Making one picture in the WebUI, in units: each sampling step is two passes forward, of the three that
    a training step's forward and backward pass are worth."""
    pixels = (width * height / REFERENCE_PX) ** _EXPONENT
    return float(steps * 2 / 3 * pixels * (_SDXL if family == "sdxl" else 1.0))
