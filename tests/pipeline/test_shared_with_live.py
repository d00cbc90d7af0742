"""The client on the sandbox, over real HTTP: the checks that a real WebUI must pass, too, and one whole
portrait."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdwebui_client import ADetailer, ControlNet, UltimateSDUpscale, WebUI
from sdwebui_client.sandbox import SandboxServer, SandboxSettings
from tests.live.assertions import CHECKS, picture, statuses

FLAVOURS = ("a1111", "forge", "reforge")
LANDMARKS = [[300, 330], [468, 330], [384, 430], [320, 520], [448, 520]]


def write_lora(folder: Path, name: str) -> None:
    """A sandbox LoRA: a plain oval in place of a face."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[0:768, 0:768]
    mask = ((((x - 384) / 220.0) ** 2 + ((y - 420) / 300.0) ** 2) < 1).astype(np.uint8) * 255
    reference = np.full((768, 768, 3), 90, np.uint8)
    reference[mask > 0] = (205, 160, 140)
    metadata = {
        "ss_output_name": name,
        "ss_base_model_version": "sd_v1",
        "ss_network_module": "networks.lora",
        "ss_network_dim": "32",
        "ss_network_alpha": "16",
        "ss_tag_frequency": json.dumps({"10_ohwx person": {"ohwx person": 10}}),
        "sandbox": "true",
        "sandbox_format": "1",
        "sandbox_note": "SANDBOX stand-in, not a trained LoRA",
        "sandbox_quality": "1.0",
        "sandbox_landmarks": json.dumps(LANDMARKS),
    }
    save_file(
        {"sandbox.reference": reference, "sandbox.mask": mask},
        str(folder / f"{name}.safetensors"),
        metadata=metadata,
    )


@pytest.fixture(scope="module", params=FLAVOURS)
def webui(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebUI]:
    """A client of a sandbox that plays each flavour in turn."""
    models = tmp_path_factory.mktemp(f"models-{request.param}")
    write_lora(models / "Lora", "alice")
    settings = SandboxSettings(flavour=request.param, models_dir=models, seconds_per_step=0.005)
    with SandboxServer(settings) as server, WebUI(server.url) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_sandbox_behaves_as_a_real_webui(webui: WebUI, check: Callable[[WebUI], None]) -> None:
    check(webui)


def test_the_sandbox_is_recognised(webui: WebUI) -> None:
    assert webui.capabilities().sandbox


@pytest.mark.slow
def test_a_portrait_from_text_to_upscale(webui: WebUI) -> None:
    units = [
        ADetailer.face(prompt="detailed face <lora:alice:0.9>", confidence=0.3),
        ADetailer.hand(prompt="a hand"),
        ControlNet.openpose(picture(128, 192), model="control_v11p_sd15_openpose", guidance_end=0.8),
    ]
    first = webui.txt2img(
        prompt="ohwx person <lora:alice:0.8>", steps=2, width=128, height=192, seed=7,
        sampler_name="DPM++ 2M", scheduler="Karras", units=units,
    )  # fmt: skip
    found = statuses(first)
    assert found["lora:alice"] == "ran"
    assert found["ADetailer[0] lora:alice"] == "unverified"
    assert first.verified.missing == ()
    second = webui.img2img(
        prompt="warm", init_images=[first.images[0]], denoising_strength=0.3, steps=2, units=units[:1]
    )
    assert second.images[0].size == (128, 192)
    third = webui.img2img(
        prompt="warm", init_images=[second.images[0]], denoising_strength=0.1, steps=2,
        units=[ControlNet.tile(model="control_v11f1e_sd15_tile", weight=0.6)],
        script=UltimateSDUpscale(upscaler="4x-UltraSharp", scale=2, tile_width=256, tile_height=256),
    )  # fmt: skip
    assert third.images[0].size == (256, 384)
    assert statuses(third)["upscaler 4x-UltraSharp"] == "ran"
