"""What a base model is, read from its file's header: no weights are loaded.

sd-scripts finds out after half a minute of loading, with a page of mismatched shapes, or trains a LoRA nobody
can use. Layouts: single files in Stability's naming (CompVis/stable-diffusion, Stability-AI/
generative-models) and the parts of a diffusers folder.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ...artifact import read_header
from ...errors import ArtifactError, TrainError

ModelFamily: TypeAlias = Literal["sd15", "sd2", "sdxl", "unknown"]
FAMILY_NAMES: Mapping[str, str] = {
    "sd15": "Stable Diffusion 1.5",
    "sd2": "Stable Diffusion 2",
    "sdxl": "SDXL",
    "unknown": "an unknown model",
}
_UNET = "model.diffusion_model."
_FIRST = _UNET + "input_blocks.0.0.weight"
_CONTEXT = {768: "sd15", 1024: "sd2", 2048: "sdxl"}
"""Width of the text features the U-Net takes -> family. SDXL's refiner has 1280."""
_REFINER_CONTEXT = 1280
_PICTURE_CHANNELS = 4
_DOWNLOAD = "Download it again and compare its size with its page's."
_WHICH = "Choose a whole checkpoint in one file, such as v1-5-pruned-emaonly.safetensors."
_TENSOR_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A checkpoint to train on."""

    family: ModelFamily
    """"unknown" only for .ckpt files, which cannot be inspected."""
    format: Literal["safetensors", "ckpt"]
    dtype: str
    """Numbers most of its weights are stored in: "F16", "F32", "BF16" …; "" when unknown."""
    tensors: int
    """0 when unknown."""
    bytes: int
    """Size of the file; of the tensors when only a header was given."""
    v_prediction: bool | None
    """Whether it predicts v instead of noise; None when the file does not say."""


def inspect_base_model(path: Path) -> BaseModel:
    """Look at a checkpoint's header.

    Raises:
        TrainError: Missing, half downloaded, or no base model that a LoRA of a person can be trained on.
    """
    path = Path(path)
    if path.is_dir():
        raise TrainError(f"{path.name} is a folder.", _WHICH)
    if not path.is_file():
        raise TrainError(f"There is no base model {path.name}.", "Set SDWEBUI_BASE_MODEL to its file.")
    size = path.stat().st_size
    _refuse_stand_ins(path)
    if path.suffix.lower() in (".ckpt", ".pt", ".pth", ".bin"):
        return _inspect_pickle(path, size)
    try:
        metadata, tensors = read_header(path)
    except ArtifactError as error:
        raise TrainError(f"The base model {path.name} cannot be read: {error.message}", _DOWNLOAD) from error
    return replace(inspect_header(tensors, metadata=metadata, name=path.name), bytes=size)


def inspect_header(
    header: Mapping[str, Mapping[str, Any]],
    *,
    metadata: Mapping[str, str] | None = None,
    name: str = "The base model",
) -> BaseModel:
    """The same for a header read elsewhere, such as on a GPU host.

    Args:
        header: Tensor name -> "dtype" and "shape", as safetensors writes them.
        metadata: The file's own notes.
        name: How messages call the file.

    Raises:
        TrainError: Not a base model, or one of a kind that cannot be trained here.
    """
    header = {key: value for key, value in header.items() if key != "__metadata__"}
    if _FIRST not in header:
        raise _no_checkpoint(header, name)
    try:
        return _inspect(header, metadata or {}, name)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise TrainError(f"{name} has tensors of impossible shapes.", _DOWNLOAD) from error


def _inspect(header: Mapping[str, Mapping[str, Any]], metadata: Mapping[str, str], name: str) -> BaseModel:
    family = _family(header, name)
    _require_parts(header, name)
    types = Counter(str(entry["dtype"]) for key, entry in header.items() if key.startswith(_UNET))
    return BaseModel(
        family=family,
        format="safetensors",
        dtype=types.most_common(1)[0][0],
        tensors=len(header),
        bytes=sum(_bytes(entry) for entry in header.values()),
        v_prediction=_v_prediction(header, metadata),
    )


def require_family(model: BaseModel, family: str, *, name: str = "The base model") -> None:
    """Refuse a base model that a recipe is not for. One that cannot be inspected passes.

    Raises:
        TrainError: Another family, or one that predicts v.
    """
    if model.family not in (family, "unknown"):
        presets = "sdxl" if model.family == "sdxl" else "sd15-fast or sd15-best"
        raise TrainError(
            f"{name} is {FAMILY_NAMES[model.family]}, but the settings are for {FAMILY_NAMES[family]}.",
            "There are no settings for this family; choose an SD 1.5 or SDXL checkpoint."
            if model.family == "sd2"
            else f"Choose a checkpoint of {FAMILY_NAMES[family]}, or --preset {presets} for this one.",
        )
    if model.v_prediction:
        raise TrainError(
            f"{name} predicts v instead of noise, and the settings are for noise.",
            "Choose a checkpoint of the usual kind (epsilon prediction).",
        )


def _refuse_stand_ins(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise TrainError(f"{path.name} is only a pointer of Git LFS.", "Fetch the file itself: git lfs pull.")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise TrainError(f"{path.name} is a web page that was saved under this name.", _DOWNLOAD)


def _inspect_pickle(path: Path, size: int) -> BaseModel:
    # A pickle runs code when it is read, so it is not read.
    with path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(b"PK") and not zipfile.is_zipfile(path):
        raise TrainError(f"The base model {path.name} was only half downloaded.", _DOWNLOAD)
    if not start.startswith((b"PK", b"\x80")):
        raise TrainError(f"{path.name} is no checkpoint.", _DOWNLOAD)
    return BaseModel("unknown", "ckpt", "", 0, size, None)


def _no_checkpoint(header: Mapping[str, Mapping[str, Any]], name: str) -> TrainError:
    """What the file is instead."""
    kinds: tuple[tuple[Callable[[str], bool], str], ...] = (
        (lambda key: key.startswith(("lora_", "lycoris_")) or ".lora_" in key, "a LoRA"),
        (lambda key: key.startswith("control_model.") or "controlnet_" in key, "a ControlNet"),
        (lambda key: key == "emb_params", "a textual inversion"),
        (lambda key: "double_blocks." in key, "a Flux model"),
        (lambda key: "joint_blocks." in key, "a Stable Diffusion 3 model"),
        (lambda key: key.startswith(("down_blocks.", "mid_block.")), "only the U-Net of a diffusers folder"),
        (lambda key: key.startswith("text_model."), "only a text encoder"),
        (lambda key: key.startswith(("first_stage_model.", "decoder.", "encoder.")), "only a VAE"),
    )
    for fits, kind in kinds:
        if any(fits(key) for key in header):
            return TrainError(f"{name} is {kind}, not a base model.", _WHICH)
    return TrainError(f"{name} is no Stable Diffusion checkpoint.", _WHICH)


def _family(header: Mapping[str, Mapping[str, Any]], name: str) -> ModelFamily:
    channels = header[_FIRST]["shape"][1]
    if channels != _PICTURE_CHANNELS:
        kind = {9: "an inpainting model", 8: "an instruct-pix2pix model", 5: "a depth model"}
        raise TrainError(
            f"{name} is {kind.get(channels, f'a model of {channels} input channels')}.",
            "Choose the ordinary checkpoint it was made from.",
        )
    widths = {
        int(entry["shape"][1])
        for key, entry in header.items()
        if key.endswith("attn2.to_k.weight") and _UNET in key
    }
    if _REFINER_CONTEXT in widths:
        raise TrainError(f"{name} is SDXL's refiner.", "Choose the SDXL base model.")
    families = {_CONTEXT.get(width) for width in widths}
    if len(families) != 1 or None in families:
        raise TrainError(f"{name} is a Stable Diffusion model of no known family.", _WHICH)
    found = families.pop()
    return "sd15" if found == "sd15" else "sd2" if found == "sd2" else "sdxl"


def _require_parts(header: Mapping[str, Mapping[str, Any]], name: str) -> None:
    missing = [
        part
        for part, prefixes in (
            ("text encoder", ("cond_stage_model.", "conditioner.")),
            ("VAE", ("first_stage_model.",)),
        )
        if not any(key.startswith(prefixes) for key in header)
    ]
    if missing:
        raise TrainError(f"{name} lacks its {' and its '.join(missing)}.", _WHICH)


def _v_prediction(header: Mapping[str, Any], metadata: Mapping[str, str]) -> bool | None:
    # An empty tensor named v_pred is how SDXL models mark themselves; ModelSpec has a field.
    if "v_pred" in header:
        return True
    stated = metadata.get("modelspec.prediction_type", "").lower()
    return {"v": True, "epsilon": False}.get(stated)


def _bytes(entry: Mapping[str, Any]) -> int:
    count = _TENSOR_BYTES.get(str(entry["dtype"]), 1)
    for axis in entry["shape"]:
        count *= int(axis)
    return count
