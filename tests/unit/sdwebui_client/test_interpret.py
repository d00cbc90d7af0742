"""Answers taken apart, whole and mutilated."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdwebui_client._interpret import interpret
from sdwebui_client._prepare import Prepared, prepare
from sdwebui_client.errors import EffectMissing, UnexpectedResponse, WebUIError
from sdwebui_client.images import EncodedImage
from sdwebui_client.types import Img2ImgRequest, Txt2ImgRequest
from sdwebui_client.units import UltimateSDUpscale
from tests.recorded.replay import fake_png, recorded_caps

CAPS = recorded_caps("a1111")
PLAIN = prepare("txt2img", Txt2ImgRequest(prompt="x", width=64, height=64), [], None, CAPS)


def png(width: int = 64, height: int = 64, salt: int = 0) -> str:
    return base64.b64encode(fake_png(width, height, salt=salt)).decode()


def info(**fields: Any) -> str:
    texts = ["x\nSteps: 2, Sampler: Euler a, Seed: 1"]
    return json.dumps({"prompt": "x", "all_seeds": [1], "seed": 1, "infotexts": texts, **fields})


def read(answer: Any, prepared: Prepared = PLAIN) -> Any:
    return interpret(prepared, answer, CAPS, task_id="t", elapsed_s=0.5)


def test_a_plain_answer() -> None:
    result = read({"images": [png()], "info": info()})
    assert result.images[0].data == fake_png(64, 64)
    assert (result.task_id, result.elapsed_s, result.info.seed) == ("t", 0.5, 1)
    assert str(result.verified).splitlines()[0].strip().startswith("ran")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"images": [png()]},
        {"images": [png()], "info": {"seed": 1}},
        {"images": [png()], "info": "<html>"},
        {"images": [png()], "info": "[1]"},
        {"images": [png()], "info": "[" * 100_000},
        {"images": [base64.b64encode(fake_png(64, 64)[:40]).decode()], "info": info()},
        {"images": [base64.b64encode(fake_png(64, 64)[:-12]).decode()], "info": info()},
        {"images": [png()], "info": info(seed="many")},
        {"images": [png()], "info": info(index_of_first_image=5)},
        {"images": "nope", "info": info()},
        {"images": [None], "info": info()},
        {"images": [5], "info": info()},
        {"images": ["aGVsbG8="], "info": info()},
        {"images": ["!!"], "info": info()},
        {"images": [png()[:-9]], "info": info()},
    ],
)
def test_what_is_no_answer_is_unexpected(answer: Any) -> None:
    with pytest.raises(UnexpectedResponse):
        read(answer)


def test_absent_pictures_are_missing_ones() -> None:
    for images in (None, []):
        with pytest.raises(EffectMissing, match="pictures") as caught:
            read({"images": images, "info": info(infotexts=[])})
        assert caught.value.result.images == ()


def test_the_size_is_read_from_the_picture() -> None:
    with pytest.raises(EffectMissing, match="64x56, asked for 64x64"):
        read({"images": [png(64, 56)], "info": info(width=64, height=64)})


def test_maps_come_behind_and_grids_before() -> None:
    wish = Txt2ImgRequest(prompt="x", width=64, height=64, batch_size=2)
    prepared = prepare("txt2img", wish, [], None, CAPS)
    answer = {
        "images": [png(128, 64), png(salt=1), png(salt=2), png(salt=3)],
        "info": info(index_of_first_image=1, infotexts=["grid", "a", "b"]),
    }
    result = read(answer, prepared)
    assert [image.data for image in result.images] == [fake_png(64, 64, salt=1), fake_png(64, 64, salt=2)]
    assert [image.data for image in result.detected_maps] == [fake_png(64, 64, salt=3)]


def test_a_map_is_not_taken_for_a_picture_of_an_interrupted_batch() -> None:
    prepared = prepare("txt2img", Txt2ImgRequest(width=64, height=64, n_iter=3), [], None, CAPS)
    with pytest.raises(EffectMissing, match="1 of 3") as caught:
        read({"images": [png(salt=1), png(salt=2)], "info": info()}, prepared)
    assert len(caught.value.result.images) == 1
    assert len(caught.value.result.detected_maps) == 1


def test_a_seams_pass_puts_the_finished_picture_first() -> None:
    start = EncodedImage(fake_png(64, 64))
    script = UltimateSDUpscale(upscaler="Lanczos", scale=2, seams_fix="band_pass")
    prepared = prepare("img2img", Img2ImgRequest(init_images=[start]), [], script, CAPS)
    text = "x\nSteps: 2, Sampler: Euler a, Ultimate SD upscale upscaler: Lanczos"
    answer = {"images": [png(128, 128, 1), png(128, 128, 2)], "info": info(infotexts=[text, text])}
    assert [i.data for i in read(answer, prepared).images] == [
        fake_png(128, 128, salt=2),
        fake_png(128, 128, salt=1),
    ]


def test_a_prompt_that_looks_like_settings_proves_nothing() -> None:
    wish = Txt2ImgRequest(prompt="x <lora:randlora:1>", width=64, height=64)
    prepared = prepare("txt2img", wish, [], None, CAPS)
    settings = "Steps: 2, Sampler: Euler a, Seed: 1"
    text = f'x\nSteps: 2, Lora hashes: "randlora: 123"\nNegative prompt: y\n{settings}'
    with pytest.raises(EffectMissing, match="lora:randlora"):
        read({"images": [png()], "info": info(infotexts=[text])}, prepared)


def test_a_server_told_not_to_write_hashes_gives_no_verdict() -> None:
    import dataclasses

    caps = dataclasses.replace(CAPS, options={"lora_add_hashes_to_infotext": False})
    wish = Txt2ImgRequest(prompt="x <lora:randlora:1>", width=64, height=64)
    prepared = prepare("txt2img", wish, [], None, caps)
    result = interpret(prepared, {"images": [png()], "info": info()}, caps, task_id="", elapsed_s=0)
    assert [effect.status for effect in result.verified.unverified] == ["unverified"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


KEYS = st.sampled_from(["seed", "infotexts", "all_prompts", "extra_generation_params"])


@given(JSON, JSON, st.dictionaries(KEYS, JSON))
def test_no_answer_escapes_as_another_error(images: Any, text: Any, fields: dict[str, Any]) -> None:
    for answer in ({"images": images, "info": text}, {"images": [png()], "info": info(**fields)}):
        try:
            read(answer)
        except WebUIError:
            continue
