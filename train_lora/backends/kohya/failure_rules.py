"""The known ways a training fails, each a function that tells of one or says it is another.

In the order of certainty: what we did ourselves, then what the logs say. Texts of sd-scripts v0.10.1, torch 2
and the system.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...recipe import TrainRecipe
from .redact import base_name, file_names_only

_AGAIN = "Run the same command again: it goes on from the last saved state."
_CHECKOUT = "Check out sd-scripts v0.10.1 (git submodule update --init) and run doctor."
_REQUIREMENTS = "Install sd-scripts' own requirements into its interpreter: pip install -r requirements.txt."


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a failure."""

    returncode: int | None
    stdout: str
    stderr: str
    reason: str | None
    recipe: TrainRecipe
    facts: Mapping[str, Any]

    @property
    def both(self) -> str:
        """Everything that was said."""
        return f"{self.stdout}\n{self.stderr}"

    def says(self, pattern: str) -> re.Match[str] | None:
        """The first place where either stream says it."""
        return re.search(pattern, self.both)


@dataclass(frozen=True, slots=True)
class Told:
    """A failure's kind, what happened, what to do, and whether lighter settings may help."""

    kind: str
    message: str
    hint: str
    lighter: bool = False


Rule: TypeAlias = Callable[[Case], Told | None]

_REASONS: Mapping[str, Told] = {
    "cancelled": Told("cancelled", "The training was stopped.", _AGAIN),
    "stalled": Told(
        "stalled",
        "The training stood still: nothing was printed for longer than the stall limit.",
        "Look whether the machine swaps or something else uses its GPU. " + _AGAIN,
    ),
    "time limit": Told(
        "time_limit",
        "The training took longer than its time limit.",
        "Raise the limit, or train fewer steps or a smaller resolution. " + _AGAIN,
    ),
    "parent gone": Told("parent_gone", "The program that had started the training ended.", _AGAIN),
    "supervisor gone": Told("supervisor_gone", "The training was killed together with its watchdog.", _AGAIN),
}


def _ended_by_us(case: Case) -> Told | None:
    if case.reason and case.reason.startswith("cannot start"):
        return Told(
            "cannot_start",
            f"sd-scripts' Python could not be started ({file_names_only(case.reason.partition(': ')[2])}).",
            "Set SD_SCRIPTS_PYTHON to the interpreter that sd-scripts' requirements are installed for.",
        )
    return _REASONS.get(case.reason or "")


def _nothing_learnt(case: Case) -> Told | None:
    if case.reason != "nan" and not re.search(r"\bloss=-?(?:nan|inf)\b", case.stderr.replace("avr_", "")):
        return None
    rates = f"unet_lr {case.recipe.unet_lr:g}, text_encoder_lr {case.recipe.text_encoder_lr:g}"
    fp16 = " or mixed_precision: bf16" if case.recipe.mixed_precision in ("fp16", "auto") else ""
    return Told(
        "nan",
        f"The loss is no number any more: the LoRA has learnt nothing but noise ({rates}).",
        f"Lower the learning rates, to a third at first{fp16}; the checkpoints before it may be good.",
    )


def _gpu_memory(case: Case) -> Told | None:
    if not case.says(
        r"torch\.(?:cuda\.)?OutOfMemoryError|CUDA out of memory|CUDA error: out of memory|"
        r"CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|HIP out of memory"
    ):
        return None
    recipe = case.recipe
    ways = [
        way
        for way, open_ in (
            ("gradient_checkpointing: true", not recipe.gradient_checkpointing),
            ("batch_size: 1", recipe.batch_size > 1),
            ("text_encoder_lr: 0", recipe.text_encoder_lr > 0 and recipe.unet_lr > 0),
            ("optimizer_type: AdamW8bit", recipe.optimizer_type == "AdamW"),
            ("cache_latents: memory", recipe.cache_latents == "off"),
            ("a smaller resolution", True),
        )
        if open_
    ]
    return Told(
        "gpu_memory",
        f"The GPU's memory was not enough{_gpu(case.facts)}.",
        f"Close what else uses it (a WebUI that has a model loaded, for one), or set {', '.join(ways)}.",
        lighter=True,
    )


def _gpu(facts: Mapping[str, Any]) -> str:
    gpus = facts.get("gpus") or []
    if not gpus or not isinstance(gpus[0], Mapping):
        return ""
    name, total, free = (gpus[0].get(key) for key in ("name", "total_mib", "free_mib"))
    if not isinstance(total, (int, float)):
        return ""
    room = f", {free / 1024:.1f} GiB of them free" if isinstance(free, (int, float)) else ""
    return f" ({name}, {total / 1024:.1f} GiB{room})"


def _disk_full(case: Case) -> Told | None:
    # torch's own writer and safetensors do not say errno 28 in words.
    if case.reason == "disk full" or case.says(
        r"\[Errno 28\]|No space left on device|os error 28|PytorchStreamWriter failed writing file|"
        r"\[Errno 122\]|Disk quota exceeded"
    ):
        return Told(
            "disk_full",
            "The disk of the training is full.",
            "Free some space (a saved state takes several times a LoRA's size). " + _AGAIN,
        )
    return None


def _host_memory(case: Case) -> Told | None:
    on_cpu = case.facts.get("device") == "cpu"
    hint = "Close other programs, or train at a smaller resolution or batch_size"
    if case.says(r"DefaultCPUAllocator: (?:can't|not enough)|Cannot allocate memory|(?m:^MemoryError\b)"):
        message = "The machine's memory (RAM) was not enough: SD 1.5 needs 6 to 9 GiB, SDXL more."
        return Told("host_memory", message, f"{hint}. {_AGAIN}", lighter=on_cpu)
    if case.returncode in (-9, 137):
        message = "The system killed the training (SIGKILL), as it does when memory (RAM) runs out."
        return Told("killed", message, f"{hint}; dmesg tells whether that was it. {_AGAIN}", lighter=on_cpu)
    return None


def _driver(case: Case) -> Told | None:
    if case.says(
        r"driver version is insufficient|NVIDIA driver on your system is too old|Found no NVIDIA driver|"
        r"no kernel image is available|forward compatibility was attempted|CUDA unknown error|"
        r"CUDA-capable device\(s\) is/are busy|Driver/library version mismatch"
    ):
        return Told(
            "driver",
            "The GPU's driver and this torch do not go together.",
            'Update the NVIDIA driver, or install the torch build for it (pytorch.org, "Get started"); after '
            "an update of the driver, restart the machine.",
        )
    if case.says(r"Torch not compiled with CUDA enabled"):
        return Told(
            "driver",
            "sd-scripts' torch is the build for CPUs.",
            "Install the CUDA build of torch into sd-scripts' interpreter.",
        )
    return None


def _no_data(case: Case) -> Told | None:
    if case.says(r"No data found\."):
        missing = case.says(r"not directory: ")
        return Told(
            "no_data",
            "sd-scripts found no training pictures"
            + (": their folder is gone." if missing else " in the dataset's folder."),
            "Build the dataset again: its folder was moved or emptied in the meantime.",
        )
    return None


def _captions(case: Case) -> Told | None:
    # It trains on empty captions and ends with exit code 0: nothing is learnt by name.
    if case.says(r"caption file is empty|neither caption file nor class tokens are found"):
        return Told(
            "no_captions", "Captions of the dataset are missing or empty.", "Build the dataset again."
        )
    return None


def _picture(case: Case) -> Told | None:
    found = case.says(r"(?:failed to get image size|Error loading file): (.+?)(?:, error:.*)?(?:\n|$)")
    if found or case.says(r"image file is truncated|cannot identify image file|in make_buckets"):
        name = f" ({base_name(found[1].strip())})" if found else ""
        return Told(
            "picture",
            f"A training picture cannot be read{name}.",
            "Build the dataset again: a file was damaged after it was made.",
        )
    return None


def _base_model(case: Case) -> Told | None:
    if case.says(r"is neither a valid local path nor a valid repo id"):
        return Told("model_missing", "The base model's file is not there.", "Set SDWEBUI_BASE_MODEL to it.")
    if case.says(r"SafetensorError|PytorchStreamReader failed|invalid load key|UnpicklingError"):
        return Told(
            "model_broken",
            "The base model's file is damaged or was only half downloaded.",
            "Download it again and compare its size or SHA-256 with its page's.",
        )
    if case.says(
        r"Error\(s\) in loading state_dict|size mismatch for|KeyError: '(?:model\.diffusion|conditioner)"
    ):
        return Told(
            "model_family",
            f"The base model is not of the family {case.recipe.family}.",
            "Name a base model of this family, or choose the preset for the model's.",
        )
    return None


def _tokenizer(case: Case) -> Told | None:
    if case.says(
        r"_load_tokenizer|get_tokenize_strategy|Can't load tokenizer|LocalEntryNotFoundError|"
        r"OfflineModeIsEnabled"
    ):
        return Told(
            "tokenizer",
            "CLIP's tokenizer is not on this machine and could not be fetched.",
            "Let sd-scripts reach huggingface.co once, or set SD_SCRIPTS_TOKENIZERS to a folder that holds "
            "openai_clip-vit-large-patch14"
            + (" and laion_CLIP-ViT-bigG-14-laion2B-39B-b160k." if case.recipe.family == "sdxl" else "."),
        )
    return None


_PACKAGES = {
    "bitsandbytes": ("bitsandbytes", "or set optimizer_type to AdamW"),
    "Prodigy": ("prodigyopt", "or set optimizer_type to AdamW"),
    "prodigyopt": ("prodigyopt", "or set optimizer_type to AdamW"),
    "lion_pytorch": ("lion-pytorch", "or set optimizer_type to AdamW"),
    "xformers": ("xformers", "or set attention to sdpa"),
    "triton": ("triton", "or set torch_compile to false"),
}


def _package(case: Case) -> Told | None:
    if case.says(r"No operator found for `?memory_efficient_attention"):
        return Told("package", "This xformers does not fit the GPU or torch.", "Set attention to sdpa.")
    found = case.says(r"ModuleNotFoundError: No module named '([\w.]+)'|ImportError: No (\w+) /")
    if found is not None:
        name = (found[1] or found[2]).split(".")[0]
        if name in ("networks", "library", "train_network"):
            return Told("checkout", "The checkout of sd-scripts is not complete.", _CHECKOUT)
        if name in _PACKAGES:
            package, otherwise = _PACKAGES[name]
            return Told(
                "package",
                f"sd-scripts' interpreter lacks the package {package}.",
                f"pip install {package} into it, {otherwise}.",
            )
        return Told("package", f"sd-scripts' interpreter lacks the package {name}.", _REQUIREMENTS)
    if case.says(r"ImportError: cannot import name|DLL load failed|undefined symbol"):
        return Told(
            "versions",
            "The packages in sd-scripts' interpreter are of other versions than it needs.",
            _REQUIREMENTS,
        )
    return None


def _arguments(case: Case) -> Told | None:
    unknown = case.says(r"unrecognized arguments: (--\w+)|argument (--\w+): ")
    if unknown is not None:
        flag = unknown[1] or unknown[2]
        return Told("version", f"This sd-scripts does not know the argument {flag}.", _CHECKOUT)
    if case.says(
        r"TomlDecodeError|MultipleInvalid|Invalid user config|file not found / |train\.toml not found"
    ):
        return Told("version", "This sd-scripts does not accept the training's configuration.", _CHECKOUT)
    if case.says(r"can't open file .*train_network\.py"):
        return Told("checkout", "The folder of sd-scripts holds no training script.", _CHECKOUT)
    return None


def _permission(case: Case) -> Told | None:
    if case.says(r"PermissionError|\[Errno 13\]|\[Errno 30\]"):
        return Told(
            "permission",
            "The trainer may not write into the training's folder.",
            "Check its owner and permissions, or choose another folder.",
        )
    return None


RULES: tuple[Rule, ...] = (
    _ended_by_us,
    _gpu_memory,
    _disk_full,
    _host_memory,
    _driver,
    _no_data,
    _picture,
    _package,
    _tokenizer,
    _arguments,
    _base_model,
    _permission,
    _nothing_learnt,
    _captions,
)
