"""Reads the sandbox LoRA: a safetensors file that carries a reference photo instead of trained weights.

The container is read here in a few lines, since the `safetensors` package belongs to another extra. Layout:
8 bytes little-endian header length, a JSON header (name -> dtype, shape, data_offsets; `__metadata__`),
then the raw tensors (safetensors format description, huggingface/safetensors README).
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .scene import Picture, Plane, RenderError

FORMATS = ("1", "2")
"""Format 2 adds `sandbox_copying` and `sandbox_best_weight`; a file of format 1 has neither."""
MOST_WEIGHT = 2.0
MAX_HEADER_BYTES = 100_000_000
"""safetensors' own limit of the header."""
LANDMARKS = 5


class SandboxLoraError(RenderError):
    """The file is no readable sandbox LoRA; the message names the file and the reason."""


class NotASandboxLora(SandboxLoraError):
    """A sound safetensors file of somebody else: a real LoRA, which the sandbox cannot draw from."""


@dataclass(frozen=True, eq=False, slots=True)
class SandboxLora:
    """The person a sandbox LoRA stands for."""

    name: str
    reference: Picture
    """Head and shoulders, upright."""
    mask: Plane
    """255 where the person is."""
    landmarks: tuple[tuple[float, float], ...]
    """Eyes (left and right as seen), nose, mouth corners (left and right as seen); pixels of `reference`."""
    quality: float
    """0..1: how well it was "trained"; scales the likeness of what is drawn."""
    copying: float = 0.0
    """0..1: how far it was "trained" too long; so much of the photo shows whatever the prompt asks for."""
    best_weight: float | None = None
    """The weight it is best at; None = anything from 0.75 to 1.15."""


def load_sandbox_lora(path: Path) -> SandboxLora:
    """Read a sandbox LoRA; the last few files read are kept, keyed by path, time and size.

    Args:
        path: the safetensors file.

    Raises:
        SandboxLoraError: not there, no safetensors, not made by the sandbox trainer, or damaged.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise SandboxLoraError(f"{path}: cannot be read ({error.strerror}).") from error
    return _load(str(path), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _load(path: str, _mtime_ns: int, _size: int) -> SandboxLora:
    header, body = _read_container(Path(path))
    metadata = header.get("__metadata__") or {}
    if metadata.get("sandbox") != "true":
        raise NotASandboxLora(f"{path}: not a sandbox LoRA (its metadata carries no sandbox=true).")
    if metadata.get("sandbox_format") not in FORMATS:
        raise SandboxLoraError(
            f"{path}: sandbox LoRA format {metadata.get('sandbox_format')!r};"
            f" this sandbox reads formats {' and '.join(FORMATS)}."
        )
    reference = _tensor(path, header, body, "sandbox.reference", ndim=3)
    if reference.shape[2] != 3:
        raise SandboxLoraError(f"{path}: sandbox.reference has {reference.shape[2]} channels, not 3.")
    mask = _tensor(path, header, body, "sandbox.mask", ndim=2)
    if mask.shape != reference.shape[:2]:
        raise SandboxLoraError(
            f"{path}: mask {mask.shape} and reference {reference.shape[:2]} differ in size."
        )
    return SandboxLora(
        name=str(metadata.get("ss_output_name") or Path(path).stem),
        reference=reference,
        mask=mask,
        landmarks=_landmarks(path, metadata, reference.shape),
        quality=_share(path, metadata, "sandbox_quality", "1.0"),
        copying=_share(path, metadata, "sandbox_copying", "0.0"),
        best_weight=_best_weight(path, metadata),
    )


def _read_container(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    if len(data) < 8:
        raise SandboxLoraError(f"{path}: {len(data)} bytes are too few for a safetensors file.")
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(MAX_HEADER_BYTES, len(data) - 8):
        raise SandboxLoraError(f"{path}: no safetensors file (header length {length} reaches past its end).")
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError as error:
        raise SandboxLoraError(f"{path}: the safetensors header is not JSON ({error}).") from error
    if not isinstance(header, dict):
        raise SandboxLoraError(f"{path}: the safetensors header is not a JSON object.")
    return header, data[8 + length :]


def _tensor(path: str, header: dict[str, Any], body: bytes, name: str, *, ndim: int) -> Picture:
    entry = header.get(name)
    if not isinstance(entry, dict):
        raise SandboxLoraError(f"{path}: tensor {name} is missing.")
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise SandboxLoraError(f"{path}: tensor {name} is described wrongly ({error!r}).") from error
    if dtype != "U8" or len(shape) != ndim:
        raise SandboxLoraError(
            f"{path}: tensor {name} is {dtype} with {len(shape)} axes, not U8 with {ndim}."
        )
    if not 0 <= begin <= end <= len(body) or end - begin != int(np.prod(shape)) or min(shape) < 1:
        raise SandboxLoraError(f"{path}: tensor {name} is cut short.")
    tensor = np.frombuffer(body, dtype=np.uint8, count=end - begin, offset=begin).reshape(shape)
    tensor.flags.writeable = False
    return tensor


def _landmarks(
    path: str, metadata: dict[str, str], shape: tuple[int, ...]
) -> tuple[tuple[float, float], ...]:
    try:
        points = tuple((float(x), float(y)) for x, y in json.loads(metadata["sandbox_landmarks"]))
    except (KeyError, TypeError, ValueError) as error:
        raise SandboxLoraError(f"{path}: sandbox_landmarks cannot be read ({error!r}).") from error
    inside = all(0 <= x < shape[1] and 0 <= y < shape[0] for x, y in points)
    if len(points) != LANDMARKS or not inside:
        raise SandboxLoraError(f"{path}: sandbox_landmarks must be {LANDMARKS} points inside the reference.")
    return points


def _share(path: str, metadata: dict[str, str], key: str, otherwise: str) -> float:
    return min(max(_number(path, metadata, key, otherwise), 0.0), 1.0)


def _best_weight(path: str, metadata: dict[str, str]) -> float | None:
    key = "sandbox_best_weight"
    if key not in metadata:
        return None
    weight = _number(path, metadata, key, "")
    if not 0.0 < weight <= MOST_WEIGHT:
        raise SandboxLoraError(
            f"{path}: {key} is {weight:g}; a weight is above 0 and at most {MOST_WEIGHT:g}."
        )
    return weight


def _number(path: str, metadata: dict[str, str], key: str, otherwise: str) -> float:
    try:
        number = float(metadata.get(key, otherwise))
    except ValueError as error:
        raise SandboxLoraError(f"{path}: {key} is no number ({error}).") from error
    if not math.isfinite(number):
        raise SandboxLoraError(f"{path}: {key} is no number ({number}).")
    return number
