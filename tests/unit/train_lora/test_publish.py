from __future__ import annotations

import fcntl
import importlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from train_lora import (
    ArtifactError,
    LoraArtifact,
    PublishedLora,
    PublishError,
    TrainError,
    publish,
    read_artifact,
    unpublish,
)
from train_lora.places import local

publishing = importlib.import_module("train_lora.publish")
"""The module; the package's attribute of this name is the function."""


def file_of(published: PublishedLora) -> Path:
    return Path(published.place) / published.rel


class Host:
    """A WebUI that lists its folder when it is told to look again, `late` refreshes later."""

    def __init__(self, models_dir: Path, *, is_sandbox: bool = False, late: int = 0) -> None:
        self.is_sandbox = is_sandbox
        self._folder, self._late, self._names = models_dir / "Lora", late, set[str]()

    def refresh_loras(self) -> None:
        self._late -= 1
        if self._late < 0 and self._folder.is_dir():
            self._names = {path.stem for path in self._folder.rglob("*.safetensors")}

    def lora_names(self) -> set[str]:
        return self._names


def make(
    folder: Path,
    name: str = "alice",
    *,
    fill: float = 1.0,
    photos: tuple[str, ...] = (),
    sandbox: bool = False,
) -> LoraArtifact:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    tensors = {"lora_te_x.lora_up.weight": np.full((2, 2), fill, np.float16)}
    metadata = {"ss_photos": json.dumps(photos)}
    if sandbox:
        tensors = {
            "sandbox.reference": np.zeros((2, 2, 3), np.uint8),
            "sandbox.mask": np.zeros((2, 2), np.uint8),
        }
        metadata["sandbox"] = "true"
    save_file(tensors, path, metadata=metadata)
    return read_artifact(path)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "LISTED_WITHIN_S", 0.3)


def test_the_file_arrives_whole_and_is_listed(tmp_path: Path, models: Path) -> None:
    artifact = make(tmp_path / "made")
    published = publish(artifact, Host(models), models_dir=models)
    assert Path(published.where) == models / "Lora" / "alice.safetensors"
    assert file_of(published).read_bytes() == artifact.path.read_bytes()
    assert (published.name, published.sha256, published.copied) == ("alice", artifact.sha256, True)
    assert [path.name for path in (models / "Lora").iterdir()] == ["alice.safetensors"]


def test_the_lora_folder_is_made(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    publish(make(tmp_path / "made"), Host(tmp_path / "models"), models_dir=tmp_path / "models")
    assert (tmp_path / "models" / "Lora" / "alice.safetensors").is_file()


def test_twice_is_once(tmp_path: Path, models: Path) -> None:
    artifact = make(tmp_path / "made")
    first = publish(artifact, Host(models), models_dir=models)
    stamp = file_of(first).stat().st_mtime_ns
    second = publish(artifact, Host(models), models_dir=models)
    assert not second.copied
    assert file_of(first).stat().st_mtime_ns == stamp


@pytest.mark.parametrize("published_before", [False, True])
def test_what_a_killed_publisher_left_is_swept(tmp_path: Path, models: Path, published_before: bool) -> None:
    artifact = make(tmp_path / "made")
    if published_before:
        publish(artifact, Host(models), models_dir=models)
    for name in (".alice.k1ll3d.part", ".alice-2.0ther.part"):
        (models / "Lora" / name).write_bytes(b"half a face")
    publish(artifact, Host(models), models_dir=models)
    names = sorted(path.name for path in (models / "Lora").iterdir())
    assert names == [".alice-2.0ther.part", "alice.safetensors"]


def test_a_copy_that_is_being_written_is_left_alone(tmp_path: Path, models: Path) -> None:
    part = models / "Lora" / ".alice.busy.part"
    with part.open("wb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        publish(make(tmp_path / "made"), Host(models), models_dir=models)
        assert part.exists()


def test_a_slow_server_is_waited_for(tmp_path: Path, models: Path) -> None:
    assert publish(make(tmp_path / "made"), Host(models, late=2), models_dir=models).copied


def test_a_server_that_does_not_list_it_is_an_error(tmp_path: Path, models: Path) -> None:
    with pytest.raises(PublishError, match="does not list alice") as caught:
        publish(make(tmp_path / "made"), Host(tmp_path / "elsewhere"), models_dir=models)
    assert "--lora-dir" in caught.value.hint


@pytest.mark.parametrize(
    "place", ["alice.safetensors", "people/alice.safetensors", "ALICE.safetensors", "alice.pt"]
)
def test_another_persons_file_is_never_touched(tmp_path: Path, models: Path, place: str) -> None:
    theirs = models / "Lora" / place
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_bytes(make(tmp_path / "theirs", fill=2.0, photos=("them",)).path.read_bytes())
    before = theirs.read_bytes()
    with pytest.raises(PublishError, match="another LoRA"):
        publish(make(tmp_path / "made", photos=("us",)), Host(models), models_dir=models)
    assert theirs.read_bytes() == before
    assert len(list(theirs.parent.iterdir())) == 1


def test_an_earlier_lora_of_the_same_person_is_replaced(tmp_path: Path, models: Path) -> None:
    publish(make(tmp_path / "old", photos=("a", "b")), Host(models), models_dir=models)
    new = make(tmp_path / "new", fill=3.0, photos=("b", "c"))
    published = publish(new, Host(models), models_dir=models)
    assert published.copied
    assert file_of(published).read_bytes() == new.path.read_bytes()
    assert len(list((models / "Lora").iterdir())) == 1


def test_a_file_nobody_can_read_is_somebody_elses(tmp_path: Path, models: Path) -> None:
    (models / "Lora" / "alice.safetensors").write_bytes(b"something")
    with pytest.raises(PublishError, match="another LoRA"):
        publish(make(tmp_path / "made", photos=("a",)), Host(models), models_dir=models)


def test_the_sandboxs_stand_in_never_reaches_a_real_webui(tmp_path: Path, models: Path) -> None:
    artifact = make(tmp_path / "made", sandbox=True)
    with pytest.raises(TrainError, match="sandbox stand-in") as caught:
        publish(artifact, Host(models), models_dir=models)
    assert "--lora NAME" in caught.value.hint
    assert list((models / "Lora").iterdir()) == []
    assert publish(artifact, Host(models, is_sandbox=True), models_dir=models).copied


def test_a_file_that_changed_is_not_published(tmp_path: Path, models: Path) -> None:
    artifact = make(tmp_path / "made")
    artifact.path.write_bytes(artifact.path.read_bytes()[:-1] + b"\1")
    with pytest.raises(ArtifactError, match="has changed"):
        publish(artifact, Host(models), models_dir=models)
    artifact.path.unlink()
    with pytest.raises(ArtifactError, match="gone"):
        publish(artifact, Host(models), models_dir=models)


def test_the_models_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="not there"):
        publish(make(tmp_path / "made"), Host(tmp_path), models_dir=tmp_path / "nowhere")


def test_names_prompts_cannot_say_are_refused(tmp_path: Path, models: Path) -> None:
    with pytest.raises(PublishError, match="cannot be a LoRA's name"):
        publish(make(tmp_path / "made", "a b"), Host(models), models_dir=models)


def test_a_failed_copy_leaves_nothing(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    artifact = make(tmp_path / "made")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PublishError, match="No space left"):
        publish(artifact, Host(models), models_dir=models)
    assert list((models / "Lora").iterdir()) == []


def test_a_wrong_copy_is_noticed(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = make(tmp_path / "made")
    monkeypatch.setattr(local.shutil, "copyfileobj", lambda source, out, size: out.write(b"garbage"))
    with pytest.raises(PublishError, match="differs"):
        publish(artifact, Host(models), models_dir=models)
    assert list((models / "Lora").iterdir()) == []


def test_a_name_taken_meanwhile_is_left(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact, real = make(tmp_path / "made"), os.link

    def race(source: object, target: Path) -> None:
        target.write_bytes(b"theirs")
        real(source, target)

    monkeypatch.setattr(os, "link", race)
    with pytest.raises(PublishError, match="is another LoRA"):
        publish(artifact, Host(models), models_dir=models)
    assert (models / "Lora" / "alice.safetensors").read_bytes() == b"theirs"


def test_disks_without_links_work_too(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(source: object, target: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", unsupported)
    assert publish(make(tmp_path / "made"), Host(models), models_dir=models).copied
    assert len(list((models / "Lora").iterdir())) == 1


def test_taking_it_back(tmp_path: Path, models: Path) -> None:
    published = publish(make(tmp_path / "made"), Host(models), models_dir=models)
    file_of(published).write_bytes(b"another by now")
    with pytest.raises(TrainError, match="another file"):
        unpublish(published)
    file_of(published).unlink()
    unpublish(published)
    published = publish(make(tmp_path / "made"), Host(models), models_dir=models)
    unpublish(published)
    assert list((models / "Lora").iterdir()) == []
