"""What can be known to be wrong before a model is loaded, from the facts `probe_trainer.py` gathers. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import TrainError
from ...recipe import TrainRecipe
from .base_model import inspect_header, require_family
from .facts import device_of, precision_of
from .precision import PACKAGES, problems

_NEXT_ENVIRONMENT = "`sh scripts/setup_trainer.sh` makes a fresh environment for it"
_GIB = 1 << 30
_CPU_DOUBT_MIN = 24 * 60.0
"""Longer than this on a CPU, and the training is refused: nobody means that."""
_FILE_MIB_A_RANK = {"sd15": 1.2, "sdxl": 7.2}
"""Size of a LoRA file in 16 bits by its rank, U-Net and text encoder. SD 1.5 measured (rank 8: 9.5 MiB); SDXL
by the sizes of its layers."""


def problems_of(facts: Mapping[str, Any], recipe: TrainRecipe, *, base_model: str) -> list[str]:
    """Everything that would make the training fail, each a sentence that says what to do.

    Args:
        facts: What the probe said of the machine that trains.
        recipe: What is to be trained.
        base_model: The base model's path there; only its file name is shown.
    """
    return [
        *_software(facts, recipe),
        *_base_model(facts.get("base_model"), recipe, base_model.replace("\\", "/").rpartition("/")[2]),
        *_tokenizers(facts.get("tokenizers", {})),
        *_gpu(facts, recipe),
        *_disk(facts, recipe),
        *problems(recipe, precision=precision_of(facts, recipe), device=device_of(facts)),
    ]


# ---- software


def _software(facts: Mapping[str, Any], recipe: TrainRecipe) -> Iterator[str]:
    if not facts.get("sd_scripts", {"exists": True})["exists"]:
        yield "There is no train_network.py where sd-scripts should be: check the path."
    if missing := facts.get("missing"):
        yield f"sd-scripts' Python lacks {', '.join(missing)}; {_NEXT_ENVIRONMENT}."
    versions = facts.get("packages", {})
    # It dies at import with either (facts of v0.10.1: pinned are transformers 4.54.1, diffusers 0.32.1).
    if _version(versions.get("transformers")) >= (5,):
        yield (
            f"sd-scripts' Python has transformers {versions['transformers']}; it needs 4.54.1: "
            f"{_NEXT_ENVIRONMENT}."
        )
    if _version(versions.get("diffusers")) >= (0, 33):
        yield (
            f"sd-scripts' Python has diffusers {versions['diffusers']}; it needs 0.32.1: {_NEXT_ENVIRONMENT}."
        )
    package = PACKAGES.get(recipe.optimizer_type)
    if package is not None and not versions.get(package.replace("_", "-")):
        yield (
            f"optimizer_type {recipe.optimizer_type} needs the package {package}: install it into "
            "sd-scripts' Python (python -m pip install), or set optimizer_type to AdamW."
        )
    if recipe.attention == "xformers" and not versions.get("xformers"):
        yield (
            "attention: xformers needs the package xformers: install it into sd-scripts' Python, or set "
            "attention to sdpa, which is as fast."
        )


def _version(text: str | None) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in (text or "").split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


# ---- the base model


def _base_model(model: Mapping[str, Any] | None, recipe: TrainRecipe, name: str) -> Iterator[str]:
    if model is None:
        return
    if not model.get("exists"):
        yield (
            f"There is no base model {name} where it should be ({model.get('error') or 'no file'}): check "
            "the path."
        )
        return
    header = model.get("header")
    if header is None:
        if model.get("error"):
            yield f"The base model {name} cannot be read ({model['error']}): download it again."
        return
    if model.get("whole") is False:
        yield f"The base model {name} is cut short: download it again."
        return
    try:
        found = inspect_header(header, metadata=header.get("__metadata__"), name=f"The base model {name}")
        require_family(found, recipe.family, name=f"The base model {name}")
    except TrainError as error:
        yield str(error)


def _tokenizers(found: Mapping[str, str]) -> Iterator[str]:
    missing = [name for name, where in found.items() if where == "missing"]
    if missing:
        folders = ", ".join(name.replace("/", "_") for name in missing)
        yield (
            "CLIP's tokenizer is not on the machine that trains, and its hub cannot be reached "
            f"({', '.join(missing)}). Connect it once, or give a folder that holds {folders} "
            "(SD_SCRIPTS_TOKENIZERS)."
        )


# ---- the machine


def least_gpu_mib(recipe: TrainRecipe) -> int:
    """GPU memory, MiB, below which a training cannot work. A lower bound by arithmetic, not a measurement.

    Weights in the numbers they are computed with, CUDA's own, and what a step keeps at the very least.
    """
    size = 4.0 if recipe.mixed_precision == "no" else 2.0
    if recipe.family == "sdxl":  # parameters: U-Net 2.57e9, text encoders 0.82e9
        weights = 2.57e9 * (1.0 if recipe.fp8_base else size)
        weights += 0.0 if recipe.cache_text_encoder_outputs else 0.82e9 * size
        a_picture = 1.0 if recipe.gradient_checkpointing else 4.0
        area = (recipe.resolution / 1024) ** 2
    else:  # U-Net 0.86e9, text encoder 0.12e9
        weights = 0.86e9 * (1.0 if recipe.fp8_base else size) + 0.12e9 * size
        a_picture = 0.3 if recipe.gradient_checkpointing else 1.2
        area = (recipe.resolution / 512) ** 2
    gib = weights / _GIB + 0.4 + a_picture * area * recipe.batch_size
    return math.ceil(gib * 1024)


def _gpu(facts: Mapping[str, Any], recipe: TrainRecipe) -> Iterator[str]:
    if device_of(facts) == "cpu":
        yield from _without_gpu(facts, recipe)
        return
    gpu = facts["gpus"][0]
    if gpu.get("bf16") is False and (recipe.mixed_precision == "bf16" or recipe.full_bf16):
        yield (
            f"{gpu['name']} does not compute in bf16: set mixed_precision to auto or fp16, and full_bf16 to "
            "false."
        )
    needs = [least_gpu_mib(recipe)]
    if recipe.lighter is not None:
        needs.append(least_gpu_mib(recipe.lightened()))  # tried when the first is too much
    total, free = gpu.get("total_mib"), gpu.get("free_mib")
    if total is not None and min(needs) > total:
        yield (
            f"{gpu['name']} has {total / 1024:.1f} GiB of memory, and these settings need more than "
            f"{min(needs) / 1024:.1f}: set gradient_checkpointing to true, batch_size to 1 or a smaller "
            "resolution, or take a preset for a smaller model."
        )
    elif free is not None and min(needs) > free:
        yield (
            f"{gpu['name']} has only {free / 1024:.1f} GiB of memory free, and these settings need more than "
            f"{min(needs) / 1024:.1f}: close what uses the GPU (the WebUI keeps its model loaded), then try "
            "again."
        )


def _without_gpu(facts: Mapping[str, Any], recipe: TrainRecipe) -> Iterator[str]:
    if facts.get("gpus"):
        yield (
            f"The machine has a GPU ({facts['gpus'][0]['name']}), but sd-scripts' torch is built without "
            f"CUDA ({(facts.get('torch') or {}).get('version')}): install the build with CUDA into "
            "sd-scripts' Python."
        )
        return
    from ...cost import predict  # late: a large part of it is for people who look at it

    minutes = predict(recipe, 10, facts).likely
    if minutes > _CPU_DOUBT_MIN:
        yield (
            f"No GPU was found ({facts.get('no_gpu')}), and on this CPU the training would take about "
            f"{minutes / 60 / 24:.1f} days: train on a machine with a GPU (--trainer ssh://user@gpu/…), or "
            "with fewer steps and a smaller resolution."
        )


def _disk(facts: Mapping[str, Any], recipe: TrainRecipe) -> Iterator[str]:
    if "disk" not in facts:
        return
    need, free = disk_bytes(recipe), int(facts["disk"]["free_bytes"])
    if need > free:
        yield (
            f"The training needs about {need / _GIB:.1f} GiB of disk for checkpoints and saved states, and "
            f"{free / _GIB:.1f} are free: make room, or set save_every_n_steps higher."
        )


def disk_bytes(recipe: TrainRecipe) -> int:
    """Rough disk space of a training: each checkpoint three times (as saved, on its
    way, handed over), two saved
    states."""
    steps = recipe.steps or recipe.max_steps
    kept = 1 + (math.ceil(steps / recipe.save_every_n_steps) if recipe.save_every_n_steps else 0)
    a_file = (
        _FILE_MIB_A_RANK[recipe.family]
        * recipe.network_dim
        * (2.0 if recipe.save_precision == "float" else 1.0)
    )
    states = (
        2 * 6 * _FILE_MIB_A_RANK[recipe.family] * recipe.network_dim
    )  # weights and two moments in 32 bits
    return int((3 * kept * a_file + states) * (1 << 20))
