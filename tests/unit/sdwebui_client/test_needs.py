"""A plan checked against a server before anything is drawn."""

from __future__ import annotations

import dataclasses

import pytest

from sdwebui_client.capabilities import Problem
from sdwebui_client.needs import Needs, check_needs
from tests.recorded.replay import recorded_caps

A1111 = recorded_caps("a1111")
POSE = "control_v11p_sd15_openpose [a1f45402]"
ALL = Needs(
    samplers=["DPM++ 2M"],
    schedulers=["Karras"],
    upscalers=["4x-UltraSharp"],
    checkpoint="tinyA",
    loras=["randlora"],
    txt2img_scripts=["ADetailer", "ControlNet"],
    controlnet_models=["control_v11p_sd15_openpose", "control_v11f1e_sd15_tile"],
    controlnet_modules=["none", "tile_resample"],
    controlnet_units=1,
    adetailer_models=["face_yolov8n.pt", "hand_yolov8n.pt"],
    adetailer_units=2,
    tile_upscale=True,
    sizes=[(512, 768)],
)


@pytest.mark.parametrize("flavour", ["a1111", "forge", "reforge"])
def test_nothing_is_missing_where_all_is_there(flavour: str) -> None:
    assert check_needs(recorded_caps(flavour), ALL) == []
    assert recorded_caps(flavour).missing(ALL) == []


@pytest.mark.parametrize(
    ("needs", "what", "near", "fix"),
    [
        (Needs(samplers=["euler a"]), "sampler", "Euler a", ""),
        (Needs(schedulers=["karas"]), "scheduler", "Karras", ""),
        (Needs(upscalers=["4x_UltraSharp"]), "upscaler", "4x-UltraSharp", ""),
        (Needs(checkpoint="TINYB"), "checkpoint", "tinyB.safetensors", ""),
        (Needs(checkpoint="dreamshaper"), "checkpoint", "", "models/Stable-diffusion"),
        (Needs(vae="tinyvae"), "VAE", "tinyvae.safetensors", ""),
        (Needs(loras=["RandLora"]), "lora RandLora", "randlora", ""),
        (Needs(styles=["studio"]), "style", "", ""),
        (Needs(img2img_scripts=["ultimate upscale"]), "script", "ultimate sd upscale", ""),
        (Needs(controlnet_models=["control_v11p_sd15_opnpose"]), "ControlNet model", POSE, ""),
        (Needs(controlnet_modules=["tile_resampel"]), "ControlNet module", "tile_resample", ""),
        (Needs(controlnet_units=4), "ControlNet units", "", "settings"),
        (Needs(adetailer_models=["face_yolov8s.pt"]), "ADetailer model", "face_yolov8n.pt", ""),
        (Needs(adetailer_units=5), "ADetailer units", "", "ad_max_models"),
        (Needs(sizes=[(515, 768)]), "width", "512", ""),
        (Needs(sizes=[(512, 100000)]), "height", "", ""),
    ],
)
def test_each_thing_that_is_missing(needs: Needs, what: str, near: str, fix: str) -> None:
    (problem,) = check_needs(A1111, needs)
    assert problem.what == what
    assert near in problem.near if near else True
    assert fix in problem.fix


def test_what_to_install_is_named() -> None:
    bare = dataclasses.replace(
        A1111, controlnet=None, adetailer=None, checkpoints=(), upscalers=("None",), scripts_img2img=()
    )
    text = "\n".join(str(problem) for problem in check_needs(bare, ALL))
    for name in (
        "adetailer (Bing-su)",
        "sd-webui-controlnet (Mikubill)",
        "ultimate-upscale-for-automatic1111 (Coyote-A)",
        "4x-UltraSharp.pth",
        "models/Stable-diffusion",
    ):
        assert name in text


def test_missing_weights_are_named_as_their_authors_do() -> None:
    assert A1111.controlnet is not None
    caps = dataclasses.replace(A1111, controlnet=dataclasses.replace(A1111.controlnet, models=()))
    (problem,) = check_needs(caps, Needs(controlnet_models=["control_v11p_sd15_openpose"]))
    assert "control_v11p_sd15_openpose.pth" in problem.fix


def test_sdnext_cannot_do_the_tile_upscale() -> None:
    problems = check_needs(recorded_caps("sdnext"), Needs(tile_upscale=True))
    assert [problem.what for problem in problems] == ["tile upscale"]
    assert isinstance(problems[0], Problem)


def test_a_starting_server_says_so_instead_of_asking_to_install() -> None:
    caps = dataclasses.replace(A1111, adetailer=None, still_starting=("ADetailer",))
    (problem,) = check_needs(caps, Needs(adetailer_units=1))
    assert "still starting" in str(problem)
    assert "install" not in str(problem)
    # What needs none of it can go on.
    assert check_needs(caps, Needs(samplers=["Euler a"])) == []
