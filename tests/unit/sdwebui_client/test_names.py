"""Near matches, LoRA tags and names as the server needs them."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdwebui_client import _resolve as resolve
from sdwebui_client._loras import lora_tags
from sdwebui_client._near import did_you_mean, near
from sdwebui_client.capabilities import CheckpointInfo, Flavour, Problem, refuse, unknown
from sdwebui_client.errors import CapabilityMissing
from sdwebui_client.images import EncodedImage
from sdwebui_client.units import ControlNet
from tests.recorded import recordings
from tests.recorded.replay import recorded_caps

CAPS = recorded_caps("a1111")
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="<>:\n"), min_size=1).filter(
    lambda t: t == t.strip()
)


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=8), st.integers(1, 5))
def test_near_matches_are_few_known_and_distinct(name: str, known: list[str], limit: int) -> None:
    found = near(name, known, limit=limit)
    assert len(found) <= limit
    assert len(set(found)) == len(found)
    assert set(found) <= set(known)


@given(
    st.text(st.characters(categories=["Ll", "Nd"]), min_size=3, max_size=20),
    st.lists(st.text(max_size=10), max_size=5),
)
def test_a_name_in_another_case_is_the_nearest(name: str, others: list[str]) -> None:
    if any(other.casefold() == name.casefold() for other in others):
        return
    assert near(name.upper(), [*others, name])[0] in (name, *[o for o in others if near(name, [o])])


def test_near_says_nothing_where_nothing_is_near() -> None:
    assert near("NoSuchSampler", CAPS.samplers) == ()
    assert near("", ["a"]) == ()
    assert did_you_mean([]) == ""
    assert did_you_mean(["a", "b", "c"]) == 'did you mean "a", "b" or "c"?'


@given(NAMES, st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_well_formed_tag_is_read_back(name: str, weight: float) -> None:
    tags = lora_tags(f"a portrait, <lora:{name}:{weight}> smiling")
    assert [(tag.name, tag.weight, tag.flaw) for tag in tags] == [(name, weight, "")]


@given(st.text())
def test_any_text_has_tags_with_a_number_or_a_flaw(text: str) -> None:
    for tag in lora_tags(text):
        assert math.isfinite(tag.weight)
        assert tag.flaw or tag.name
        assert tag.text in text


@pytest.mark.parametrize(
    ("tag", "weight"),
    [
        ("<lora:a>", 1.0),
        ("<lora:a:0.5>", 0.5),
        ("<lora:a:-1>", -1.0),
        ("<lora:a:0.5:0.8>", 0.8),
        ("<lora:a:te=0.2>", 0.2),
        ("<lora:a:1:unet=0.3>", 0.3),
        ("<lyco:a:0.7>", 0.7),
    ],
)
def test_weights(tag: str, weight: float) -> None:
    assert [(found.weight, found.flaw) for found in lora_tags(tag)] == [(weight, "")]


@pytest.mark.parametrize(
    "tag",
    [
        "<lora:a:abc>",
        "<lora::1>",
        "<lora: a:1>",
        "<LoRA:a:1>",
        "<lora:a:nan>",
        "<lora:a:1:1:1:1>",
        "<lora:a:x=1>",
        "<lora:a:1",
    ],
)
def test_flaws(tag: str) -> None:
    (found,) = lora_tags(tag)
    assert found.flaw


def test_every_recorded_form_of_a_checkpoints_name() -> None:
    facts = recordings("a1111")["q03_checkpoint_forms"].raw["facts"]
    # The recorded server had hashed its second model by then.
    digest = facts["sha256"]["value"]
    entry = CheckpointInfo(
        "tinyB.safetensors [0d87adb4fc]", "tinyB", "/srv/tinyB.safetensors", digest[:10], digest
    )
    caps = dataclasses.replace(CAPS, checkpoints=(CAPS.checkpoints[0], entry))
    for form, fact in facts.items():
        if form.startswith("options_"):
            continue
        found = resolve.checkpoint(caps, fact["value"] or "")
        assert (found == entry) == (fact["model_used"] == "tinyB"), form


def test_a_title_with_its_hash_before_the_server_has_hashed_it() -> None:
    found = resolve.checkpoint(CAPS, "tinyB.safetensors [0d87adb4fc]")
    assert isinstance(found, CheckpointInfo)
    assert found.hash == "0d87adb4fc"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("control_v11p_sd15_openpose", "control_v11p_sd15_openpose [a1f45402]"),
        ("control_v11p_sd15_openpose [a1f45402]", "control_v11p_sd15_openpose [a1f45402]"),
        ("CONTROL_V11P_SD15_OPENPOSE", "control_v11p_sd15_openpose [a1f45402]"),
        ("openpose", "control_v11p_sd15_openpose [a1f45402]"),
        ("control_v11p_sd15_openpose [00000000]", None),
        ("sd15", None),
        ("", None),
        ("None", None),
    ],
)
def test_controlnet_models(name: str, answer: str | None) -> None:
    assert CAPS.controlnet is not None
    found = resolve.controlnet_model(CAPS.controlnet, name)
    assert (None if isinstance(found, Problem) else found) == answer


@pytest.mark.parametrize(
    ("loaded", "answer"),
    [
        ("juggernautXL_v9.safetensors [d91d35736d]", "thibaud_xl_openpose [c7b9cadd]"),
        ("realisticVision.safetensors [ef4d3f8a2c]", "control_v11p_sd15_openpose [cab727d4]"),
        (None, None),
    ],
)
def test_a_unit_without_a_model_takes_the_loaded_checkpoints_family(
    loaded: str | None, answer: str | None
) -> None:
    assert CAPS.controlnet is not None
    models = ("control_v11p_sd15_openpose [cab727d4]", "thibaud_xl_openpose [c7b9cadd]")
    controlnet = dataclasses.replace(CAPS.controlnet, models=models)
    caps = dataclasses.replace(CAPS, controlnet=controlnet, loaded_checkpoint=loaded)
    skeleton = EncodedImage.from_pil(Image.new("RGB", (64, 64)))
    found = ControlNet.openpose(skeleton).resolve_model(caps)
    assert (None if isinstance(found, Problem) else found) == answer


def test_a_name_that_fits_several_models_is_not_guessed() -> None:
    assert CAPS.controlnet is not None
    found = resolve.controlnet_model(CAPS.controlnet, "control_v11")
    assert isinstance(found, Problem)
    assert "fits 3 models" in found.detail
    assert len(found.near) == 3


@pytest.mark.parametrize(
    ("flavour", "name", "answer"),
    [
        ("a1111", "None", "none"),
        ("forge", "none", "None"),
        ("reforge", "none", "None"),
        ("a1111", "softedge_pidinet", "softedge_pidinet"),
        ("forge", "pidinet", "softedge_pidinet"),
        ("forge", "normal_bae", "normalbae"),
        ("forge", "depth", "depth_midas"),
        ("forge", "color", "t2ia_color_grid"),
        ("forge", "tile_resample", "tile_resample"),
    ],
)
def test_preprocessors_in_the_servers_spelling(flavour: str, name: str, answer: str) -> None:
    caps = recorded_caps(flavour)
    assert caps.controlnet is not None
    assert resolve.controlnet_module(caps, caps.controlnet, name) == answer


def test_scripts_ignore_case_but_not_spaces() -> None:
    assert resolve.script(CAPS, "img2img", "ULTIMATE SD UPSCALE") == "ULTIMATE SD UPSCALE"
    assert isinstance(resolve.script(CAPS, "img2img", " Ultimate SD upscale"), Problem)
    found = resolve.script(CAPS, "txt2img", "Ultimate SD upscale")
    assert "img2img only" in str(found)


def test_problems_are_readable_and_raised_together() -> None:
    refuse([], doing="txt2img")
    with pytest.raises(CapabilityMissing) as caught:
        refuse(
            [
                unknown("sampler", "euler a", CAPS.samplers),
                Problem("width", "too wide", fix="make it smaller"),
            ],
            doing="x",
        )
    assert len(caught.value.problems) == 2
    assert 'did you mean "Euler a"' in str(caught.value)
    assert "make it smaller" in caught.value.hint
    assert Flavour("a1111") is Flavour.A1111
