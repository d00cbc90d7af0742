"""A sandbox LoRA of the NASA portrait in the scikit-image wheel, and the means to write others."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data

WriteLora = Callable[..., Path]
LANDMARKS = ((324.7, 259.2), (451.8, 265.8), (388.0, 335.0), (316.0, 371.0), (448.0, 375.0))
CROP = (slice(14, 274), slice(94, 354))
"""Head and shoulders in the 512 px portrait; the landmarks are of this crop at 768 px."""


def encode(metadata: dict[str, str], tensors: dict[str, Any], dtype: str = "U8") -> bytes:
    """Bytes of a safetensors file."""
    header: dict[str, Any] = {"__metadata__": metadata}
    body = b""
    for name, tensor in tensors.items():
        span = [len(body), len(body) + tensor.nbytes]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": span}
        body += tensor.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.fixture(scope="session")
def portrait() -> tuple[np.ndarray, np.ndarray]:
    """Reference picture and mask, 768 px."""
    crop = data.astronaut()[CROP]
    reference = cv2.resize(crop, (768, 768), interpolation=cv2.INTER_LANCZOS4)
    mask = np.zeros((768, 768), np.uint8)
    cv2.ellipse(mask, (392, 195), (205, 185), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (385, 330), (118, 170), 0, 0, 360, 255, -1)
    cv2.rectangle(mask, (280, 430), (470, 510), 255, -1)
    cv2.ellipse(mask, (390, 760), (330, 250), 0, 0, 360, 255, -1)
    return reference, cv2.GaussianBlur(mask, (0, 0), 2)


@pytest.fixture
def write_lora(tmp_path: Path, portrait: tuple[np.ndarray, np.ndarray]) -> WriteLora:
    """Write a sandbox LoRA, sound unless told otherwise; `without` leaves a metadata key out."""

    def write(name: str = "alice", *, without: str = "", tensors: Any = None, **metadata: str) -> Path:
        reference, mask = portrait
        values = {
            "ss_output_name": name,
            "sandbox": "true",
            "sandbox_format": "1",
            "sandbox_quality": "1.0",
            "sandbox_landmarks": json.dumps(LANDMARKS),
        } | metadata
        values.pop(without, None)
        kept = {"sandbox.reference": reference, "sandbox.mask": mask} if tensors is None else tensors
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(encode(values, kept))
        return path

    return write
