"""Which numbers to compute with, and which settings cannot go together: known before a model is loaded."""

from __future__ import annotations

from typing import Literal, TypeAlias

from ...recipe import TrainRecipe

Precision: TypeAlias = Literal["no", "fp16", "bf16"]
Device: TypeAlias = Literal["cuda", "cpu"]

PACKAGES = {
    "AdamW8bit": "bitsandbytes",
    "Prodigy": "prodigyopt",
    "Lion": "lion_pytorch",
}
"""Optimizer -> the package it needs beside sd-scripts' own requirements (train_util.py@v0.10.1,
get_optimizer)."""


def choose_precision(recipe: TrainRecipe, *, device: Device, bf16: bool) -> Precision:
    """The recipe's precision with "auto" filled in.

    Args:
        recipe: What is to be trained.
        device: Where.
        bf16: Whether the device computes in bfloat16 (NVIDIA: compute capability 8.0 and later).

    Returns:
        For "auto": bf16 where the GPU has it, else fp16, and "no" (32 bits) on a CPU.
    """
    if recipe.mixed_precision != "auto":
        return recipe.mixed_precision
    if device == "cpu":
        return "no"
    return "bf16" if bf16 else "fp16"


def problems(recipe: TrainRecipe, *, precision: Precision, device: Device) -> list[str]:
    """Settings that sd-scripts would refuse only after half a minute of loading, or ignore without a word.

    Returns:
        Sentences that say what to change; empty when all fits.
    """
    checks = (
        _precision_problem(precision, device, recipe),
        _reduced_problem(precision, recipe),
        _device_problem(device, recipe),
        _scheduler_problem(recipe),
        _caching_problem(recipe),
    )
    return [sentence for sentence in checks if sentence]


def _precision_problem(precision: Precision, device: Device, recipe: TrainRecipe) -> str:
    # Measured: fp16 on a CPU is accepted and takes minutes for a single picture.
    if device == "cpu" and precision == "fp16":
        return "fp16 is unusable on a CPU; set mixed_precision to bf16 or no (or auto)."
    if device == "cpu" and recipe.fp8_base:
        return "fp8_base needs a GPU; set it to false."
    return ""


def _reduced_problem(precision: Precision, recipe: TrainRecipe) -> str:
    # train_network.py@v0.10.1 asserts both after the model has been loaded.
    if recipe.full_bf16 and precision != "bf16":
        return f"full_bf16 needs mixed_precision: bf16, and here it is {precision}; set full_bf16 to false."
    if recipe.fp8_base and precision == "no":
        return "fp8_base needs mixed_precision bf16 or fp16; set one of them, or fp8_base to false."
    return ""


def _device_problem(device: Device, recipe: TrainRecipe) -> str:
    if device == "cpu" and recipe.attention == "xformers":
        return "xformers needs a GPU; set attention to sdpa."
    if device == "cpu" and recipe.optimizer_type == "AdamW8bit":
        return "AdamW8bit needs a GPU; set optimizer_type to AdamW."
    return ""


def _scheduler_problem(recipe: TrainRecipe) -> str:
    # get_scheduler_fix, train_util.py@v0.10.1: a ValueError after loading.
    if recipe.lr_scheduler == "constant" and recipe.lr_warmup_steps:
        return "lr_scheduler constant knows no warm-up: set constant_with_warmup, or lr_warmup_steps to 0."
    return ""


def _caching_problem(recipe: TrainRecipe) -> str:
    # Only sdxl_train_network.py has the argument; train_network.py ignores the key in a config file.
    if recipe.cache_text_encoder_outputs and recipe.family != "sdxl":
        return "cache_text_encoder_outputs is for SDXL only; set it to false."
    return ""
