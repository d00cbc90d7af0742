"""Small safetensors files with any header, for the tests of what is read from headers."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WIDTHS = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I64": 8}
Tensors = Mapping[str, tuple[str, list[int]]]


def header_of(tensors: Tensors) -> dict[str, dict[str, Any]]:
    """Tensor table with offsets in the order given."""
    table: dict[str, dict[str, Any]] = {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = WIDTHS[dtype]
        for axis in shape:
            size *= axis
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return table


def write_file(path: Path, tensors: Tensors, metadata: Mapping[str, str] | None = None) -> Path:
    """A whole file; its bytes count up, so that no two tensors are alike. Large ones are holes."""
    table: dict[str, Any] = header_of(tensors)
    size = max((entry["data_offsets"][1] for entry in table.values()), default=0)
    head = {**({"__metadata__": dict(metadata)} if metadata else {}), **table}
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        if size < 1 << 20:
            stream.write(bytes(i % 251 for i in range(size)))
        else:
            stream.truncate(8 + len(text) + size)
    return path


UNET = "model.diffusion_model."


def checkpoint(
    context: int = 768, *, channels: int = 4, dtype: str = "F16", te: str = "cond_stage_model."
) -> dict[str, tuple[str, list[int]]]:
    """The few tensors of a base model that tell its kind."""
    return {
        f"{UNET}input_blocks.0.0.weight": (dtype, [320, channels, 3, 3]),
        f"{UNET}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (dtype, [64, context]),
        f"{UNET}output_blocks.5.1.transformer_blocks.0.attn2.to_k.weight": (dtype, [64, context]),
        f"{te}transformer.text_model.embeddings.position_ids": ("I64", [1, 77]),
        "first_stage_model.decoder.conv_in.weight": ("F32", [8, 4, 3, 3]),
    }
