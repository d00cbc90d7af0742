"""A LoRA or checkpoint of another family than the preset's."""

from __future__ import annotations

from typing import Any

import pytest

from sdwebui_client import Capabilities
from sdwebui_client.capabilities import Flavour, LoraInfo
from stages.family import checkpoint_doubt, lora_family, lora_problem
from stages.presets import load_preset
from stages.recipes.profile import ProfileOptions, plan_profile


@pytest.mark.parametrize(
    ("base", "family"),
    [
        ("sd_v1", "sd15"),
        ("sdxl_base_v1-0", "sdxl"),
        ("sd_v2_v", "sd2"),
        ("flux1", None),
        (None, None),
        ("", None),
    ],
)
def test_the_family_is_read_from_the_trainers_metadata(base: Any, family: str | None) -> None:
    assert lora_family({"ss_base_model_version": base}) == family


def test_no_metadata_is_no_verdict() -> None:
    assert lora_family(None) is None
    assert lora_problem(load_preset("studio-sd15"), "alice", {}) is None


def test_a_lora_of_another_family_is_a_problem_of_the_plan(tmp_path: Any) -> None:
    preset = load_preset("studio-sdxl")
    lora = LoraInfo(name="alice", metadata={"ss_base_model_version": "sd_v1"})
    caps = Capabilities(Flavour.A1111, loras=(lora,))
    options = ProfileOptions(
        photos_dir=tmp_path,
        out_dir=tmp_path,
        preset=preset,
        name="alice",
        count=None,
        seed=0,
        lora="alice",
        models_dir=None,
        pose_from=None,
    )
    (problems,) = plan_profile(options, [caps]).problems.values()
    assert problems[0].startswith(
        "LoRA alice: it was trained for SD 1.5, and the preset studio-sdxl is for SDXL"
    )


@pytest.mark.parametrize(
    ("preset", "loaded", "doubtful"),
    [
        ("studio-sdxl", "realisticVision_v51.safetensors [15012c538f]", True),
        ("studio-sdxl", "juggernautXL_v9.safetensors [d91d35736d]", False),
        ("studio-sd15", "juggernautXL_v9.safetensors [d91d35736d]", True),
        ("studio-sd15", "realisticVision_v51.safetensors [15012c538f]", False),
        ("studio-sd15", None, False),
    ],
)
def test_a_checkpoint_whose_name_speaks_against_the_preset_is_doubted(
    preset: str, loaded: str | None, doubtful: bool
) -> None:
    caps = Capabilities(Flavour.A1111, loaded_checkpoint=loaded)
    doubt = checkpoint_doubt(load_preset(preset), caps)
    assert (doubt is not None) == doubtful
    if doubt:
        assert loaded is not None
        assert loaded in doubt
        assert "--set checkpoint=" in doubt
