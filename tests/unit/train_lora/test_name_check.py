"""Whether a name is free, before a training that is to have it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from train_lora import PublishError
from train_lora.artifact import photo_mark
from train_lora.name_check import check_name

PHOTOS = ("aa11", "bb22")


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    (tmp_path / "Lora" / "people").mkdir(parents=True)
    return tmp_path / "Lora"


def put(path: Path, *photos: str) -> None:
    marks = json.dumps([photo_mark(sha256) for sha256 in photos])
    save_file({"lora_te_x.lora_up.weight": np.ones((2, 2), np.float16)}, path, metadata={"ss_photos": marks})


def test_a_free_name_is_free(loras: Path) -> None:
    put(loras / "bob.safetensors", "cc33")
    check_name("alice", PHOTOS, loras.parent)


@pytest.mark.parametrize("rel", ["alice.safetensors", "people/alice.safetensors"])
def test_an_earlier_lora_of_the_same_person_is_no_hindrance(loras: Path, rel: str) -> None:
    put(loras / rel, "bb22", "cc33")
    check_name("alice", PHOTOS, loras.parent)


@pytest.mark.parametrize("rel", ["alice.safetensors", "people/alice.safetensors", "ALICE.safetensors"])
@pytest.mark.parametrize("photos", [("cc33",), ()])
def test_somebody_elses_is(loras: Path, rel: str, photos: tuple[str, ...]) -> None:
    put(loras / rel, *photos)
    with pytest.raises(PublishError, match="is another LoRA"):
        check_name("alice", PHOTOS, loras.parent)


def test_a_file_that_is_no_lora_is_somebody_elses(loras: Path) -> None:
    (loras / "alice.pt").write_bytes(b"who knows")
    with pytest.raises(PublishError, match="--name"):
        check_name("alice", PHOTOS, loras.parent)
