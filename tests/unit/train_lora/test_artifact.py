from __future__ import annotations

import contextlib
import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from train_lora import ArtifactError, read_artifact
from train_lora.artifact import read_header

WEIGHTS = {
    "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": np.ones((4, 8), np.float16),
    "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight": np.ones((8, 4), np.float16),
    "lora_unet_down_blocks_0_attentions_0_proj_in.alpha": np.array(4, np.float16),
}


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    path = tmp_path / "bob.safetensors"
    save_file(WEIGHTS, path, metadata={"ss_base_model_version": "sdxl_base_v1-0", "ss_network_dim": "4"})
    return path


def with_header(path: Path, header: object, body: bytes = b"") -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + body)
    return path


def test_reads_what_another_trainer_wrote(trained: Path) -> None:
    artifact = read_artifact(trained)
    assert (artifact.name, artifact.family, artifact.sandbox) == ("bob", "sdxl", False)
    assert (artifact.trigger, artifact.trainer) == (None, "unknown")
    assert artifact.settings == {"network_dim": "4"}
    assert artifact.photos == frozenset()
    assert set(read_header(trained)[1]) == set(WEIGHTS)


def test_every_cut_is_noticed(trained: Path) -> None:
    whole = trained.read_bytes()
    for length in [0, 1, 7, 8, 9, 50, len(whole) // 2, len(whole) - 1]:
        trained.write_bytes(whole[:length])
        with pytest.raises(ArtifactError):
            read_artifact(trained)


def test_bytes_too_many_are_noticed(trained: Path) -> None:
    trained.write_bytes(trained.read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match="promises"):
        read_artifact(trained)


def test_flipped_headers_raise_nothing_else(trained: Path) -> None:
    whole, rng = trained.read_bytes(), random.Random(1)
    end = 8 + struct.unpack("<Q", whole[:8])[0]
    for _ in range(300):
        data = bytearray(whole)
        data[rng.randrange(end)] = rng.randrange(256)
        trained.write_bytes(bytes(data))
        with contextlib.suppress(ArtifactError):
            assert read_artifact(trained).name == "bob"


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"x": 1},
        {"x": {}},
        {"x": {"dtype": "F16", "shape": [2], "data_offsets": [0, 99]}},
        {"x": {"dtype": "NOPE", "shape": [0], "data_offsets": [0, 0]}},
        {"x": {"dtype": "F16", "shape": "ab", "data_offsets": [0, 0]}},
        {"__metadata__": [], "x": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}},
        {"__metadata__": {"a": 1}},
        {"x": {"dtype": "U8", "shape": [-2, -3], "data_offsets": [0, 6]}},
        {"x": {"dtype": "U8", "shape": [2.9], "data_offsets": [0, 2]}},
        {"x": {"dtype": "U8", "shape": ["2"], "data_offsets": [0, 2]}},
        {"x": {"dtype": "U8", "shape": [True], "data_offsets": [0, 1]}},
        {"x": {"dtype": "U8", "shape": [1 << 400] * 99, "data_offsets": [0, 1 << 300]}},
        {"x": {"dtype": ["U8"], "shape": [0], "data_offsets": [0, 0]}},
        {
            "x": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]},
            "y": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]},
        },
        {
            "x": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]},
            "y": {"dtype": "U8", "shape": [2], "data_offsets": [3, 5]},
        },
        b'{"x": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}, '
        b'"x": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}',
        b'{"x": ' * 50_000,
        b"not json at all",
        b"\xff\xfe\xfd\xfc",
        "{}",
    ],
)
def test_strange_headers_are_damaged(tmp_path: Path, header: object) -> None:
    with pytest.raises(ArtifactError, match=r"damaged|something other"):
        read_artifact(with_header(tmp_path / "x.safetensors", header))


def test_a_header_may_not_claim_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(ArtifactError, match="not a safetensors file"):
        read_artifact(path)


def test_other_models_are_no_lora(tmp_path: Path) -> None:
    path = tmp_path / "vae.safetensors"
    save_file({"decoder.conv_in.weight": np.zeros(4, np.float32)}, path)
    with pytest.raises(ArtifactError, match="not a LoRA"):
        read_artifact(path)
    save_file(WEIGHTS, path, metadata={"sandbox": "true"})
    with pytest.raises(ArtifactError, match="lacks its picture"):
        read_artifact(path)


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no file"):
        read_artifact(tmp_path / "nowhere.safetensors")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_artifact(tmp_path)


@pytest.mark.parametrize("marks", ["{", "{}", "7", '[1, "a"]'])
def test_strange_photo_marks_do_not_matter(tmp_path: Path, marks: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file(WEIGHTS, path, metadata={"ss_photos": marks})
    assert read_artifact(path).photos <= {"a"}
