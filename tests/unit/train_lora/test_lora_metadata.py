from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.unit.train_lora._safetensors_files import write_file
from train_lora import lora_metadata
from train_lora.artifact import read_artifact, read_header
from train_lora.errors import ArtifactError
from train_lora.lora_metadata import body_sha256, rewrite_metadata, webui_hash

TENSORS = {
    "lora_unet_x.alpha": ("F16", []),
    "lora_unet_x.lora_down.weight": ("F16", [4, 320, 1, 1]),
    "lora_unet_x.lora_up.weight": ("F16", [320, 4, 1, 1]),
}
SECRET = "kim-alice"
PERSONAL = {
    "ss_output_name": SECRET,
    "modelspec.title": SECRET,
    "modelspec.author": SECRET,
    "modelspec.date": "2026-11-20T20:04:23",
    "ss_session_id": "1234567",
    "ss_training_started_at": "1763670000.1",
    "ss_training_finished_at": "1763670100.1",
    "ss_training_comment": f"photos of {SECRET}",
    "ss_tag_frequency": json.dumps({"img": {f"a photo of {SECRET}": 4}}),
    "ss_dataset_dirs": json.dumps({SECRET: {"n_repeats": 1}}),
    "ss_reg_dataset_dirs": "{}",
    "ss_datasets": json.dumps(
        [{"resolution": [512, 512], "subsets": [{"image_dir": SECRET}], "tag_frequency": {SECRET: 1}}]
    ),
    "ss_vae_name": f"/home/{SECRET}/vae.pt",
    "ss_note_of_a_later_version": SECRET,
    "sshs_legacy_hash": "deadbeef",
}
TECHNICAL = {
    "ss_v2": "False",
    "ss_base_model_version": "sd_v1",
    "ss_network_dim": "4",
    "ss_network_alpha": "2.0",
    "ss_unet_lr": "0.0001",
    "ss_seed": "7",
    "ss_steps": "1200",
    "ss_network_module": "networks.lora",
    "modelspec.architecture": "stable-diffusion-v1/lora",
}


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    metadata = {**PERSONAL, **TECHNICAL, "ss_sd_model_name": f"/home/{SECRET}/base.safetensors"}
    return write_file(tmp_path / "trained.safetensors", TENSORS, metadata)


def body(path: Path) -> bytes:
    raw = path.read_bytes()
    return raw[8 + int.from_bytes(raw[:8], "little") :]


def test_personal_notes_go_and_technical_ones_stay(lora: Path, tmp_path: Path) -> None:
    target = tmp_path / "clean.safetensors"
    rewrite_metadata(lora, target, add={"ss_trigger": "ohwx person"}, keep_personal=False)
    metadata, tensors = read_header(target)
    assert metadata == {
        **TECHNICAL,
        "ss_sd_model_name": "base.safetensors",
        "ss_resolution": "512",
        "ss_trigger": "ohwx person",
        "sshs_model_hash": hashlib.sha256(body(lora)).hexdigest(),
    }
    assert SECRET.encode() not in target.read_bytes()
    assert tensors == read_header(lora)[1]
    assert body(target) == body(lora)


def test_everything_stays_when_asked(lora: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.safetensors"
    rewrite_metadata(lora, target, add={}, keep_personal=True)
    metadata, _ = read_header(target)
    kept = {key: value for key, value in PERSONAL.items() if key != "sshs_legacy_hash"}
    assert metadata.items() >= kept.items()
    assert "sshs_legacy_hash" not in metadata


def test_what_is_added_wins(lora: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.safetensors"
    rewrite_metadata(
        lora, target, add={"ss_steps": "800", "ss_trainer": "sd-scripts v0.10.1"}, keep_personal=False
    )
    artifact = read_artifact(target)
    assert artifact.settings["steps"] == "800"
    assert artifact.settings["resolution"] == "512"
    assert artifact.trainer == "sd-scripts v0.10.1"
    assert artifact.family == "sd15"


def test_our_own_notes_survive_a_second_time(lora: Path, tmp_path: Path) -> None:
    ours = {"ss_trigger": "t", "ss_photos": '["aa"]', "ss_dataset_sha256": "ff", "ss_trainer": "x"}
    first, second = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    rewrite_metadata(lora, first, add=ours, keep_personal=False)
    rewrite_metadata(first, second, add={}, keep_personal=False)
    assert first.read_bytes() == second.read_bytes()
    assert read_header(second)[0].items() >= ours.items()


def test_a_file_may_be_rewritten_in_place(lora: Path) -> None:
    before = body(lora)
    rewrite_metadata(lora, lora, add={"ss_trigger": "t"}, keep_personal=False)
    assert body(lora) == before
    assert sorted(path.name for path in lora.parent.iterdir()) == ["trained.safetensors"]
    assert lora.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("keep_personal", [True, False])
def test_a_wrong_hash_in_the_file_is_mended(tmp_path: Path, keep_personal: bool) -> None:
    path = write_file(tmp_path / "a.safetensors", TENSORS, {"sshs_model_hash": "0" * 64})
    assert webui_hash(path) == "0" * 12
    rewrite_metadata(path, path, add={}, keep_personal=keep_personal)
    assert webui_hash(path) == hashlib.sha256(body(path)).hexdigest()[:12]


def test_the_hash_a_webui_shows(lora: Path, tmp_path: Path) -> None:
    """Without a note of its own the file is hashed behind its header; both ways agree."""
    assert webui_hash(lora) == body_sha256(lora)[:12] == hashlib.sha256(body(lora)).hexdigest()[:12]
    target = tmp_path / "b.safetensors"
    rewrite_metadata(lora, target, add={}, keep_personal=False)
    assert webui_hash(target) == webui_hash(lora)
    assert len(webui_hash(lora)) == 12


def test_long_bodies_are_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_metadata, "_CHUNK", 7)
    path = write_file(tmp_path / "a.safetensors", TENSORS)
    before = body(path)
    assert body_sha256(path) == hashlib.sha256(before).hexdigest()
    rewrite_metadata(path, path, add={}, keep_personal=False)
    assert body(path) == before


def test_the_header_is_aligned_and_sorted(lora: Path, tmp_path: Path) -> None:
    target = tmp_path / "c.safetensors"
    rewrite_metadata(lora, target, add={"ss_trigger": "사진 é"}, keep_personal=False)
    raw = target.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    assert length % 8 == 0
    header = json.loads(raw[8 : 8 + length])
    assert list(header["__metadata__"]) == sorted(header["__metadata__"])
    assert header["__metadata__"]["ss_trigger"] == "사진 é"


def test_the_real_reader_takes_it(lora: Path, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    target = tmp_path / "d.safetensors"
    rewrite_metadata(lora, target, add={}, keep_personal=False)
    with safetensors.safe_open(target, framework="np") as opened:
        assert set(opened.keys()) == set(TENSORS)
        assert opened.metadata()["ss_network_dim"] == "4"


def test_a_failure_leaves_what_was_there(lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "old.safetensors"
    target.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lora_metadata.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        rewrite_metadata(lora, target, add={}, keep_personal=False)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.safetensors", "trained.safetensors"]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"abc")
    with pytest.raises(ArtifactError):
        rewrite_metadata(path, tmp_path / "y.safetensors", add={}, keep_personal=False)
    with pytest.raises(ArtifactError):
        webui_hash(path)
    with pytest.raises(ArtifactError):
        body_sha256(path)


@pytest.mark.parametrize(
    "datasets", ["", "[]", "nonsense", '[{"x": 1}]', '[{"resolution": [512, 768]}]', "[3]"]
)
def test_a_resolution_that_is_not_one_number_is_not_stated(tmp_path: Path, datasets: str) -> None:
    path = write_file(tmp_path / "a.safetensors", TENSORS, {"ss_datasets": datasets})
    rewrite_metadata(path, path, add={}, keep_personal=False)
    assert "ss_resolution" not in read_header(path)[0]


def test_a_sandbox_file_stays_one(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.safetensors", TENSORS, {"sandbox_quality": "0.8", "sandbox": "true"})
    rewrite_metadata(path, path, add={}, keep_personal=False)
    assert read_header(path)[0]["sandbox_quality"] == "0.8"
