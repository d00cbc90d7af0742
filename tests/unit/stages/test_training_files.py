"""The LoRA's file on its way: the chosen weight in it, and its name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stages.choosing import Choice
from stages.choosing.choice import Compared
from stages.training.files import as_named, with_weight
from tests.unit.stages._training import lora_file
from train_lora.artifact import read_header
from train_lora.lora_metadata import body_sha256


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return lora_file(tmp_path / "store" / "ab", ss_trigger="ohwx person", ss_comment="kept when asked")


def choice(weight: float) -> Choice:
    return Choice(800, weight, "why", (), Compared(2, held_out=True))


def test_the_chosen_weight_is_written_into_the_file(stored: Path, tmp_path: Path) -> None:
    before = stored.read_bytes()
    made = with_weight(stored, choice(0.70000001), tmp_path / "chosen.part")
    assert made == tmp_path / "chosen.part"
    metadata, tensors = read_header(made)
    assert metadata["ss_chosen_weight"] == "0.7"
    assert metadata["ss_trigger"] == "ohwx person"
    assert metadata["ss_comment"] == "kept when asked", "what is personal was settled when it was trained"
    assert tensors == read_header(stored)[1]
    assert body_sha256(made) == body_sha256(stored)
    assert stored.read_bytes() == before


def test_nothing_chosen_changes_nothing(stored: Path, tmp_path: Path) -> None:
    assert with_weight(stored, None, tmp_path / "chosen.part") == stored
    assert not (tmp_path / "chosen.part").exists()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_gets_its_name_and_costs_no_room(stored: Path, tmp_path: Path) -> None:
    artifact = as_named(stored, "alice", tmp_path / "work")
    assert artifact.name == "alice"
    assert artifact.trigger == "ohwx person"
    assert artifact.path.samefile(stored)
    assert names(tmp_path / "work" / "lora") == ["alice.safetensors"]


def test_naming_it_again_leaves_one_file(stored: Path, tmp_path: Path) -> None:
    as_named(stored, "alice", tmp_path / "work")
    again = as_named(stored, "alice", tmp_path / "work")
    assert again.path.read_bytes() == stored.read_bytes()
    assert names(tmp_path / "work" / "lora") == ["alice.safetensors"]


def test_another_training_takes_the_name_over(stored: Path, tmp_path: Path) -> None:
    before = as_named(stored, "alice", tmp_path / "work")
    other = lora_file(tmp_path / "store" / "cd", fill=2)
    after = as_named(other, "alice", tmp_path / "work")
    assert after.sha256 != before.sha256
    assert stored.read_bytes() != after.path.read_bytes(), "the stored file is not written to"
    assert names(tmp_path / "work" / "lora") == ["alice.safetensors"]


def test_an_earlier_name_stays_for_who_deletes_the_run(stored: Path, tmp_path: Path) -> None:
    for name in ("alice", "bea"):
        as_named(stored, name, tmp_path / "work")
    assert names(tmp_path / "work" / "lora") == ["alice.safetensors", "bea.safetensors"]


def test_what_a_killed_run_left_is_in_nobodys_way(stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work" / "lora"
    folder.mkdir(parents=True)
    (folder / "alice.part").write_bytes(b"half")
    assert as_named(stored, "alice", tmp_path / "work").path.read_bytes() == stored.read_bytes()
    assert names(folder) == ["alice.safetensors"]


def test_where_files_cannot_be_linked_they_are_copied(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    artifact = as_named(stored, "alice", tmp_path / "work")
    assert artifact.path.read_bytes() == stored.read_bytes()
    assert not artifact.path.samefile(stored)
    assert names(tmp_path / "work" / "lora") == ["alice.safetensors"]
