"""A trained LoRA file: what it is, and whether it is whole."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._files import sha256_file
from .errors import ArtifactError
from .recipe import Family

_MAX_HEADER_BYTES = 100_000_000
"""safetensors' own limit."""
_MAX_NUMBER = 1 << 62
"""Of bytes; no disk is as large."""
_DTYPE_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
_FAMILIES: Mapping[str, Family] = {"sd_v1": "sd15", "sdxl_base_v1-0": "sdxl"}
_AGAIN = "Copy or train it again."


@dataclass(frozen=True, slots=True)
class LoraArtifact:
    """A LoRA file on this machine."""

    path: Path
    name: str
    """As it will be called in prompts: <lora:NAME:0.8>."""
    sha256: str
    """Of the file."""
    trigger: str | None
    """Words that call the person up; None when the file does not say."""
    family: Family | None
    """None when the file does not say, or names another."""
    trainer: str
    """Who made it and which version, such as "sandbox 1"; "unknown" when the file does not say."""
    sandbox: bool
    """A stand-in that only the sandbox understands."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Rank, alpha, steps, …, as the file's metadata gives them."""
    photos: frozenset[str] = frozenset()
    """Marks of the photos it was made of;
    two LoRAs that share one are of the same person. Empty when unknown."""


def read_artifact(path: Path) -> LoraArtifact:
    """Read a LoRA file's header and check that the file is whole.

    Raises:
        ArtifactError: Missing, cut short, damaged, or not a LoRA.
    """
    path = Path(path)
    metadata, tensors = read_header(path)
    sandbox = metadata.get("sandbox") == "true"
    if not sandbox and not any(_is_lora_tensor(name) for name in tensors):
        raise ArtifactError(
            f"{path.name} is a safetensors file, but not a LoRA.", "Choose the LoRA's own file."
        )
    if sandbox and not {"sandbox.reference", "sandbox.mask"} <= tensors.keys():
        raise ArtifactError(f"{path.name} is marked as a sandbox LoRA but lacks its picture.", _AGAIN)
    return LoraArtifact(
        path=path,
        name=path.stem,
        sha256=sha256_file(path),
        trigger=metadata.get("ss_trigger") or None,
        family=_FAMILIES.get(metadata.get("ss_base_model_version", "")),
        trainer=metadata.get("ss_trainer")
        or ("sd-scripts" if "ss_sd_scripts_commit_hash" in metadata else "unknown"),
        sandbox=sandbox,
        settings={key: metadata[f"ss_{key}"] for key in _SETTINGS if f"ss_{key}" in metadata},
        photos=photo_marks(metadata),
    )


def photo_mark(sha256: str) -> str:
    """What stands for a photo in a LoRA's metadata: a hash of the photo's hash, cut short, which says nothing
    about the photo."""
    return hashlib.sha256(f"photo:{sha256}".encode()).hexdigest()[:16]


def photo_marks(metadata: Mapping[str, str]) -> frozenset[str]:
    """Marks of the photos a LoRA was made of, from its metadata; empty when it does not say."""
    try:
        marks = json.loads(metadata.get("ss_photos", "[]"))
    except (ValueError, TypeError, RecursionError):
        return frozenset()
    return (
        frozenset(mark for mark in marks if isinstance(mark, str)) if isinstance(marks, list) else frozenset()
    )


_SETTINGS = (
    "network_dim",
    "network_alpha",
    "steps",
    "resolution",
    "seed",
    "unet_lr",
    "text_encoder_lr",
    "dataset_sha256",
)


def _is_lora_tensor(name: str) -> bool:
    return name.startswith(("lora_", "bundle_emb.")) or ".lora_" in name


def read_header(path: Path) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Metadata and tensor table of a safetensors file, without loading the tensors.

    Checked here and not by the `safetensors` package: it says the same of a file that is cut short, one
    that is something else and one it may not read. (Layout: huggingface/safetensors, README, "Format".)

    Raises:
        ArtifactError: Missing, cut short, damaged.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else -1
            if not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
                raise ArtifactError(f"{path.name} is not a safetensors file, or is cut short.", _AGAIN)
            raw = stream.read(length)
    except FileNotFoundError as error:
        raise ArtifactError(f"There is no file {path}.", "Check the path.") from error
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.strerror}.", "Check that it is a file you may read."
        ) from error
    try:
        header = json.loads(raw, object_pairs_hook=_without_twins)
        metadata = header.pop("__metadata__", {})
        end = _end_of(header)
        clean = all(isinstance(value, str) for value in metadata.values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"The header of {path.name} is damaged ({error}).", _AGAIN) from error
    if not clean:
        raise ArtifactError(f"The metadata of {path.name} holds something other than text.", _AGAIN)
    if end != size - 8 - length:
        raise ArtifactError(
            f"{path.name} has {size} bytes where its header promises {8 + length + end}.", _AGAIN
        )
    return metadata, header


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Of two entries of one name one reader takes the first, another the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _end_of(tensors: Mapping[str, Any]) -> int:
    """Where the last tensor ends, after checking that they lie side by side, without overlap or gap."""
    end = 0
    for (begin, its_end), name in sorted((_span(name, entry), name) for name, entry in tensors.items()):
        if begin != end:
            raise ValueError(f"tensor {name} does not begin where the one before it ends")
        end = its_end
    return end


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Where a tensor begins and ends, after checking that its length is that of its shape."""
    begin, end = entry["data_offsets"]
    numbers = (begin, end, *entry["shape"])
    if not all(type(number) is int and 0 <= number < _MAX_NUMBER for number in numbers):
        raise ValueError(f"tensor {name} has an impossible shape or place")
    size = _DTYPE_BYTES[entry["dtype"]]
    for axis in entry["shape"]:
        size = min(size * axis, _MAX_NUMBER)
    if end - begin != size:
        raise ValueError(f"tensor {name} does not fit its shape")
    return begin, end
