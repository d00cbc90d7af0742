"""The presets that come with the project, and what loading one gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prompt_library import CHUNK_TOKENS, load_library, render_prompt
from prompt_library.lint import lint
from prompt_library.tokens import chunks
from stages.presets import (
    FinishParams,
    Img2ImgParams,
    Preset,
    PresetError,
    Txt2ImgParams,
    UpscaleParams,
    dump_preset,
    list_presets,
    load_preset,
)
from stages.presets._names import templates_of

NAMES = [
    f"{look}-{family}"
    for look in ("id-photo", "studio-cool", "studio", "studio-warm")
    for family in ("sd15", "sdxl")
]


def test_the_choices_are_the_eight_and_no_parent() -> None:
    found = list_presets()
    assert sorted(NAMES) == [preset.name for preset in found]
    assert all(preset.path.is_file() and preset.description for preset in found)


@pytest.mark.parametrize("name", NAMES)
def test_each_preset_is_whole(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.family == name.rsplit("-", 1)[1]
    assert list(preset.stages) == ["txt2img", "img2img", "upscale", "finish"]
    assert isinstance(preset.txt2img, Txt2ImgParams)
    assert isinstance(preset.img2img, Img2ImgParams)
    assert isinstance(preset.upscale, UpscaleParams)
    assert isinstance(preset.finish, FinishParams)
    assert preset.txt2img.controlnet is not None
    assert preset.txt2img.controlnet.module == "none"
    assert preset.upscale.controlnet is not None
    assert preset.upscale.controlnet.module == "tile_resample"
    assert preset.upscale.upscaler == "4x-UltraSharp"
    assert preset.upscale.fallback_upscalers == ()
    assert preset.upscale.denoising_strength == pytest.approx(0.1)
    assert preset.img2img.denoising_strength <= 0.3
    assert preset.txt2img.adetailer is not None
    assert preset.txt2img.adetailer.face is not None


@pytest.mark.parametrize("name", NAMES)
def test_rendered_prompts_are_clean_and_fit_a_chunk(name: str) -> None:
    preset = load_preset(name)
    library = load_library()
    for pose in (*preset.poses, *library.poses):
        for outfit in (preset.outfit, *library.outfits):
            for path, template in templates_of(preset):
                text = render_prompt(
                    template,
                    family=preset.family,
                    trigger=preset.train.trigger or "ohwx person",
                    subject=preset.subject,
                    outfit=outfit,
                    backdrop=preset.backdrop,
                    tone=preset.tones[0],
                    pose=pose,
                ).positive
                assert [found for found in lint(text) if found.level == "error"] == [], path
                if pose in preset.poses and outfit == preset.outfit:
                    assert lint(text) == [], path
                    assert all(chunk.tokens <= CHUNK_TOKENS for chunk in chunks(text))


def test_families_differ_where_they_must() -> None:
    small, large = load_preset("studio-sd15"), load_preset("studio-sdxl")
    assert (small.txt2img.width, small.txt2img.height) == (512, 768)
    assert (large.txt2img.width, large.txt2img.height) == (832, 1216)
    assert small.txt2img.sampler_name != large.txt2img.sampler_name
    assert large.txt2img.cfg_scale < small.txt2img.cfg_scale
    assert small.train.resolution < large.train.resolution
    assert large.train.text_encoder_lr == 0
    for one, other in zip(small.stages.values(), large.stages.values(), strict=True):
        nets = [getattr(stage, "controlnet", None) for stage in (one, other)]
        if nets[0] is not None:
            assert nets[0].model != nets[1].model


def test_the_default_makes_four_portraits() -> None:
    preset = load_preset("studio-sd15")
    assert len(preset.poses) * preset.keep * len(preset.tones) == 4
    assert set(preset.tones) == {"cool", "warm"}
    assert load_preset("studio-cool-sd15").tones == ("cool",)
    assert load_preset("studio-warm-sdxl").tones == ("warm",)
    assert load_preset("id-photo-sd15").tones == ("neutral",)


@pytest.mark.parametrize("name", NAMES)
def test_a_dumped_preset_reads_back_equal(name: str, tmp_path: Path) -> None:
    preset = load_preset(name, sets=["train.unet_lr=1e-5", "subject='no'", "description='a: b # c'"])
    file = tmp_path / "resolved.yaml"
    file.write_text(dump_preset(preset), encoding="utf-8")
    assert load_preset(file) == preset
    assert dump_preset(load_preset(file)) == dump_preset(preset)


_TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cc", "Cs", "Cn", "Zl", "Zp"]), min_size=1, max_size=30
).filter(str.strip)


@settings(max_examples=30, deadline=None)
@given(
    title=_TEXT, subject=_TEXT, weight=st.floats(-2, 2), rate=st.floats(1e-9, 0.1), steps=st.integers(1, 150)
)
def test_any_values_survive_a_dump(
    tmp_path_factory: pytest.TempPathFactory, title: str, subject: str, weight: float, rate: float, steps: int
) -> None:
    base = load_preset("studio-sd15").model_dump(mode="python", by_alias=True)
    base |= {"title": title, "subject": subject, "lora": {"weight": weight, "face_weight": -weight}}
    base["train"] |= {"unet_lr": rate}
    base["stages"]["txt2img"]["steps"] = steps
    preset = Preset.model_validate(base)
    file = tmp_path_factory.mktemp("dump") / "p.yaml"
    file.write_text(dump_preset(preset), encoding="utf-8")
    assert load_preset(file) == preset


def test_a_preset_cannot_be_changed() -> None:
    preset = load_preset("studio-sd15")
    with pytest.raises(ValidationError, match="frozen"):
        preset.shots = 9  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        preset.txt2img.steps = 9  # type: ignore[misc]


def test_by_path_and_its_name(tmp_path: Path) -> None:
    file = tmp_path / "our-look.yaml"
    file.write_text("schema: sdwebui-preset/1\nextends: studio-sd15\ntitle: Ours\n", encoding="utf-8")
    for given_as in (file, str(file)):
        preset = load_preset(given_as)
        assert (preset.name, preset.title) == ("our-look", "Ours")
    named = tmp_path / "other.yml"
    named.write_text("schema: sdwebui-preset/1\nextends: our-look\nname: nice\n", encoding="utf-8")
    assert load_preset(named).name == "nice"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("studio_sd15", "did you mean studio-sd15"),
        ("nonsense", "there are id-photo-sd15"),
        ("./nowhere.yaml", "no such preset file"),
        ("nowhere.yml", "no such preset file"),
        ("", "neither a preset's name nor a path"),
        ("a b", "neither a preset's name nor a path"),
        ("../presets", "is a folder"),
    ],
)
def test_a_preset_that_is_not_there(name: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3] / "presets")
    with pytest.raises(PresetError) as caught:
        load_preset(name)
    assert words in str(caught.value)


def test_missing_stage_is_none() -> None:
    preset = load_preset("studio-sd15", sets=["stages.img2img=null", "stages.upscale=null"])
    assert preset.img2img is None
    assert preset.upscale is None
    assert list(preset.stages) == ["txt2img", "finish"]
    assert preset.stage("finish") is preset.finish
