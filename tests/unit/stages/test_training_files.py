"""The LoRA's file under the name it is published by."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from stages.training.files import as_named


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "stored.safetensors"
    save_file({"lora_te_x.lora_up.weight": np.ones((2, 2), np.float16)}, path)
    return path


@pytest.mark.parametrize("links", [True, False])
def test_naming_it_again_leaves_one_file(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError("no hard links here")

        monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):
        artifact = as_named(stored, "alice", tmp_path)
    assert artifact.name == "alice"
    assert artifact.path.read_bytes() == stored.read_bytes()
    assert [path.name for path in (tmp_path / "lora").iterdir()] == ["alice.safetensors"]
