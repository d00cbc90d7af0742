from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.train_lora._safetensors_files import write_file
from train_lora.backends.kohya.modules import check_lora_file, expected_modules, expected_tensors
from train_lora.errors import ArtifactError
from train_lora.recipe import TrainRecipe, make_recipe


def recipe(**settings: object) -> TrainRecipe:
    return make_recipe(**{"name": "a", "network_dim": 1, "network_alpha": 1.0, **settings})


def lora(path: Path, of: TrainRecipe, **changed: list[int]) -> Path:
    shapes = {name: list(shape) for name, shape in expected_tensors(of).items()} | changed
    return write_file(path, {name: ("F16", shape) for name, shape in shapes.items()})


def test_counts() -> None:
    both = expected_modules(recipe())
    assert (both.text_encoder, both.unet, both.tensors) == (72, 192, 792)
    unet = expected_modules(recipe(text_encoder_lr=0.0))
    assert (unet.text_encoder, unet.unet, unet.tensors) == (0, 192, 576)
    sdxl = expected_modules(recipe(family="sdxl", text_encoder_lr=0.0))
    assert (sdxl.text_encoder, sdxl.unet, sdxl.tensors) == (0, 722, 2166)
    assert expected_modules(recipe(family="sdxl", unet_lr=0.0)).text_encoder == 264


def test_a_whole_file_passes(tmp_path: Path) -> None:
    check_lora_file(lora(tmp_path / "a.safetensors", recipe()), recipe())


def test_a_file_cut_short(tmp_path: Path) -> None:
    path = lora(tmp_path / "a.safetensors", recipe())
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ArtifactError, match="its header promises"):
        check_lora_file(path, recipe())


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="There is no file"):
        check_lora_file(tmp_path / "a.safetensors", recipe())


def test_settings_and_file_must_agree(tmp_path: Path) -> None:
    path = lora(tmp_path / "a.safetensors", recipe())
    with pytest.raises(ArtifactError, match="rank 2"):
        check_lora_file(path, recipe(network_dim=2))
    with pytest.raises(ArtifactError, match="576 of the 576 tensors this training makes and 216 others"):
        check_lora_file(path, recipe(text_encoder_lr=0.0))


def test_a_wrong_shape_is_named(tmp_path: Path) -> None:
    name = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
    path = lora(tmp_path / "a.safetensors", recipe(), **{name: [1, 1024]})
    with pytest.raises(ArtifactError, match=rf"{name} has the shape \[1, 1024\].*\[1, 768\]"):
        check_lora_file(path, recipe())
