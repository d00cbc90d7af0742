"""The IP-Adapter: which is taken, what is missing, and what goes into a request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from sdwebui_client import Capabilities, EncodedImage, Problem
from sdwebui_client.capabilities import CheckpointInfo, ControlNetCaps, Flavour, LoraInfo
from stages.identity import (
    AdapterChoice,
    adapter_loras,
    adapter_params,
    adapter_units,
    choose_ip_adapter,
    face_names,
    shared_ip_adapter,
    uses_lora,
    uses_photos,
)
from stages.lib import img2img, txt2img
from stages.presets import IpAdapterUse, Preset, load_preset
from stages.texts import Texts

A1111 = ("none", "ip-adapter-auto", "ip-adapter_clip_sd15", "ip-adapter_clip_sdxl", "ip-adapter_face_id",
         "ip-adapter_face_id_plus")  # fmt: skip
FORGE = ("None", "InsightFace+CLIP-H (IPAdapter)", "CLIP-ViT-bigG (IPAdapter)", "CLIP-ViT-H (IPAdapter)")
PLUS_FACE = "ip-adapter-plus-face_sd15 [71693645]"
PLUS_V2 = "ip-adapter-faceid-plusv2_sd15"
PICTURE = EncodedImage.from_pil(Image.effect_noise((64, 64), 50))


def caps(
    *models: str,
    flavour: Flavour = Flavour.A1111,
    modules: tuple[str, ...] | None = None,
    loras: tuple[str, ...] = (),
) -> Capabilities:
    known = modules or (A1111 if flavour is Flavour.A1111 else FORGE)
    return Capabilities(
        flavour,
        checkpoints=(CheckpointInfo("model.safetensors [abcdef0123]", "model"),),
        loras=tuple(LoraInfo(name) for name in loras),
        scripts_txt2img=("controlnet",),
        scripts_img2img=("controlnet",),
        controlnet=ControlNetCaps(("control_v11p_sd15_openpose [a1f45402]", *models), known, 3),
    )


def preset(*sets: str) -> Preset:
    return load_preset("studio-sd15", sets=["identity=ip_adapter", *sets])


def texts(wish: Preset, **fields: Any) -> Texts:
    given = {"lora_name": None, "trigger": "person", "subject": "person", **fields}
    return Texts(preset=wish, **given)


@pytest.mark.parametrize(
    ("flavour", "module"),
    [
        (Flavour.A1111, "ip-adapter_clip_sd15"),
        (Flavour.FORGE, "CLIP-ViT-H (IPAdapter)"),
        (Flavour.REFORGE, "CLIP-ViT-H (IPAdapter)"),
    ],
)
def test_model_and_preprocessor_belong_together(flavour: Flavour, module: str) -> None:
    server = caps("ip-adapter_sd15 [aaaaaaaa]", PLUS_FACE, flavour=flavour)
    choice = choose_ip_adapter(server, "sd15")
    assert isinstance(choice, AdapterChoice)
    assert choice.model == "ip-adapter-plus-face_sd15", "the one made for faces"
    assert choice.module_on(server) == module
    assert not choice.face_id


@pytest.mark.parametrize(
    ("model", "a1111", "forge"),
    [
        ("ip-adapter-faceid-plusv2_sd15", "ip-adapter_face_id_plus", "InsightFace+CLIP-H (IPAdapter)"),
        ("ip-adapter-faceid_sd15", "ip-adapter_face_id", "InsightFace+CLIP-H (IPAdapter)"),
        ("ip-adapter_sd15_vit-G", "ip-adapter_clip_sdxl", "CLIP-ViT-bigG (IPAdapter)"),
    ],
)
def test_each_model_has_its_own_preprocessor(model: str, a1111: str, forge: str) -> None:
    for flavour, module in ((Flavour.A1111, a1111), (Flavour.FORGE, forge)):
        server = caps(model, flavour=flavour, loras=(f"{model}_lora",))
        choice = choose_ip_adapter(server, "sd15")
        assert isinstance(choice, AdapterChoice)
        assert (choice.model, choice.module_on(server)) == (model, module)


def test_face_id_is_taken_only_where_nothing_else_keeps_a_face() -> None:
    both = caps(PLUS_V2, PLUS_FACE, loras=(f"{PLUS_V2}_lora",))
    assert choose_ip_adapter(both, "sd15").model == "ip-adapter-plus-face_sd15"  # type: ignore[union-attr]
    alone = choose_ip_adapter(caps(PLUS_V2, "ip-adapter_sd15", loras=(f"{PLUS_V2}_lora",)), "sd15")
    assert isinstance(alone, AdapterChoice)
    assert (alone.model, alone.lora, alone.face_id) == (PLUS_V2, f"{PLUS_V2}_lora", True)
    named = choose_ip_adapter(both, "sd15", IpAdapterUse(model=PLUS_V2))
    assert isinstance(named, AdapterChoice)
    assert named.model == PLUS_V2


def test_face_id_without_its_lora_says_where_to_get_it() -> None:
    problem = choose_ip_adapter(caps(PLUS_V2), "sd15", IpAdapterUse(model=PLUS_V2))
    assert isinstance(problem, Problem)
    assert f"{PLUS_V2}_lora" in problem.detail
    assert "models/Lora" in problem.fix
    waived = choose_ip_adapter(caps(PLUS_V2), "sd15", IpAdapterUse(model=PLUS_V2, lora_weight=0.0))
    assert isinstance(waived, AdapterChoice)
    assert waived.lora is None


def test_no_model_says_what_to_download_and_where_to_put_it() -> None:
    problem = choose_ip_adapter(caps(), "sdxl")
    assert isinstance(problem, Problem)
    assert "ip-adapter-plus-face_sdxl_vit-h" in problem.fix
    assert "models/ControlNet" in problem.fix
    assert "h94/IP-Adapter" in problem.fix


def test_models_of_the_other_family_do_not_count() -> None:
    problem = choose_ip_adapter(caps(PLUS_FACE), "sdxl")
    assert isinstance(problem, Problem)
    assert "ip-adapter-plus-face_sd15" in problem.detail, "what is there is named"
    named = choose_ip_adapter(caps(PLUS_FACE), "sdxl", IpAdapterUse(model="ip-adapter-plus-face_sd15"))
    assert isinstance(named, Problem)
    assert "for sd15" in named.detail


def test_an_unknown_model_needs_its_preprocessor_named() -> None:
    server = caps("ip-adapter-mine_sd15")
    problem = choose_ip_adapter(server, "sd15", IpAdapterUse(model="ip-adapter-mine_sd15"))
    assert isinstance(problem, Problem)
    assert "ip_adapter.module" in problem.fix
    use = IpAdapterUse(model="ip-adapter-mine_sd15", module="ip-adapter_clip_sd15")
    choice = choose_ip_adapter(server, "sd15", use)
    assert isinstance(choice, AdapterChoice)
    assert choice.module_on(server) == "ip-adapter_clip_sd15"


def test_a_misspelt_model_is_a_problem() -> None:
    problem = choose_ip_adapter(caps(PLUS_FACE), "sd15", IpAdapterUse(model="ip-adapter-full-face_sd15"))
    assert isinstance(problem, Problem)
    assert "ip-adapter-full-face_sd15" in problem.detail


def test_without_controlnet_and_on_sdnext_there_is_none() -> None:
    bare = choose_ip_adapter(replace(caps(PLUS_FACE), controlnet=None), "sd15")
    assert isinstance(bare, Problem)
    assert "install" in bare.fix
    sdnext = choose_ip_adapter(caps(PLUS_FACE, flavour=Flavour.SDNEXT), "sd15")
    assert isinstance(sdnext, Problem)
    assert "SD.Next" in sdnext.detail


def test_several_servers_use_one_that_all_have() -> None:
    one, two = caps(PLUS_FACE, "ip-adapter_sd15"), caps("ip-adapter_sd15", flavour=Flavour.FORGE)
    shared = shared_ip_adapter([one, two], "sd15")
    assert isinstance(shared, AdapterChoice)
    assert shared.model == "ip-adapter_sd15"
    assert shared.module_on(one) != shared.module_on(two)
    left = shared_ip_adapter([caps(), one], "sd15")
    assert isinstance(left, AdapterChoice), "one that has none is left out"


def test_which_identity_needs_what() -> None:
    wanted = {name: preset(f"identity={name}") for name in ("lora", "ip_adapter", "both")}
    assert [uses_lora(p) for p in wanted.values()] == [True, False, True]
    assert [uses_photos(p) for p in wanted.values()] == [False, True, True]
    assert face_names(wanted["lora"]) == ()
    assert face_names(preset("ip_adapter.photos=2")) == ("face-1", "face-2")


def test_each_photo_is_a_unit_and_they_share_the_weight() -> None:
    server, wish = caps(PLUS_FACE), preset("ip_adapter.photos=2", "ip_adapter.weight=1.0")
    choice = choose_ip_adapter(server, "sd15")
    assert isinstance(choice, AdapterChoice)
    params = adapter_params(wish, choice)
    units = adapter_units(params, {"face-1": PICTURE, "skeleton": PICTURE, "face-2": PICTURE}, server)
    assert [unit.weight for unit in units] == [0.5, 0.5]
    assert {unit.module for unit in units} == {"ip-adapter_clip_sd15"}
    assert units[0].render(server)["model"] == PLUS_FACE
    assert units[0].render(server)["save_detected_map"] is False
    assert not any(unit.problems(server) for unit in units)


def test_without_an_adapter_parameters_are_as_before() -> None:
    assert adapter_params(preset(), None) == {}
    assert adapter_units({}, {"face-1": PICTURE}, caps()) == ()
    params = txt2img.params(preset(), texts(preset()), pose="front", seed=1)
    assert "ip_adapter" not in params


def test_the_pose_comes_before_the_photos_in_a_request() -> None:
    server, wish = caps(PLUS_FACE), preset()
    choice = choose_ip_adapter(server, "sd15")
    assert isinstance(choice, AdapterChoice)
    params = txt2img.params(wish, texts(wish), pose="front", seed=1, adapter=choice)
    job = txt2img.job(params, {"skeleton": PICTURE, "face-1": PICTURE}, server)
    kinds = [getattr(unit, "model", "") for unit in job.units]
    assert kinds[:2] == ["control_v11p_sd15_openpose", "ip-adapter-plus-face_sd15"]
    assert wish.img2img is not None
    toned = img2img.params(wish, wish.img2img, texts(wish), pose="front", tone="warm", seed=1, adapter=choice)
    job = img2img.job(toned, {"image": PICTURE, "face-1": PICTURE}, server)
    assert getattr(job.units[0], "model", "") == "ip-adapter-plus-face_sd15"


def test_without_a_lora_no_prompt_names_one_and_no_pass_paints_the_face_again() -> None:
    wish = preset()
    without, with_lora = texts(wish), texts(wish, lora_name="alice")
    params = txt2img.params(wish, without, pose="front", seed=1)
    assert "<lora:" not in str(params)
    assert [unit["model"] for unit in params["adetailer"]] == ["hand_yolov8n.pt"]
    both = txt2img.params(wish, with_lora, pose="front", seed=1)
    assert "<lora:alice:0.8>" in both["prompt"]
    assert [unit["model"] for unit in both["adetailer"]] == ["face_yolov8n.pt", "hand_yolov8n.pt"]


def test_the_lora_of_a_face_id_model_stands_where_the_model_works() -> None:
    wish = preset("ip_adapter.lora_weight=0.7")
    choice = AdapterChoice(PLUS_V2, "face_id_plus", None, f"{PLUS_V2}_lora", True)
    found = adapter_loras(wish, choice)
    assert found == ((f"{PLUS_V2}_lora", 0.7),)
    assert adapter_loras(wish, Problem("IP-Adapter", "none")) == ()
    written = texts(wish, adapter_loras=found)
    assert f"<lora:{PLUS_V2}_lora:0.7>" in written.main(wish.txt2img, pose="front", tone=None).positive
    assert wish.upscale is not None
    assert "<lora:" not in written.main(wish.upscale, pose="front", tone="warm").positive
