"""Our table of a LoRA's tensors against the one the real network code makes (recorded at rank 7)."""

from __future__ import annotations

import pytest

from tests.recorded import lora_tensors
from train_lora.backends.kohya.modules import (
    ExpectedModules,
    check_tensors,
    expected_modules,
    expected_tensors,
)
from train_lora.errors import ArtifactError
from train_lora.recipe import TrainRecipe, make_recipe


def recipe(family: str, **settings: object) -> TrainRecipe:
    return make_recipe(name="a", family=family, network_dim=7, network_alpha=3.0, **settings)


def header(family: str) -> dict[str, dict[str, object]]:
    return {name: {"dtype": "F16", "shape": shape} for name, shape in lora_tensors()[family].items()}


@pytest.mark.parametrize(("family", "text", "unet"), [("sd15", 72, 192), ("sdxl", 264, 722)])
def test_names_and_shapes_are_the_real_ones(family: str, text: int, unet: int) -> None:
    real = {name: tuple(shape) for name, shape in lora_tensors()[family].items()}
    assert expected_tensors(recipe(family)) == real
    assert expected_modules(recipe(family)) == ExpectedModules(text, unet)
    assert expected_modules(recipe(family)).tensors == len(real)
    check_tensors("a.safetensors", header(family), recipe(family))


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_only_one_half_trained(family: str) -> None:
    whole = header(family)
    unet = {name: entry for name, entry in whole.items() if name.startswith("lora_unet_")}
    text = {name: entry for name, entry in whole.items() if name.startswith("lora_te")}
    assert len(unet) + len(text) == len(whole)
    check_tensors("a", unet, recipe(family, text_encoder_lr=0.0))
    check_tensors("a", text, recipe(family, unet_lr=0.0))
    with pytest.raises(ArtifactError, match=f"{len(unet)} of the {len(whole)} tensors"):
        check_tensors("a", unet, recipe(family))
    with pytest.raises(ArtifactError, match=f"and {len(text)} others"):
        check_tensors("a", whole, recipe(family, text_encoder_lr=0.0))


def test_one_tensor_missing_is_named() -> None:
    less = header("sd15")
    gone = "lora_unet_mid_block_attentions_0_proj_in.lora_up.weight"
    del less[gone]
    with pytest.raises(ArtifactError, match=f"791 of the 792 tensors.*{gone}"):
        check_tensors("a.safetensors", less, recipe("sd15"))


def test_another_rank_is_refused() -> None:
    other = make_recipe(name="a", network_dim=8, network_alpha=3.0)
    with pytest.raises(ArtifactError, match="rank 8"):
        check_tensors("a.safetensors", header("sd15"), other)


def test_the_other_family_is_refused() -> None:
    with pytest.raises(ArtifactError, match="of the 2958 tensors"):
        check_tensors("a.safetensors", header("sd15"), recipe("sdxl"))
