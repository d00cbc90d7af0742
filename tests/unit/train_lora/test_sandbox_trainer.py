from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from faces import Person, detect
from train_lora import (
    Dataset,
    LoraArtifact,
    PhotoSet,
    RecipeError,
    SandboxTrainer,
    TrainCancelled,
    TrainerAsked,
    TrainError,
    TrainProgress,
    build_dataset,
    get_backend,
    make_recipe,
    read_dataset,
)

RECIPE = make_recipe(name="alice", steps=400)


@dataclasses.dataclass
class Token:
    cancelled: bool = False


@pytest.fixture(scope="module")
def dataset(photo_set: PhotoSet, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build_dataset(photo_set, tmp_path_factory.mktemp("made") / "dataset", trigger="ohwx person")


@pytest.fixture(scope="module")
def artifact(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> LoraArtifact:
    return SandboxTrainer(seconds=0).train(dataset, RECIPE, tmp_path_factory.mktemp("lora")).final


def tensors(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    with safe_open(path, "np") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def test_the_file_is_what_was_agreed(artifact: LoraArtifact) -> None:
    metadata, arrays = tensors(artifact.path)
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "sandbox.reference": ("uint8", (768, 768, 3)),
        "sandbox.mask": ("uint8", (768, 768)),
    }
    expected = {
        "ss_output_name": "alice",
        "ss_base_model_version": "sd_v1",
        "ss_network_module": "networks.lora",
        "ss_network_dim": "32",
        "ss_network_alpha": "16.0",
        "sandbox": "true",
        "sandbox_format": "2",
        "sandbox_note": "SANDBOX stand-in, not a trained LoRA",
        "sandbox_quality": "1.0",
        "sandbox_copying": "0.3",
        "sandbox_best_weight": "0.8",
    }
    assert expected.items() <= metadata.items()
    assert json.loads(metadata["ss_tag_frequency"]) == {"photos": {"a photo of ohwx person": 4}}
    assert all(isinstance(value, str) for value in metadata.values())


def test_no_path_or_photo_name_is_in_the_file(artifact: LoraArtifact, photo_set: PhotoSet) -> None:
    blob = artifact.path.read_bytes()
    assert str(photo_set.folder).encode() not in blob
    assert b"portrait.jpg" not in blob
    assert photo_set.accepted[0].sha256.encode() not in blob


def test_the_reference_is_the_person_upright_with_room(artifact: LoraArtifact, photo_set: PhotoSet) -> None:
    metadata, arrays = tensors(artifact.path)
    (face,) = detect(arrays["sandbox.reference"])
    assert face.eye_center == pytest.approx((384, 322), abs=8)
    assert abs(face.roll_deg) < 5
    likeness = Person.from_embeddings(p.embedding for p in photo_set.accepted).score(
        Image.fromarray(arrays["sandbox.reference"])
    )
    assert likeness.score > 0.95
    points = json.loads(metadata["sandbox_landmarks"])
    assert np.allclose(points, face.landmarks, atol=10)
    assert points[0][0] < points[2][0] < points[1][0]


def test_the_mask_holds_the_person_and_not_the_backdrop(artifact: LoraArtifact) -> None:
    _, arrays = tensors(artifact.path)
    mask = arrays["sandbox.mask"]
    assert mask[330:520, 330:440].min() == 255, "face"
    assert mask[150, 384] > 200, "hair"
    assert mask[740, 384] > 200, "chest"
    assert mask[:60].max() < 30, "above the hair"
    assert mask[:380, :120].max() < 30
    assert mask[:380, -120:].max() < 30
    assert 0.3 < (mask > 127).mean() < 0.7
    assert ((mask > 5) & (mask < 250)).any(), "soft edge"


def test_the_sandbox_can_read_it(artifact: LoraArtifact) -> None:
    lora = pytest.importorskip("sdwebui_client.sandbox.render.lora")
    read = lora.load_sandbox_lora(artifact.path)
    assert read.name == "alice"
    assert read.quality == 1.0
    assert read.reference.shape == (768, 768, 3)


def test_same_inputs_same_bytes(dataset: Dataset, artifact: LoraArtifact, tmp_path: Path) -> None:
    again = SandboxTrainer(seconds=0).train(dataset, RECIPE, tmp_path).final
    assert again.path.read_bytes() == artifact.path.read_bytes()
    other = SandboxTrainer(seconds=0).train(dataset, make_recipe(name="alice", steps=401), tmp_path).final
    assert other.sha256 != artifact.sha256


def test_the_artifact_describes_the_file(artifact: LoraArtifact) -> None:
    assert (artifact.name, artifact.trigger, artifact.family) == ("alice", "ohwx person", "sd15")
    assert (artifact.trainer, artifact.sandbox) == ("sandbox 2", True)
    assert artifact.settings["steps"] == "400"
    assert len(artifact.photos) == 4


def test_progress_rises_and_loss_falls(dataset: Dataset, tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    SandboxTrainer(seconds=0.3).train(dataset, RECIPE, tmp_path, on_progress=seen.append)
    assert [seen[0].step, seen[-1].step] == [0, 400]
    assert [item.fraction for item in seen] == sorted({item.fraction for item in seen})
    losses = [item.loss for item in seen if item.loss is not None]
    assert losses[-1] < 0.6 * losses[0]
    assert seen[0].eta_s is None
    assert seen[-1].eta_s == 0
    assert 0 < (seen[5].eta_s or 0) < 5


def test_one_step_is_a_training_too(dataset: Dataset, tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    recipe = make_recipe(name="alice", steps=1)
    SandboxTrainer(seconds=0).train(dataset, recipe, tmp_path, on_progress=seen.append)
    assert [item.step for item in seen] == [0, 1]


def test_stopping_leaves_nothing(dataset: Dataset, tmp_path: Path) -> None:
    token = Token()

    def stop(progress: TrainProgress) -> None:
        token.cancelled = progress.step > 100

    with pytest.raises(TrainCancelled):
        SandboxTrainer(seconds=0).train(dataset, RECIPE, tmp_path, on_progress=stop, cancel=token)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainError, match="No space left"):
        SandboxTrainer(seconds=0).train(dataset, RECIPE, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_quality_is_kept_and_checked(dataset: Dataset, tmp_path: Path) -> None:
    made = SandboxTrainer(seconds=0, quality=0.25).train(dataset, RECIPE, tmp_path).final
    assert tensors(made.path)[0]["sandbox_quality"] == "0.25"


@pytest.mark.parametrize(
    "bad",
    [
        {"quality": 1.5},
        {"quality": float("nan")},
        {"seconds": -1},
        {"seconds": float("inf")},
        {"best_step": 0},
        {"best_weight": 0.0},
        {"best_weight": float("nan")},
    ],
)
def test_impossible_plans_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(RecipeError):
        SandboxTrainer(**bad)  # type: ignore[arg-type]


def test_checkpoints_come_as_often_as_the_recipe_wants(dataset: Dataset, tmp_path: Path) -> None:
    recipe = make_recipe(name="alice", steps=500, save_every_n_steps=200)
    seen: list[TrainProgress] = []
    run = SandboxTrainer(seconds=0).train(dataset, recipe, tmp_path, on_progress=seen.append)
    assert [(entry.step, entry.artifact.path.name) for entry in run.checkpoints] == [
        (200, "alice-step00000200.safetensors"),
        (400, "alice-step00000400.safetensors"),
        (500, "alice.safetensors"),
    ]
    assert run.final is run.checkpoints[-1].artifact
    assert run.steps == 500
    assert [item.step for item in seen].count(500) == 1, "played once"
    assert [tensors(entry.artifact.path)[0]["ss_steps"] for entry in run.checkpoints] == ["200", "400", "500"]
    assert len({entry.artifact.sha256 for entry in run.checkpoints}) == 3


@pytest.mark.parametrize(("every", "steps"), [(None, [500]), (500, [500]), (1000, [500]), (250, [250, 500])])
def test_the_last_checkpoint_is_the_finished_lora(
    dataset: Dataset, tmp_path: Path, every: int | None, steps: list[int]
) -> None:
    recipe = make_recipe(name="alice", steps=500, save_every_n_steps=every)
    run = SandboxTrainer(seconds=0).train(dataset, recipe, tmp_path)
    assert [entry.step for entry in run.checkpoints] == steps


def test_it_learns_until_the_best_step_and_copies_after_it(dataset: Dataset, tmp_path: Path) -> None:
    recipe = make_recipe(name="alice", steps=1000, save_every_n_steps=200)
    trainer = SandboxTrainer(seconds=0, quality=0.9, best_step=600, best_weight=0.7)
    run = trainer.train(dataset, recipe, tmp_path)
    told = [tensors(entry.artifact.path)[0] for entry in run.checkpoints]
    assert [entry["sandbox_quality"] for entry in told] == ["0.3", "0.6", "0.9", "0.9", "0.9"]
    assert [entry["sandbox_copying"] for entry in told] == ["0.0", "0.0", "0.0", "0.3", "0.6"]
    assert {entry["sandbox_best_weight"] for entry in told} == {"0.7"}


def test_what_was_planted_is_part_of_the_identity() -> None:
    plain, planted = SandboxTrainer(), SandboxTrainer(best_step=600)
    assert dict(plain.identity()) != dict(planted.identity())
    assert dict(plain.identity()) == dict(SandboxTrainer(seconds=3).identity())


def test_checkpoints_of_a_stopped_training_stay(dataset: Dataset, tmp_path: Path) -> None:
    token = Token()

    def stop(progress: TrainProgress) -> None:
        token.cancelled = progress.step > 250

    with pytest.raises(TrainCancelled):
        SandboxTrainer(seconds=0).train(dataset, RECIPE, tmp_path, on_progress=stop, cancel=token)
    assert [path.name for path in tmp_path.iterdir()] == ["alice-step00000200.safetensors"]


def test_a_dataset_without_its_photos_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="no photo"):
        SandboxTrainer(seconds=0).train(read_dataset(dataset.dir), RECIPE, tmp_path)


def test_sdxl_is_marked_so(dataset: Dataset, tmp_path: Path) -> None:
    recipe = make_recipe(name="alice", family="sdxl", resolution=1024)
    assert SandboxTrainer(seconds=0).train(dataset, recipe, tmp_path).final.family == "sdxl"


def test_it_is_there_by_name() -> None:
    assert get_backend(TrainerAsked("sandbox")).name == "sandbox"
    with pytest.raises(TrainError, match="no trainer 'x'"):
        get_backend(TrainerAsked("x"))
