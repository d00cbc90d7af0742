"""The client most people use, webuiapi 0.9.17, works against the sandbox without knowing that it is one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdwebui_client.sandbox import SandboxServer, SandboxSettings

with warnings.catch_warnings():
    # Its source has escapes that newer Pythons warn about.
    warnings.simplefilter("ignore")
    webuiapi = pytest.importorskip("webuiapi")


@pytest.fixture(scope="module", params=["a1111", "forge", "reforge"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SandboxServer]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    with SandboxServer(
        SandboxSettings(flavour=request.param, models_dir=folder, seconds_per_step=0.0)
    ) as server:
        yield server


@pytest.fixture
def api(server: SandboxServer) -> Iterator[Any]:
    host, port = server.url.removeprefix("http://").split(":")
    made = webuiapi.WebUIApi(host=host, port=int(port))
    yield made
    made.session.close()


def _picture(width: int = 128, height: int = 192) -> Image.Image:
    return Image.linear_gradient("L").convert("RGB").resize((width, height))


def test_txt2img(api: Any) -> None:
    result = api.txt2img(prompt="a woman", seed=7, steps=3, width=128, height=192, sampler_name="Euler a")
    assert result.image.size == (128, 192)
    assert result.info["seed"] == 7
    assert result.info["sampler_name"] == "Euler a"


def test_img2img(api: Any) -> None:
    result = api.img2img(images=[_picture()], prompt="a woman", steps=3, width=128, height=192, seed=7)
    assert result.image.size == (128, 192)
    assert result.info["extra_generation_params"]["Denoising strength"] == 0.75


def test_extras(api: Any) -> None:
    result = api.extra_single_image(_picture(), upscaler_1="Lanczos", upscaling_resize=2)
    assert result.image.size == (256, 384)
    batch = api.extra_batch_images([_picture(), _picture()], upscaler_1="Nearest", upscaling_resize=1.5)
    assert [image.size for image in batch.images] == [(192, 288)] * 2


def test_png_info_reads_what_txt2img_wrote(api: Any) -> None:
    made = api.txt2img(prompt="a woman, smiling", seed=8, steps=3, width=128, height=128)
    result = api.png_info(made.image)
    assert "Seed: 8" in result.info
    assert result.parameters["Prompt"] == "a woman, smiling"
    assert result.parameters["Size-1"] == "128"


def test_options(api: Any) -> None:
    api.set_options({"samples_format": "jpg"})
    assert api.get_options()["samples_format"] == "jpg"
    assert api.txt2img(prompt="x", steps=1, width=64, height=64).image.format == "JPEG"
    api.set_options({"samples_format": "png"})


def test_catalogues(api: Any, server: SandboxServer) -> None:
    assert "Euler a" in {item["name"] for item in api.get_samplers()}
    assert {item["model_name"] for item in api.get_sd_models()} == {"sandbox_sd15", "sandbox_sdxl"}
    assert api.get_progress()["progress"] == 0.0
    if server.settings.flavour == "a1111":
        assert api.controlnet_version() == 3
    assert any("openpose" in name for name in api.controlnet_model_list())
    assert "canny" in api.controlnet_module_list()


def test_controlnet(api: Any, server: SandboxServer) -> None:
    model = next(name for name in api.controlnet_model_list() if "canny" in name)
    unit = webuiapi.ControlNetUnit(image=_picture(), module="canny", model=model)
    result = api.txt2img(prompt="x", steps=2, width=128, height=192, controlnet_units=[unit])
    maps = 0 if server.settings.flavour == "reforge" else 1
    assert len(result.images) == 1 + maps
    assert f"Model: {model}" in result.info["extra_generation_params"]["ControlNet 0"]


def test_its_detect_call_is_refused(api: Any) -> None:
    """webuiapi sends the pictures under a name the extension does not read."""
    with pytest.raises(RuntimeError, match="No image selected"):
        api.controlnet_detect(images=[_picture()], module="canny")


def test_its_adetailer_call_runs_another_detector(api: Any) -> None:
    """webuiapi sends a key the extension does not know, and one boolean: the default unit runs instead."""
    unit = webuiapi.ADetailer(ad_model="face_yolov8n.pt")
    result = api.txt2img(prompt="x", steps=2, width=64, height=64, adetailer=[unit], controlnet_units=[])
    models = {v for k, v in result.info["extra_generation_params"].items() if k.startswith("ADetailer model")}
    assert models == {"mediapipe_face_full"}
