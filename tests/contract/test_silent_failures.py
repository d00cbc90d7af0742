"""Every recorded 200 that did not do what was asked: refused before sending, or caught in the answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sdwebui_client.capabilities import Flavour
from tests.recorded import recordings
from tests.recorded.replay import NotOurs, generations, judge, recorded_caps

OPENPOSE = "ControlNet[0] control_v11p_sd15_openpose [a1f45402]"
EVERYWHERE = ("a1111", "forge", "reforge")


def recorded(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """(flavour, *row) for every server that has the row's case; a case that none has is a mistake."""
    found = [(flavour, *row) for row in rows for flavour in EVERYWHERE if row[0] in recordings(flavour)]
    unknown = {row[0] for row in rows} - {case for _, case, *_ in found}
    assert not unknown, f"recorded nowhere: {sorted(unknown)}"
    return found


# (case, part of the refusal, effect, its status if it had been sent all the same)
REFUSED = [
    ("e01_unknown_sampler", '"NoSuchSampler" is not there', "sampler", "missing"),
    ("e01b_old_style_sampler_name", 'did you mean "DPM++ 2M"', "sampler", "missing"),
    ("e01c_sampler_alias", 'did you mean "Euler a"', "sampler", "missing"),
    ("e01e_sampler_lowercase", 'did you mean "Euler a"', "sampler", "missing"),
    ("e01f_unknown_scheduler", '"NoSuchSched" is not there', "scheduler", "missing"),
    ("p13j_override_checkpoint_missing", '"no_such_model" is not there', "checkpoint", "missing"),
    ("p10d_lora_missing", '"no_such_lora" is not there', "lora:no_such_lora", "missing"),
    ("t05_lora_bad_weight", "is not a number", "lora:randlora", "missing"),
    ("t06_lora_case", 'did you mean "randlora"', "lora:RandLora", "missing"),
    ("t07_lora_ext", 'did you mean "randlora"', "lora:randlora.safetensors", "missing"),
    ("p10h_lora_in_negative", "negative prompt", "lora:randlora", ""),
    ("e08_ad_unknown_model", '"no_such.pt" is not there', "ADetailer[0]", "unverified"),
    ("e08e_ad_model_none", "would do nothing", "ADetailer[0]", "missing"),
    ("e08k_ad_checkpoint_unknown", '"nope" is not there', "ADetailer[0]", "unverified"),
    ("e08l_ad_sampler_unknown", '"Nope" is not there', "ADetailer[0]", "unverified"),
    ("e08n_ad_6_units", "drops all after 4", "ADetailer[4]", "missing"),
    ("e10b_styles_unknown", "style", "styles", "unverified"),
    ("e11_script_args_without_name", "script_args", "sampler", "ran"),
]
UNEXPRESSIBLE = [
    ("e02g_unknown_field", "no_such_field"),
    ("e03c_not_multiple_of_8", "multiple of 8"),
    ("e07d_cn_bad_image", "no PNG, JPEG or WebP"),
    ("e07g_cn_unknown_field", "no_such is no field"),
    ("e07m_cn_image_url", "no base64"),
    ("e08b_ad_invalid_arg_value", "confidence"),
    ("e08c_ad_unknown_arg", "no_such_arg is no field"),
    ("e08d_ad_one_valid_one_invalid", "confidence"),
    ("e08h_ad_unit_without_model", "model"),
]


@pytest.mark.parametrize(("flavour", "name", "words", "effect", "status"), recorded(REFUSED))
def test_a_silent_failure_is_refused_and_would_have_been_caught(
    flavour: str, name: str, words: str, effect: str, status: str
) -> None:
    verdict = judge(flavour, name)
    assert words in verdict.refused
    assert verdict.status(effect) == status


@pytest.mark.parametrize(("flavour", "name", "words"), recorded(UNEXPRESSIBLE))
def test_the_models_do_not_even_take_it(flavour: str, name: str, words: str) -> None:
    verdict = judge(flavour, name)
    assert words in verdict.refused
    assert verdict.effects == ()


@pytest.mark.parametrize(
    "name",
    [
        "p03b_txt2img_adetailer_1unit_nobools",
        "e08f_ad_no_units",
        "e08g_ad_empty_args",
        "e08o_ad_true_missing_skip",
        "e06c_alwayson_empty_dict",
        "e06e_alwayson_is_list",
        "e05m_usdu_seams_type_string",
        "e07h_cn_unit_null",
    ],
)
def test_raw_shapes_that_fail_silently_cannot_be_written(name: str) -> None:
    with pytest.raises(NotOurs):
        judge("a1111", name)


A1111_CONTROLNET = [
    ("p05_txt2img_controlnet_openpose", OPENPOSE, "ran"),
    ("p05b_txt2img_controlnet_no_detected_map", OPENPOSE, "unverified"),
    ("p05c_txt2img_controlnet_canny", "ControlNet[0] control_v11p_sd15_canny [d01164b4]", "ran"),
    ("p05d_txt2img_controlnet_enabled_omitted", OPENPOSE, "missing"),
    ("p05h_txt2img_controlnet_2units", "ControlNet[1] control_v11f1e_sd15_tile [4646ee89]", "ran"),
    ("p05j_txt2img_controlnet_model_with_hash", OPENPOSE, "ran"),
    ("p05k_txt2img_controlnet_wrong_hash", "ControlNet[0]", "missing"),
    ("p05l_txt2img_controlnet_no_image", OPENPOSE, "missing"),
    ("e07_cn_unknown_model", "ControlNet[0] no_such_cn", "missing"),
    ("e07j_cn_partial_name", OPENPOSE, "ran"),
    ("e07k_cn_upper_name", OPENPOSE, "ran"),
    ("e07n_cn_model_with_extension", "ControlNet[0]", "missing"),
    ("p11d_batch2_controlnet", OPENPOSE, "ran"),
    ("p18k_txt2img_cn_openpose_module_weights_missing", OPENPOSE, "missing"),
    ("q02b_save_images_true_batch2_controlnet_grid", OPENPOSE, "ran"),
    ("q04_img2img_cn_no_image", "ControlNet[0]", "ran"),
    ("p09_img2img_tile_usdu_lanczos", "ControlNet[0]", "unverified"),
]


@pytest.mark.parametrize(("name", "effect", "status"), A1111_CONTROLNET)
def test_a_detected_map_proves_controlnet_on_a1111(name: str, effect: str, status: str) -> None:
    assert judge("a1111", name).status(effect) == status


FORGE_CONTROLNET = [
    # A1111's spelling: nothing was applied, and no map came.
    ("p05_txt2img_controlnet_openpose", "missing"),
    ("pf05_txt2img_controlnet_openpose", "unverified"),
    ("pf05b_no_detected_map", "unverified"),
    # These three came back with a map although the picture was a plain one: a map proves nothing.
    ("pf05k_wrong_hash", "unverified"),
    ("pf05k2_no_hash", "unverified"),
    ("pf05k3_module_lower_none", "missing"),
    ("pf05l_no_image", "missing"),
    ("pf05x_preprocessor_weights_missing", "missing"),
    ("pf09_img2img_tile_usdu", "unverified"),
]


@pytest.mark.parametrize(("name", "status"), FORGE_CONTROLNET)
def test_a_map_never_proves_controlnet_on_forge(name: str, status: str) -> None:
    assert judge("forge", name).status("ControlNet[0]") == status


@pytest.mark.parametrize("flavour", ["forge", "reforge"])
def test_forges_give_no_proof_of_controlnet(flavour: str) -> None:
    for name in generations(flavour):
        try:
            verdict = judge(flavour, name)
        except NotOurs:
            continue
        for effect in verdict.effects:
            assert not (effect.name.startswith("ControlNet") and effect.status == "ran"), name


@pytest.mark.parametrize("flavour", EVERYWHERE)
def test_the_client_sends_what_this_flavour_applies(flavour: str) -> None:
    # The same wish, "openpose without a preprocessor", in each server's own spelling.
    from sdwebui_client.images import EncodedImage
    from sdwebui_client.units import ControlNet
    from tests.recorded.replay import fake_png

    unit = ControlNet.openpose(EncodedImage(fake_png(64, 64)), model="control_v11p_sd15_openpose")
    sent = unit.render(recorded_caps(flavour))
    case = (
        "p05j_txt2img_controlnet_model_with_hash"
        if flavour == "a1111"
        else "pf05_txt2img_controlnet_openpose"
    )
    applied = recordings(flavour)[case].request_json["alwayson_scripts"]["ControlNet"]["args"][0]
    assert {key: value for key, value in sent.items() if key != "image"} == {
        key: value for key, value in applied.items() if key != "image"
    }


ADETAILER = [
    ("p03_txt2img_adetailer_1unit", {"ADetailer[0] face_yolov8n.pt": "unverified"}),
    (
        "p04_txt2img_adetailer_2units",
        {"ADetailer[0] face_yolov8n.pt": "unverified", "ADetailer[1] hand_yolov8n.pt": "unverified"},
    ),
    ("p04b_txt2img_adetailer_nothing_detected", {"ADetailer[0] hand_yolov8n.pt": "unverified"}),
    ("p08_img2img_adetailer_mediapipe_face", {"ADetailer[0] mediapipe_face_full": "unverified"}),
]


@pytest.mark.parametrize("flavour", EVERYWHERE)
@pytest.mark.parametrize(("name", "effects"), ADETAILER)
def test_adetailer_says_that_it_was_accepted_not_that_it_found_something(
    flavour: str, name: str, effects: dict[str, str]
) -> None:
    verdict = judge(flavour, name)
    assert verdict.refused == ""
    for effect, status in effects.items():
        assert verdict.status(effect) == status


RAN = [
    ("p10b_lora_08", "lora:randlora"),
    ("p10e_lora_by_filename_vs_alias", "lora:facelora"),
    ("p10f_lora_by_alias", "lora:ohwx_woman_v2"),
    ("p10g_lora_twice_two", "lora:facelora"),
    ("t04_lora_bad_syntax", "lora:randlora"),
    ("t08_lora_te_unet", "lora:randlora"),
    ("p13h_override_checkpoint_ok", "checkpoint"),
    ("p13m_override_clip_skip", "CLIP skip"),
    ("p09_img2img_tile_usdu_lanczos", "upscale"),
    ("p09b_img2img_tile_usdu_esrgan", "upscaler 4x-UltraSharp"),
    ("p09c_usdu_target_from_settings", "upscale"),
    ("p09d_usdu_custom_size", "upscale"),
    ("e01g_scheduler_name_lower", "scheduler"),
    ("e01h_scheduler_label", "scheduler"),
]


@pytest.mark.parametrize(("flavour", "name", "effect"), recorded(RAN))
def test_what_worked_is_verified(flavour: str, name: str, effect: str) -> None:
    verdict = judge(flavour, name)
    assert verdict.refused == ""
    assert verdict.status(effect) == "ran"


def test_a_retouched_picture_proves_adetailer_by_its_pixels() -> None:
    # The whole pictures of this case are recorded.
    case = "full/p08b_img2img_adetailer_skip_img2img_mediapipe"
    verdict = judge("a1111", case)
    assert verdict.status("ADetailer[0] mediapipe_face_full") == "ran"
    assert verdict.result is not None
    assert (verdict.result.info.width, verdict.result.images[0].size) == (128, (256, 256))


def test_an_interrupted_batch_is_caught_by_its_count() -> None:
    verdict = judge("a1111", "j03_interrupted_niter3")
    assert verdict.status("pictures") == "missing"
    assert verdict.result is not None
    assert len(verdict.result.images) == 1


def test_omitted_img2img_size_would_have_given_512() -> None:
    # The client sends the init image's size instead, so the recorded 512x512 counts as not done.
    verdict = judge("a1111", "p07c_img2img_size_omitted")
    assert verdict.result is not None
    assert (verdict.result.request["width"], verdict.result.request["height"]) == (256, 256)
    assert verdict.status("size") == "missing"


VAE = [
    ("a1111", "p13l_override_vae", "", "VAE tinyvae.safetensors", "ran"),
    (
        "a1111",
        "p13n_override_vae_missing",
        '"nope.safetensors" is not there',
        "VAE nope.safetensors",
        "missing",
    ),
    ("reforge", "g03_ov_sd_vae", "", "VAE tinyvae.safetensors", "ran"),
    ("forge", "g03_ov_sd_vae", "forge_additional_modules", "VAE tinyvae.safetensors", "missing"),
    ("forge", "g03_ov_forge_modules_name", "", "module tinyvae.safetensors", "ran"),
    ("forge", "g03_ov_forge_modules_path", "", "module tinyvae.safetensors", "ran"),
    ("forge", "g03_ov_forge_modules_missing", "is not there", "module nope.safetensors", "missing"),
]


@pytest.mark.parametrize(("flavour", "name", "words", "effect", "status"), VAE)
def test_the_vae_by_flavour(flavour: str, name: str, words: str, effect: str, status: str) -> None:
    verdict = judge(flavour, name)
    assert (words in verdict.refused) if words else verdict.refused == ""
    assert verdict.status(effect) == status


@pytest.mark.parametrize("flavour", EVERYWHERE)
def test_sticky_settings_are_refused(flavour: str) -> None:
    verdict = judge(flavour, "p19a_override_leak_1")
    assert "samples_format" in verdict.refused
    assert verdict.status("override_settings.eta_noise_seed_delta") == "unverified"


def test_forge_ignores_adetailers_own_controlnet_so_it_is_refused() -> None:
    assert "Forge ignores it" in judge("forge", "g02_ad_cn_exact").refused
    assert judge("reforge", "g02_ad_cn_exact").refused == ""
    assert judge("a1111", "e08j_ad_controlnet_ok").refused == ""


def test_reforge_ignores_control_mode_so_it_is_refused() -> None:
    assert "reForge ignores it" in judge("reforge", "pf05n2_control_mode_string").refused
    assert judge("forge", "pf05n2_control_mode_string").refused == ""


@pytest.mark.parametrize("flavour", EVERYWHERE)
def test_every_recorded_answer_can_be_taken_apart(flavour: str) -> None:
    names = generations(flavour)
    assert len(names) > 90
    for name in names:
        try:
            verdict = judge(flavour, name)
        except NotOurs:
            continue
        if verdict.result is None:
            continue
        start, count = verdict.result.info.index_of_first_image, len(verdict.result.images)
        assert count + len(verdict.result.detected_maps) + start == len(
            recordings(flavour)[name].body["images"]
        ), name


@pytest.mark.parametrize("flavour", EVERYWHERE)
def test_a_request_that_worked_is_never_refused(flavour: str) -> None:
    plain = [
        n
        for n in generations(flavour)
        if n.startswith(("p01", "p03_", "p04_", "p06", "p07_", "p08_", "p11a", "p11c"))
    ]
    assert len(plain) >= 8
    for name in plain:
        assert judge(flavour, name).refused == "", name


def test_saved_pictures_of_forge_stay_rgba() -> None:
    verdict = judge("forge", "g04_save_images")
    assert verdict.result is not None
    assert verdict.result.images[0].open().mode == "RGBA"
    assert recorded_caps("forge").flavour is Flavour.FORGE


@pytest.mark.parametrize("flavour", EVERYWHERE)
def test_a_grid_is_not_a_picture(flavour: str) -> None:
    verdict = (
        judge(flavour, "q02a_save_images_true_batch2_grid")
        if flavour != "reforge"
        else judge(flavour, "pf11f_batch2_save_images_controlnet")
    )
    assert verdict.result is not None
    assert [picture.size for picture in verdict.result.images] == [(128, 128), (128, 128)]
