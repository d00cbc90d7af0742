"""Requests turned into payloads: golden ones, adapted ones, refused ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sdwebui_client._prepare import Prepared, prepare
from sdwebui_client.capabilities import Capabilities
from sdwebui_client.errors import CapabilityMissing
from sdwebui_client.images import EncodedImage
from sdwebui_client.types import Img2ImgRequest, Txt2ImgRequest
from sdwebui_client.units import ADetailer, AlwaysOnScript, ControlNet, UltimateSDUpscale
from tests.recorded import recordings
from tests.recorded.replay import asked, fake_png, recorded_caps

A1111, FORGE, REFORGE = (recorded_caps(name) for name in ("a1111", "forge", "reforge"))
POSE = EncodedImage(fake_png(256, 256))


def txt2img(caps: Capabilities = A1111, units: Any = (), script: Any = None, **fields: Any) -> Prepared:
    return prepare("txt2img", Txt2ImgRequest(**fields), units, script, caps)


def img2img(caps: Capabilities = A1111, units: Any = (), script: Any = None, **fields: Any) -> Prepared:
    return prepare("img2img", Img2ImgRequest(**{"init_images": [POSE], **fields}), units, script, caps)


def refusal(call: Any, *args: Any, **fields: Any) -> str:
    with pytest.raises(CapabilityMissing) as caught:
        call(*args, **fields)
    return str(caught.value)


GOLDEN = ["p01_txt2img_plain", "p03_txt2img_adetailer_1unit", "p07_img2img_plain", "p11c_batch2_niter2"]


@pytest.mark.parametrize("case", GOLDEN)
@pytest.mark.parametrize("flavour", ["a1111", "forge", "reforge"])
def test_a_typed_request_becomes_the_recorded_one(flavour: str, case: str) -> None:
    recorded = recordings(flavour)[case]
    wish = asked(recorded, recorded_caps(flavour))
    sent = prepare(wish.endpoint, wish.request, wish.units, wish.script, recorded_caps(flavour))
    assert sent.path == recorded.path
    hidden = {"init_images": None}
    assert {**sent.payload, **hidden} == {**recorded.request_json, **hidden}


def test_the_whole_recipe_at_once() -> None:
    units = [
        ADetailer.face(prompt="detailed face", negative_prompt="ugly", confidence=0.3, denoising_strength=0.4,
                       inpaint_only_masked=True, inpaint_padding=32),
        ControlNet.openpose(POSE, model="control_v11p_sd15_openpose"),
    ]  # fmt: skip
    payload = txt2img(units=units, prompt="portrait of a woman <lora:randlora:0.8>").payload
    recorded = recordings("a1111")["p06_txt2img_all_lora_ad_cn"].request_json["alwayson_scripts"]
    assert payload["alwayson_scripts"]["ADetailer"] == recorded["ADetailer"]
    (unit,) = payload["alwayson_scripts"]["ControlNet"]["args"]
    assert unit.pop("image") == POSE
    expected = {**recorded["ControlNet"]["args"][0], "model": "control_v11p_sd15_openpose [a1f45402]"}
    expected.pop("image")
    assert unit == expected


def test_adetailer_always_sends_its_two_booleans() -> None:
    payload = txt2img(units=[ADetailer.face(), ADetailer.hand()]).payload
    args = payload["alwayson_scripts"]["ADetailer"]["args"]
    assert args[:2] == [True, False]
    assert [unit["ad_model"] for unit in args[2:]] == ["face_yolov8n.pt", "hand_yolov8n.pt"]
    skip = img2img(units=[ADetailer.face(skip_img2img=True)]).payload["alwayson_scripts"]["ADetailer"]["args"]
    assert skip[:2] == [True, True]


def test_a_setting_of_its_own_sets_its_switch() -> None:
    unit = ADetailer.face(steps=20, sampler_name="Euler a", width=512, height=512).render(A1111)
    assert (unit["ad_use_steps"], unit["ad_steps"]) == (True, 20)
    assert unit["ad_use_sampler"] is True
    assert unit["ad_use_inpaint_width_height"] is True


def test_img2img_takes_the_pictures_size() -> None:
    payload = img2img().payload
    assert (payload["width"], payload["height"]) == (256, 256)
    assert (img2img(width=512).payload["width"], img2img(width=512).payload["height"]) == (512, 256)
    odd = EncodedImage(fake_png(130, 128))
    text = refusal(img2img, init_images=[odd])
    assert 'did you mean "128" or "136"' in text


def test_hires_on_forge_gets_what_it_needs_and_elsewhere_not() -> None:
    fields = {"enable_hr": True, "denoising_strength": 0.5, "hr_upscaler": "Latent"}
    assert txt2img(FORGE, **fields).payload["hr_additional_modules"] == ["Use same choices"]
    assert "hr_additional_modules" not in txt2img(A1111, **fields).payload
    assert "no multiple of 8" in refusal(txt2img, width=512, height=512, hr_scale=1.3, **fields)


def test_the_tile_upscale_makes_one_picture() -> None:
    script = UltimateSDUpscale(upscaler="Lanczos")
    prepared = img2img(script=script)
    assert prepared.payload["script_name"] == "Ultimate SD upscale"
    assert len(prepared.payload["script_args"]) == 18
    assert "one picture only" in refusal(img2img, script=script, n_iter=2)
    assert "img2img only" in refusal(txt2img, script=script)
    assert "every tile" in refusal(img2img, script=script, units=[ADetailer.face()])
    assert "more than 8192" in refusal(
        img2img,
        script=script.model_copy(update={"scale": 16.0}),
        init_images=[EncodedImage(fake_png(1024, 1024))],
    )


def test_the_upscales_size_is_rounded_as_the_script_does() -> None:
    assert UltimateSDUpscale(scale=2).final_sizes((512, 768)) == ((1024, 1536),)
    assert UltimateSDUpscale(scale=1.5).final_sizes((832, 1216)) == ((1280, 1856), (1248, 1824))
    assert UltimateSDUpscale(target="custom", width=640, height=320).final_sizes((8, 8)) == ((640, 320),)
    assert UltimateSDUpscale(target="img2img").final_sizes((8, 8), (384, 512)) == ((384, 512),)


def test_raw_units_and_doubles_are_refused() -> None:
    raw = {"ADetailer": {"args": [{"ad_model": "face_yolov8n.pt"}]}}
    assert "units=[ADetailer(" in refusal(txt2img, alwayson_scripts=raw)
    assert "would ignore it" in refusal(txt2img, alwayson_scripts={"Hypertile": {}})
    both = {"alwayson_scripts": {"Hypertile": {"args": []}}, "units": [AlwaysOnScript(name="Hypertile")]}
    assert "both as a unit" in refusal(txt2img, **both)
    assert "given twice" in refusal(txt2img, units=[AlwaysOnScript(name="Hypertile")] * 2)
    assert "selectable script" in refusal(img2img, units=[AlwaysOnScript(name="Ultimate SD upscale")])
    raw_script = {"script_name": "Ultimate SD upscale", "script_args": [None]}
    assert "script=UltimateSDUpscale" in refusal(img2img, **raw_script)
    assert txt2img(alwayson_scripts={"Hypertile": {"args": [True]}}).payload["alwayson_scripts"]["Hypertile"]


def test_everything_is_reported_at_once() -> None:
    with pytest.raises(CapabilityMissing) as caught:
        txt2img(sampler_name="euler a", scheduler="nope", prompt="<lora:nobody:1>", styles=["none such"])
    assert len(caught.value.problems) == 4


def test_a_missing_extension_is_one_problem_with_its_name() -> None:
    bare = dataclasses.replace(A1111, adetailer=None, controlnet=None)
    with pytest.raises(CapabilityMissing) as caught:
        txt2img(bare, units=[ADetailer.face(), ADetailer.hand(), ControlNet.openpose(POSE)])
    assert [problem.what for problem in caught.value.problems] == ["ADetailer", "ControlNet"]
    assert "Bing-su" in str(caught.value)
    assert "sd-webui-controlnet" in str(caught.value)


def test_a_server_that_is_still_starting() -> None:
    caps = dataclasses.replace(
        A1111, adetailer=None, controlnet=None, loras=(), still_starting=("ControlNet", "ADetailer", "Lora")
    )
    for fields in (
        {"units": [ADetailer.face()]},
        {"units": [ControlNet.openpose(POSE)]},
        {"prompt": "<lora:alice:1>"},
    ):
        assert "still starting" in refusal(txt2img, caps, **fields)
    # What needs none of it is drawn: an old extension without routes must not lock the server.
    assert txt2img(caps, prompt="x").payload == {"prompt": "x"}


def test_fields_the_server_does_not_know_are_refused() -> None:
    assert "no such field" in refusal(txt2img, A1111, distilled_cfg_scale=3.5)
    assert txt2img(FORGE, distilled_cfg_scale=3.5).payload["distilled_cfg_scale"] == 3.5
    assert "answers 500" in refusal(txt2img, FORGE, infotext="Steps: 1")
    assert txt2img(A1111, infotext="Steps: 1").payload


def test_refiner_needs_both_fields() -> None:
    assert "would not run" in refusal(txt2img, refiner_checkpoint="tinyB")
    assert txt2img(refiner_checkpoint="tinyB", refiner_switch_at=0.8).payload
    assert txt2img(refiner_checkpoint="None").payload


def test_skip_img2img_keeps_the_pictures_size() -> None:
    unit = ADetailer.face(skip_img2img=True)
    assert "keeps the picture's own 256x256" in refusal(img2img, units=[unit], width=512)
    assert "img2img only" in refusal(txt2img, units=[unit])
    assert "disagree" in refusal(img2img, units=[unit, ADetailer.hand()])


def test_unit_names_are_looked_up() -> None:
    for fields, words in [
        ({"vae": "nope.pt"}, "vae"),
        ({"scheduler": "Karras"}, "together with a sampler"),
        ({"width": 512}, "one is set without the other"),
        ({"controlnet_module": "tile_resample"}, "does nothing without"),
        ({"prompt": "<lora:nobody:1>"}, "ADetailer[0] lora nobody"),
        ({"negative_prompt": "<lora:randlora:1>"}, "negative prompt"),
    ]:
        assert words in refusal(txt2img, units=[ADetailer.face(**fields)]), fields
    sent = ADetailer.face(checkpoint="tinyB", controlnet_model="control_v11f1e_sd15_tile").render(A1111)
    assert sent["ad_checkpoint"] == "tinyB.safetensors"
    assert sent["ad_controlnet_model"] == "control_v11f1e_sd15_tile [4646ee89]"


def test_an_old_adetailer_is_told() -> None:
    assert A1111.adetailer is not None
    old = dataclasses.replace(A1111.adetailer, fields=A1111.adetailer.fields - {"ad_mask_filter_method"})
    caps = dataclasses.replace(A1111, adetailer=old)
    assert "does not know ad_mask_filter_method" in refusal(
        txt2img, caps, units=[ADetailer.face(mask_filter_method="Confidence")]
    )


def test_controlnet_by_kind_takes_the_only_one() -> None:
    (unit,) = txt2img(units=[ControlNet.openpose(POSE)]).payload["alwayson_scripts"]["ControlNet"]["args"]
    assert unit["model"] == "control_v11p_sd15_openpose [a1f45402]"
    assert 'holds "depth"' in refusal(txt2img, units=[ControlNet.depth(POSE)])


def test_a_batch_of_init_images_is_one_each() -> None:
    assert "2 pictures for a batch of 3" in refusal(img2img, init_images=[POSE, POSE], batch_size=3)
    assert img2img(init_images=[POSE, POSE], batch_size=2).pictures == 2
