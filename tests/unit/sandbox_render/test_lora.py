"""Reading the file the sandbox trainer writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from sdwebui_client.sandbox.render import NotASandboxLora, SandboxLoraError, load_sandbox_lora

from .conftest import LANDMARKS, WriteLora, encode


def test_reads_what_was_written(write_lora: WriteLora, portrait: tuple[np.ndarray, np.ndarray]) -> None:
    lora = load_sandbox_lora(write_lora("alice", sandbox_quality="0.7"))
    assert lora.name == "alice"
    assert lora.quality == 0.7
    assert lora.landmarks == LANDMARKS
    assert np.array_equal(lora.reference, portrait[0])
    assert np.array_equal(lora.mask, portrait[1])


def test_a_file_of_the_first_format_copies_nothing_and_likes_many_weights(write_lora: WriteLora) -> None:
    lora = load_sandbox_lora(write_lora())
    assert (lora.copying, lora.best_weight) == (0.0, None)


def test_reads_how_far_a_training_went(write_lora: WriteLora) -> None:
    path = write_lora(sandbox_format="2", sandbox_copying="0.4", sandbox_best_weight="0.9")
    lora = load_sandbox_lora(path)
    assert (lora.copying, lora.best_weight) == (0.4, 0.9)


def test_reads_the_safetensors_packages_own_output(
    tmp_path: Path, portrait: tuple[np.ndarray, np.ndarray]
) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "a.safetensors"
    metadata = {"sandbox": "true", "sandbox_format": "1", "sandbox_landmarks": json.dumps(LANDMARKS)}
    save_file({"sandbox.reference": portrait[0], "sandbox.mask": portrait[1]}, path, metadata=metadata)
    lora = load_sandbox_lora(path)
    assert np.array_equal(lora.reference, portrait[0])
    assert lora.name == "a"
    assert lora.quality == 1.0


def test_same_file_is_read_once_and_a_changed_one_again(write_lora: WriteLora) -> None:
    path = write_lora("alice")
    first = load_sandbox_lora(path)
    assert load_sandbox_lora(path) is first
    write_lora("alice", sandbox_quality="0.25")
    os.utime(path, ns=(1, 1))
    assert load_sandbox_lora(path).quality == 0.25


def test_pixels_cannot_be_changed(write_lora: WriteLora) -> None:
    with pytest.raises(ValueError, match="read-only"):
        load_sandbox_lora(write_lora()).reference[0, 0] = 0


def test_a_real_lora_is_told_apart_from_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    path.write_bytes(encode({"ss_network_module": "networks.lora"}, {"x": np.zeros((2, 2), np.uint8)}))
    with pytest.raises(NotASandboxLora, match=r"style\.safetensors"):
        load_sandbox_lora(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sandbox_format": "3"}, "format '3'"),
        ({"sandbox_landmarks": "[[1,2]]"}, "5 points"),
        ({"sandbox_landmarks": "[[1,2],[1,2],[1,2],[1,2],[900,2]]"}, "inside the reference"),
        ({"sandbox_landmarks": "nonsense"}, "cannot be read"),
        ({"sandbox_quality": "good"}, "no number"),
        ({"sandbox_copying": "much"}, "no number"),
        ({"sandbox_quality": "nan"}, "no number"),
        ({"sandbox_best_weight": "0"}, "above 0"),
        ({"sandbox_best_weight": "7"}, "at most 2"),
    ],
)
def test_wrong_metadata_is_named(write_lora: WriteLora, change: dict[str, str], message: str) -> None:
    with pytest.raises(SandboxLoraError, match=message):
        load_sandbox_lora(write_lora("bad", **change))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "sandbox.reference is missing"),
        ({"sandbox.reference": np.zeros((8, 8, 3), np.uint8)}, "sandbox.mask is missing"),
        ({"sandbox.reference": np.zeros((8, 8, 4), np.uint8)}, "4 channels"),
        ({"sandbox.reference": np.zeros((8, 8), np.uint8)}, "2 axes"),
    ],
)
def test_wrong_tensors_are_named(write_lora: WriteLora, tensors: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(SandboxLoraError, match=message):
        load_sandbox_lora(write_lora("bad", tensors=tensors))


def test_mask_of_another_size_is_refused(write_lora: WriteLora) -> None:
    tensors = {
        "sandbox.reference": np.zeros((800, 800, 3), np.uint8),
        "sandbox.mask": np.zeros((8, 8), np.uint8),
    }
    with pytest.raises(SandboxLoraError, match="differ in size"):
        load_sandbox_lora(write_lora("bad", tensors=tensors))


@pytest.mark.parametrize("keep", [0, 5, 40, 400, 200_000])
def test_a_cut_file_is_refused(write_lora: WriteLora, keep: int) -> None:
    path = write_lora("cut")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SandboxLoraError):
        load_sandbox_lora(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxLoraError, match="cannot be read"):
        load_sandbox_lora(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    "content", [b"\x10\0\0\0\0\0\0\0not json at all!", b"\x02\0\0\0\0\0\0\0[]", b"x" * 64]
)
def test_other_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(SandboxLoraError):
        load_sandbox_lora(path)
