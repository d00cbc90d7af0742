"""The SD.Next adapter against SD.Next's own recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sdwebui_client._interpret import interpret
from sdwebui_client._prepare import Prepared, prepare
from sdwebui_client.errors import CapabilityMissing, EffectMissing, ServerError
from sdwebui_client.images import EncodedImage
from sdwebui_client.types import Img2ImgRequest, Txt2ImgRequest
from sdwebui_client.types.result import GenerationResult
from sdwebui_client.units import ADetailer, AlwaysOnScript, ControlNet, UltimateSDUpscale
from tests.recorded import recordings
from tests.recorded.replay import fake_png, recorded_caps, revive

CAPS = recorded_caps("sdnext")
SKELETON = EncodedImage(fake_png(128, 128, salt=3))
POSE = ControlNet.openpose(SKELETON, model="control_v11p_sd15_openpose")
BASE: dict[str, Any] = {
    "prompt": "portrait of a woman, smiling",
    "negative_prompt": "lowres, blurry",
    "steps": 2,
    "width": 128,
    "height": 128,
    "seed": 1234,
    "sampler_name": "Euler a",
    "cfg_scale": 7,
}
FACE = ADetailer.face(
    prompt="detailed face",
    negative_prompt="ugly",
    denoising_strength=0.5,
    steps=4,
    width=128,
    height=128,
    confidence=0.3,
    inpaint_padding=8,
    mask_blur=4,
)


def txt2img(units: Sequence[Any] = (), script: Any = None, **fields: Any) -> Prepared:
    return prepare("txt2img", Txt2ImgRequest(**{**BASE, **fields}), units, script, CAPS)


def refusal(units: Sequence[Any] = (), script: Any = None, **fields: Any) -> str:
    with pytest.raises(CapabilityMissing) as caught:
        txt2img(units, script, **fields)
    return str(caught.value)


def answer(case: str) -> Any:
    return revive(recordings("sdnext")[case].body)


def read(prepared: Prepared, case: str) -> GenerationResult:
    return interpret(prepared, answer(case), CAPS, task_id="", elapsed_s=1.0)


def statuses(result: GenerationResult) -> dict[str, str]:
    return {effect.name: effect.status for effect in result.verified.effects}


def test_everything_in_one_request_is_the_recorded_one() -> None:
    prompt = "portrait of a woman <lora:randlora:0.8>"
    prepared = txt2img([FACE, POSE], prompt=prompt)
    assert prepared.path == "/sdapi/v1/control"
    recorded = dict(recordings("sdnext")["c06_all_lora_cn_detailer"].request_json)
    sent = {**prepared.payload, "control": [{**prepared.payload["control"][0], "override": None}]}
    recorded["control"] = [{**recorded["control"][0], "override": None}]
    assert sent == recorded
    result = read(prepared, "c06_all_lora_cn_detailer")
    assert statuses(result) == {
        "pictures": "ran",
        "size": "ran",
        "format": "ran",
        "sampler": "ran",
        "lora:randlora": "ran",
        "ADetailer[0] face_yolov8n": "unverified",
        "ControlNet[0] control_v11p_sd15_openpose": "ran",
    }
    assert (result.info.seed, result.info.sd_model_name, result.info.width) == (1234, "tinyA", 128)
    assert len(result.detected_maps) == 1


def test_a_unit_is_never_sent_without_its_picture() -> None:
    assert "reuses the picture of the request before" in refusal(
        [ControlNet(model="control_v11p_sd15_openpose")]
    )


@pytest.mark.parametrize("case", ["c03_unknown_model", "c03c_model_none", "c03d_bad_unit_type"])
def test_a_control_unit_that_left_no_trace_is_missing(case: str) -> None:
    with pytest.raises(EffectMissing, match=r"ControlNet\[0\]"):
        read(txt2img([POSE]), case)


def test_a_preprocessor_leaves_no_sign() -> None:
    unit = ControlNet.canny(SKELETON, model="control_v11p_sd15_canny")
    result = read(txt2img([unit]), "c04_canny_process_override")
    assert statuses(result)["ControlNet[0] control_v11p_sd15_canny"] == "unverified"


@pytest.mark.parametrize("case", ["c21b_euler_cn_after"])
def test_a_sampler_left_behind_by_a_bad_request_is_caught(case: str) -> None:
    with pytest.raises(EffectMissing, match="sampler"):
        read(txt2img([POSE], prompt="x"), case)


def test_tiles_are_refused_with_the_reason() -> None:
    assert "without any picture" in refusal(
        [ControlNet.tile(SKELETON, model="control_v11f1e_sd15_tile", module="none")]
    )
    init = [EncodedImage(fake_png(128, 128))]
    with pytest.raises(CapabilityMissing, match="plain picture") as caught:
        prepare("img2img", Img2ImgRequest(init_images=init), [], UltimateSDUpscale(upscaler="None"), CAPS)
    assert "A1111" in caught.value.hint.upper() or "AUTOMATIC1111" in caught.value.hint


@pytest.mark.parametrize("case", ["e03b_width_negative", "p13d3_after"])
def test_200_without_a_picture_is_a_server_error(case: str) -> None:
    with pytest.raises(ServerError, match="without any picture"):
        read(txt2img(), case)


def test_control_without_a_picture_is_a_server_error() -> None:
    with pytest.raises(ServerError, match="without any picture") as caught:
        read(txt2img([POSE]), "j06_interrupted_control_cn")
    assert "Ready" in caught.value.server_text


@pytest.mark.parametrize(
    ("case", "prompt", "name"),
    [
        ("p10b_lora_08", "portrait <lora:randlora:0.8>", "lora:randlora"),
        ("p10g_lora_twice_two", "portrait <lora:randlora:0.5> <lora:facelora:0.5>", "lora:facelora"),
    ],
)
def test_a_lora_is_proved_by_the_list_of_networks(case: str, prompt: str, name: str) -> None:
    assert statuses(read(txt2img(prompt=prompt), case))[name] == "ran"


def test_a_lora_that_was_not_found_is_caught() -> None:
    with pytest.raises(EffectMissing, match="lora:randlora"):
        read(txt2img(prompt="portrait <lora:randlora:1>"), "p10d_lora_missing")


def test_a_lora_alias_is_refused_here() -> None:
    assert "file name only" in refusal(prompt="x <lora:ohwx_woman_v2:1>")


def test_loras_in_a_detailers_prompt_are_refused() -> None:
    assert "no effect" in refusal([ADetailer.face(prompt="face <lora:randlora:1>")])


def test_the_detailer_loses_its_file_ending_with_which_it_finds_nothing() -> None:
    prepared = txt2img([ADetailer.face()], width=192, height=192)
    assert prepared.path == "/sdapi/v1/txt2img"
    assert prepared.payload["detailer_models"] == ["face_yolov8n"]
    assert (
        statuses(read(prepared, "p03s_txt2img_detailer_native"))["ADetailer[0] face_yolov8n"] == "unverified"
    )
    assert '"no_such" is not there' in refusal([ADetailer.any("no_such.pt")]).replace(".pt", "")


def test_two_detectors_share_what_they_must_and_keep_their_strength() -> None:
    units = [
        ADetailer.face(prompt="detailed face", denoising_strength=0.3),
        ADetailer.hand(prompt="detailed hand", denoising_strength=0.4),
    ]
    payload = txt2img(units).payload
    assert payload["detailer_prompt"] == "detailed face\ndetailed hand"
    assert payload["detailer_models"] == [
        "face_yolov8n:denoising_strength=0.3",
        "hand_yolov8n:denoising_strength=0.4",
    ]
    assert "the units disagree" in refusal([units[0], ADetailer.hand(confidence=0.9)])


def test_what_the_detailer_does_not_know_is_refused() -> None:
    assert "x_offset" in refusal([ADetailer.face(x_offset=5)])


def test_karras_goes_by_another_field() -> None:
    prepared = txt2img(sampler_name="DPM++ 2M", scheduler="Karras", steps=1)
    assert "scheduler" not in prepared.payload
    assert prepared.payload["schedulers_sigma"] == "karras"
    assert statuses(read(prepared, "e01j_schedulers_sigma_karras"))["scheduler"] == "ran"
    with pytest.raises(EffectMissing, match="scheduler"):
        read(prepared, "e01h_scheduler_label")
    assert "Exponential" in refusal(scheduler="Exponential")


def test_a_checkpoint_goes_by_its_title_only() -> None:
    settings = {"sd_model_checkpoint": "Diffusers/tinyB"}
    assert (
        statuses(read(txt2img(override_settings=settings), "p13h_override_checkpoint_ok"))["checkpoint"]
        == "ran"
    )
    with pytest.raises(EffectMissing, match="checkpoint"):
        read(txt2img(override_settings=settings), "p13j_override_checkpoint_missing")
    assert 'did you mean "Diffusers/tinyB"' in refusal(override_settings={"sd_model_checkpoint": "tinyB"})
    assert "ignores it" in refusal(override_settings={"CLIP_stop_at_last_layers": 2})


def test_jpeg_is_stated() -> None:
    result = read(txt2img(steps=1), "e01l_after")
    effect = next(effect for effect in result.verified.effects if effect.name == "format")
    assert effect.status == "unverified"
    assert "samples_format" in effect.evidence


def test_an_interrupted_job_is_caught_by_its_size() -> None:
    with pytest.raises(EffectMissing, match="512x512"):
        read(txt2img(width=192, height=192, steps=60), "j02_interrupted_txt2img")


def test_img2img_keeps_the_pictures_own_size() -> None:
    init = [EncodedImage(fake_png(128, 128))]
    fields = {key: value for key, value in BASE.items() if key not in ("width", "height")}
    prepared = prepare(
        "img2img", Img2ImgRequest(**fields, init_images=init, denoising_strength=0.5), [], None, CAPS
    )
    assert (prepared.payload["width"], prepared.payload["height"]) == (128, 128)
    assert statuses(read(prepared, "p07_img2img_plain"))["size"] == "ran"
    with pytest.raises(CapabilityMissing, match="keeps the init image"):
        prepare("img2img", Img2ImgRequest(init_images=init, width=256), [], None, CAPS)


def test_img2img_with_controlnet_takes_the_picture_as_init_control() -> None:
    init = EncodedImage(fake_png(128, 128))
    request = Img2ImgRequest(prompt="x", init_images=[init], denoising_strength=0.5, sampler_name="Euler a")
    prepared = prepare("img2img", request, [POSE], None, CAPS)
    assert prepared.payload["init_control"] == [init]
    assert prepared.payload["input_type"] == 2
    assert prepared.payload["width_before"] == 128
    assert (
        statuses(read(prepared, "c07_init_control_img2img_cn"))["ControlNet[0] control_v11p_sd15_openpose"]
        == "ran"
    )


def test_fields_that_sdnext_does_not_have_are_refused() -> None:
    assert "restore_faces" in refusal(restore_faces=True)
    assert "enable_hr" in refusal(enable_hr=True, denoising_strength=0.5)
    assert "together with ControlNet" in refusal([POSE], eta=0.5)


def test_other_scripts_are_refused() -> None:
    assert "422" in refusal([AlwaysOnScript(name="Hypertile")])
    assert "plain picture" in refusal(script_name="x/y/z plot")


def test_neutral_values_are_sent_because_sdnext_has_others() -> None:
    payload = prepare("txt2img", Txt2ImgRequest(prompt="x"), [], None, CAPS).payload
    assert payload == {"prompt": "x", "steps": 50, "cfg_scale": 7.0, "width": 512, "height": 512}


def test_batches_under_another_name() -> None:
    prepared = txt2img([POSE], n_iter=2)
    assert prepared.payload["batch_count"] == 2
    assert "n_iter" not in prepared.payload
    assert len(read(prepared, "c08b_batch_count2").images) == 2
