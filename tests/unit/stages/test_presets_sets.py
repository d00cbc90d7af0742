"""`--set a.b=c`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.presets import PresetError, load_preset


def mistake(*sets: str) -> PresetError:
    with pytest.raises(PresetError) as caught:
        load_preset("studio-sd15", sets=sets)
    return caught.value


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("stages.upscale.scale=1.5", ("upscale", "scale"), 1.5),
        ("stages.upscale.scale=3", ("upscale", "scale"), 3.0),
        (" shots = 5 ", ("shots",), 5),
        ("poses=[head_tilt, front]", ("poses",), ("head_tilt", "front")),
        ("subject=no", ("subject",), "no"),
        ("subject='a=b'", ("subject",), "a=b"),
        ("train.unet_lr=1e-3", ("train", "unet_lr"), 1e-3),
        ("train.trigger='zwx woman'", ("train", "trigger"), "zwx woman"),
        ("train.trigger=zwx woman", ("train", "trigger"), "zwx woman"),
        ("checkpoint=epic.safetensors", ("checkpoint",), "epic.safetensors"),
        ("mix=film_velvia", ("mix",), "film_velvia"),
        ("lora={weight: 0.5}", ("lora", "weight"), 0.5),
        ("stages.finish.grade=false", ("finish", "grade"), False),
        ("stages.txt2img.adetailer.face.mask_k=2", ("txt2img", "adetailer", "face", "mask_k"), 2),
        ("stages.txt2img.adetailer.hand=null", ("txt2img", "adetailer", "hand"), None),
        ("description=''", ("description",), ""),
    ],
)  # fmt: skip
def test_values_are_yaml(text: str, path: tuple[str, ...], value: object) -> None:
    found: object = load_preset("studio-sd15", sets=[text])
    for name in path:
        found = getattr(found, name)
    assert found == value
    assert type(found) is type(value)


def test_later_ones_win_and_build_on_earlier() -> None:
    preset = load_preset("studio-sd15", sets=["shots=4", "shots=6", "keep=6"])
    assert (preset.shots, preset.keep) == (6, 6)


def test_a_block_that_was_off_can_be_switched_on() -> None:
    unit = "stages.img2img.controlnet"
    preset = load_preset("studio-sd15", sets=[f"{unit}.model=control_v11f1e_sd15_tile", f"{unit}.weight=0.3"])
    assert preset.img2img is not None
    assert preset.img2img.controlnet is not None
    assert preset.img2img.controlnet.weight == 0.3


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("stages.upscal.scale=2", "stages.upscal.scale", "did you mean stages.upscale.scale?"),
        ("stages.img2img.denoising_strenght=0.3", "stages.img2img.denoising_strenght",
         "did you mean stages.img2img.denoising_strength?"),
        ("Shots=3", "Shots", "did you mean shots?"),
        ("zzz=3", "zzz", "there are schema, name"),
        ("stages.txt2img.controlnet.wieght=1", "stages.txt2img.controlnet.wieght", "controlnet.weight"),
        ("shots.x=3", "shots.x", "shots is a single value"),
        ("stages.new.type=finish", "stages.new.type", "there is no 'new' in stages"),
        ("poses.0=front", "poses.0", "set it whole"),
        ("poses", "", "not of the form path=value"),
        ("=3", "", "not of the form path=value"),
        ("a..b=3", "a..b", "is not a key"),
        ("shots=", "shots", "no value after the ="),
        ("title=a: b", "title", "quote text that contains a colon"),
        ("title=[a", "title", "the value is not YAML"),
        ("extends=studio-sdxl", "extends", "cannot be set"),
        ("schema=x", "schema", "cannot be set"),
        ("shots=0", "shots", "at least 1"),
        ("title=3", "title", "quote it: '3'"),
        ("poses=[frunt]", "poses[0]", "did you mean front"),
    ],
)  # fmt: skip
def test_mistakes_name_the_path(text: str, path: str, words: str) -> None:
    error = mistake(text)
    assert error.path == path
    assert words in str(error)
    assert error.problems[0].source == "--set"


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"[a-z]{1,6}(\.[a-z]{1,6}){0,2}=.{0,10}", fullmatch=True))
def test_any_text_is_applied_or_refused(text: str) -> None:
    try:
        load_preset("studio-sd15", sets=[text])
    except PresetError as error:
        # The error names what was typed, never an internal place.
        assert all(problem.source in ("--set", "studio-sd15.yaml") for problem in error.problems), error  # noqa: PT017
