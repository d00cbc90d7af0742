"""What the presets name exists upstream: samplers, unit fields, modules, upscalers, trainer flags."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stages.presets import Preset, load_preset
from stages.presets._files import built_in_names
from stages.presets.stage_params import Sampling, UpscaleParams
from stages.presets.units import ADetailerUnitParams, ControlNetParams
from tests.recorded import openapi, recordings

FLAVOURS = ("a1111", "forge", "reforge")
PRESETS = built_in_names()

# Preset field -> ADetailer's own (25.3.0), None = sent as a switch with its value.
ADETAILER_FIELDS = {
    "model": "ad_model",
    "prompt": "ad_prompt",
    "negative_prompt": "ad_negative_prompt",
    "denoising_strength": "ad_denoising_strength",
    "confidence": "ad_confidence",
    "mask_blur": "ad_mask_blur",
    "inpaint_padding": "ad_inpaint_only_masked_padding",
    "dilate_erode": "ad_dilate_erode",
    "mask_min_ratio": "ad_mask_min_ratio",
    "mask_max_ratio": "ad_mask_max_ratio",
    "mask_k": "ad_mask_k",
    "inpaint_width": "ad_inpaint_width",
    "inpaint_height": "ad_inpaint_height",
    "steps": "ad_steps",
    "cfg_scale": "ad_cfg_scale",
}


def drawing(preset: Preset) -> list[Sampling]:
    return [stage for stage in preset.stages.values() if isinstance(stage, Sampling)]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("name", PRESETS)
def test_samplers_and_schedulers_are_listed(name: str, flavour: str) -> None:
    samplers = {sampler["name"] for sampler in recordings(flavour)["get_samplers"].body}
    schedulers = {scheduler["label"] for scheduler in recordings(flavour)["get_schedulers"].body}
    for stage in drawing(load_preset(name)):
        assert stage.sampler_name in samplers
        assert stage.scheduler in schedulers


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_adetailer_fields_and_ranges(flavour: str) -> None:
    theirs = recordings(flavour)["get_ad_schema"].body["properties"]
    ours = ADetailerUnitParams.model_json_schema()["properties"]
    assert set(ours) == set(ADETAILER_FIELDS)
    for name, upstream in ADETAILER_FIELDS.items():
        assert upstream in theirs, name
        limits = next(
            iter(part for part in ours[name].get("anyOf", [ours[name]]) if part.get("type") != "null")
        )
        if "minimum" in theirs[upstream]:
            assert limits["minimum"] >= theirs[upstream]["minimum"], name
        if "maximum" in theirs[upstream]:
            assert limits["maximum"] <= theirs[upstream]["maximum"], name


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("name", PRESETS)
def test_detectors_upscalers_and_modules_are_listed(name: str, flavour: str) -> None:
    preset = load_preset(name)
    models = recordings(flavour)["get_ad_model"].body["ad_model"]
    modules = recordings(flavour)["get_cn_module_list"].body["module_list"]
    for stage in (preset.txt2img, preset.img2img):
        assert stage is not None
        for unit in (stage.adetailer.face, stage.adetailer.hand) if stage.adetailer else ():
            assert unit is None or unit.model in models
    assert preset.upscale is not None
    assert preset.upscale.upscaler in [
        upscaler["name"] for upscaler in recordings(flavour)["get_upscalers"].body
    ]
    assert preset.upscale.controlnet is not None
    assert preset.upscale.controlnet.module in modules
    # Our "none" is spelt "None" by Forge and reForge; the client translates.
    assert preset.txt2img.controlnet is not None
    assert preset.txt2img.controlnet.module in {module.lower() for module in modules}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_sd15_controlnets_are_what_servers_call_them(flavour: str) -> None:
    listed = [model.split(" [")[0] for model in recordings(flavour)["get_cn_model_list"].body["model_list"]]
    preset = load_preset("studio-sd15")
    assert preset.txt2img.controlnet is not None
    assert preset.txt2img.controlnet.model in listed
    assert preset.upscale is not None
    assert preset.upscale.controlnet is not None
    assert preset.upscale.controlnet.model in listed


def test_controlnet_fields_exist() -> None:
    script = next(s for s in recordings("a1111")["get_script_info"].body if s["name"] == "controlnet")
    unit: dict[str, Any] = script["args"][0]["value"]
    assert set(ControlNetParams.model_fields) <= set(unit)


def test_upscale_ranges_are_those_of_the_script() -> None:
    script = next(
        s for s in recordings("a1111")["get_script_info"].body if s["name"] == "ultimate sd upscale"
    )
    theirs = script["args"]
    ours = UpscaleParams.model_json_schema()["properties"]
    # Position of each argument in the script: facts recorded from script-info.
    positions = {
        "tile_width": 1,
        "tile_height": 2,
        "mask_blur": 3,
        "padding": 4,
        "seams_fix_width": 5,
        "seams_fix_denoise": 6,
        "seams_fix_padding": 7,
        "seams_fix_mask_blur": 12,
        "scale": 17,
    }
    for name, position in positions.items():
        assert ours[name]["minimum"] >= theirs[position]["minimum"], name
        assert ours[name]["maximum"] <= theirs[position]["maximum"], name
    assert len(ours["redraw_mode"]["enum"]) == len(theirs[10]["choices"])
    assert len(ours["seams_fix"]["enum"]) == len(theirs[13]["choices"])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_request_fields_exist(flavour: str) -> None:
    schemas = openapi(flavour)["components"]["schemas"]
    for kind, extra in (("txt2img", set()), ("img2img", {"denoising_strength"})):
        request = next(
            schema
            for name, schema in schemas.items()
            if kind in name.lower() and "negative_prompt" in schema.get("properties", {})
        )["properties"]
        assert set(Sampling.model_fields) | {"width", "height"} | extra <= set(request)


def test_training_settings_are_the_trainers_arguments() -> None:
    path = Path(__file__).parents[1] / "recorded" / "arguments.json.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    json.loads(text)
    for name in (
        "network_dim",
        "network_alpha",
        "unet_lr",
        "text_encoder_lr",
        "resolution",
        "max_train_steps",
    ):
        assert f'"--{name}"' in text or f'"{name}"' in text, name
