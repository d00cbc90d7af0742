"""The probe against the recorded GETs of four servers."""

from __future__ import annotations

import pytest

from sdwebui_client.capabilities import Flavour
from sdwebui_client.errors import NotFound, UnexpectedResponse
from sdwebui_client.probe import KEPT_OPTIONS, ProbeAnswer, probe
from tests.recorded.replay import recorded_caps, recorded_get


@pytest.mark.parametrize("flavour", list(Flavour))
def test_the_flavour_is_recognised(flavour: Flavour) -> None:
    assert recorded_caps(flavour).flavour is flavour


@pytest.mark.parametrize("flavour", ["a1111", "forge", "reforge"])
def test_without_sysinfo_it_is_recognised_all_the_same(flavour: str) -> None:
    caps = probe(recorded_get(flavour, hide=("/internal/",)))
    assert caps.flavour == flavour
    assert caps.version == ""
    assert not caps.has_task_ids


@pytest.mark.parametrize("flavour", ["a1111", "forge", "reforge"])
def test_the_record_holds_what_the_server_lists(flavour: str) -> None:
    caps = recorded_caps(flavour)
    assert caps.samplers[0] == "DPM++ 2M"
    assert ("karras", "Karras") in caps.schedulers
    assert caps.upscalers[:4] == ("None", "Lanczos", "Nearest", "4x-UltraSharp")
    assert [c.model_name for c in caps.checkpoints] == ["tinyA", "tinyB"]
    assert caps.lora_names() == {"facelora", "ohwx_woman_v2", "randlora"}
    assert caps.adetailer is not None
    assert (caps.adetailer.version, caps.adetailer.max_units) == ("25.3.0", 4)
    assert "ad_mask_k" in caps.adetailer.fields
    assert "ad_mask_k_largest" not in caps.adetailer.fields
    assert caps.controlnet is not None
    assert caps.controlnet.max_units == 3
    assert caps.controlnet.models[2] == "control_v11p_sd15_openpose [a1f45402]"
    assert "None" not in caps.controlnet.models
    assert "ultimate sd upscale" in caps.scripts_img2img
    assert "ultimate sd upscale" not in caps.scripts_txt2img
    assert {"adetailer", "controlnet"} <= caps.alwayson
    assert "sd_model_checkpoint" in caps.option_keys
    assert {"prompt", "scheduler"} <= caps.txt2img_fields
    assert caps.has_task_ids
    assert not caps.sandbox
    assert caps.still_starting == ()


def test_vaes_by_flavour() -> None:
    assert (recorded_caps("a1111").vaes, recorded_caps("a1111").modules) == (("tinyvae.safetensors",), ())
    assert (recorded_caps("forge").vaes, recorded_caps("forge").modules) == ((), ("tinyvae.safetensors",))


def test_forges_style_dividers_are_no_styles() -> None:
    styles = recorded_caps("forge").styles
    assert "Kamph_Default_Negative (NO)" in styles
    assert not any(name.startswith("-----") for name in styles)


def test_only_harmless_settings_are_kept() -> None:
    assert set(recorded_caps("a1111").options) <= set(KEPT_OPTIONS)


@pytest.mark.parametrize("hidden", [("/controlnet", "/adetailer", "/sdapi/v1/loras")])
def test_a_server_whose_extensions_come_later_is_still_starting(hidden: tuple[str, ...]) -> None:
    caps = probe(recorded_get("a1111", hide=hidden))
    assert caps.still_starting == ("ControlNet", "ADetailer", "Lora")
    assert caps.controlnet is None


def test_a_plain_server_has_no_extensions_and_is_not_starting() -> None:
    bare = recorded_get("a1111", hide=("/controlnet", "/adetailer"))

    def get(path: str) -> ProbeAnswer:
        answer = bare(path)
        if path != "/sdapi/v1/scripts":
            return answer
        lists = {
            key: [n for n in names if n not in ("controlnet", "adetailer")]
            for key, names in answer.body.items()
        }
        return ProbeAnswer(200, lists)

    caps = probe(get)
    assert caps.still_starting == ()
    assert (caps.flavour, caps.controlnet, caps.adetailer) == (Flavour.A1111, None, None)


def test_no_api_at_all() -> None:
    with pytest.raises(NotFound, match="no API") as caught:
        probe(lambda _path: ProbeAnswer(404, {"detail": "Not Found"}))
    assert "--api" in caught.value.hint


def test_settings_that_are_no_object() -> None:
    with pytest.raises(UnexpectedResponse):
        probe(lambda _path: ProbeAnswer(200, ["what"]))


@pytest.mark.parametrize("body", [None, "text", 5, [], {}, [None, 3], {"txt2img": 3}])
def test_odd_bodies_cost_what_they_hold_and_nothing_else(body: object) -> None:
    def get(path: str) -> ProbeAnswer:
        return ProbeAnswer(200, {"sd_vae": "Automatic"} if path == "/sdapi/v1/options" else body)

    caps = probe(get)
    assert caps.samplers == ()
    assert caps.checkpoints == ()


def test_the_sandbox_says_so_in_a_header() -> None:
    assert probe(recorded_get("a1111", headers={"X-SdWebUI-Sandbox": "1"})).sandbox


def test_a_fingerprint_changes_with_versions_and_not_with_catalogues() -> None:
    import dataclasses

    caps = recorded_caps("a1111")
    assert caps.fingerprint == dataclasses.replace(caps, loras=(), checkpoints=()).fingerprint
    assert caps.fingerprint != dataclasses.replace(caps, version="v1.10.2").fingerprint
    assert caps.fingerprint != dataclasses.replace(caps, extensions=caps.extensions[1:]).fingerprint
    assert len({recorded_caps(flavour).fingerprint for flavour in Flavour}) == 4


def test_the_password_route_is_never_asked() -> None:
    asked: list[str] = []
    get = recorded_get("a1111")

    def spy(path: str) -> ProbeAnswer:
        asked.append(path)
        answer: ProbeAnswer = get(path)
        return answer

    probe(spy)
    assert "/sdapi/v1/cmd-flags" not in asked
    assert len(asked) == len(set(asked))
