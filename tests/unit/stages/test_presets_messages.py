"""Mistakes in a preset: each names its path, the reason and the near match."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.presets import PresetError, PresetProblem, load_preset


def mistake(folder: Path, text: str, base: str = "studio-sd15") -> PresetError:
    file = folder / "mine.yaml"
    file.write_text(f"schema: sdwebui-preset/1\nextends: {base}\n{text}\n", encoding="utf-8")
    with pytest.raises(PresetError) as caught:
        load_preset(file)
    return caught.value


TXT, IMG, UP = "stages.txt2img", "stages.img2img", "stages.upscale"
CN, AD, TILES = f"{TXT}.controlnet", f"{TXT}.adetailer", f"{UP}.fallback_upscalers"


def block(path: str, value: str) -> str:
    """`a.b` and `c: 1` -> `a: {b: {c: 1}}`."""
    keys = path.split(".")
    return ": {".join(keys) + f": {{{value}" + "}" * len(keys)


# What is written where, the path of the problem, words of the reason, the near match.
CASES = [
    (block(IMG, "denoising_strenght: 0.3"), f"{IMG}.denoising_strenght", "unknown key", "denoising_strength"),
    (block(IMG, "denoising_strength: 3"), f"{IMG}.denoising_strength", "at most 1", ""),
    (block(IMG, "denoising_strength: -0.1"), f"{IMG}.denoising_strength", "at least 0", ""),
    (block(TXT, "width: 513"), f"{TXT}.width", "multiple of 8", ""),
    (block(TXT, "width: 100000"), f"{TXT}.width", "at most 2048", ""),
    (block(TXT, "height: 0"), f"{TXT}.height", "at least 64", ""),
    (block(TXT, "steps: '28'"), f"{TXT}.steps", "must be a whole number, not '28'", ""),
    (block(TXT, "steps: 28.5"), f"{TXT}.steps", "must be a whole number", ""),
    (block(TXT, "steps: true"), f"{TXT}.steps", "must be a whole number, not true", ""),
    (block(TXT, "cfg_scale: .nan"), f"{TXT}.cfg_scale", "must be a finite number", ""),
    (block(TXT, "cfg_scale: null"), f"{TXT}.cfg_scale", "must be a number, not null", ""),
    (block(TXT, "prompt: [a]"), f"{TXT}.prompt", "must be text, not a list", ""),
    (block(TXT, "prompt: 'a {tirgger}'"), f"{TXT}.prompt", "{trigger}", ""),
    (block(TXT, "prompt: 'a (b'"), f"{TXT}.prompt", "never closed", ""),
    (block(TXT, "prompt: 'a {'"), f"{TXT}.prompt", "stray", ""),
    (block(AD, "fase: {}"), f"{AD}.fase", "unknown key", "face"),
    (block(f"{AD}.face", "ad_model: x"), f"{AD}.face.ad_model", "unknown key", "model"),
    (block(f"{AD}.face", "inpaint_width: 512"), f"{AD}.face", "set together", ""),
    (block(f"{AD}.face", "mask_min_ratio: 1"), f"{AD}.face", "must be below mask_max_ratio", ""),
    (block(f"{AD}.face", "prompt: '{nope}'"), f"{AD}.face.prompt", "placeholder", ""),
    (block(CN, "guidance_start: 0.9"), CN, "must be below", ""),
    (block(CN, "control_mode: balanced"), f"{CN}.control_mode", "choices", "Balanced"),
    (block(CN, "weight: 5"), f"{CN}.weight", "at most 2", ""),
    (block(CN, "processor_res: 7"), f"{CN}.processor_res", "or -1", ""),
    (block(TXT, "controlnet: openpose"), CN, "a block of keys", ""),
    (block(UP, "scale: 0"), f"{UP}.scale", "at least 1", ""),
    (block(UP, "scale: 16"), f"{UP}.scale", "makes 12288 px; at most 8192 px", ""),
    (block(UP, "tile_width: 500"), f"{UP}.tile_width", "multiple of 64", ""),
    (block(UP, "seams_fix: halftile"), f"{UP}.seams_fix", "choices", "half_tile"),
    (block(UP, "adetailer: {}"), f"{UP}.adetailer", "unknown key", ""),
    (block(UP, "fallback_upscalers: Lanczos"), TILES, "must be a list", ""),
    (block(UP, "fallback_upscalers: [a, a]"), TILES, "twice", ""),
    ("stages: {finish: {grade: no}}", "stages.finish.grade", "must be true or false, not 'no'", ""),
    ("stages: {upscal: {scale: 2}}", "stages.upscal.type", "is missing", "upscale"),
    ("stages: {extra: {type: img2imgg}}", "stages.extra.type", "choices", "img2img"),
    ("stages: {extra: {type: finish}}", "stages", "type finish appears 2 times", ""),
    ("stages: {txt2img: null}", "stages", "no stage of type txt2img", ""),
    ("stages: [txt2img]", "stages", "must be a block of keys, not a list", ""),
    ("keep: 4", "keep", "is 4, but only 3 are drawn", ""),
    ("shots: 0", "shots", "at least 1", ""),
    ("shots: many", "shots", "must be a whole number, not 'many'", ""),
    ("min_likeness: 50", "min_likeness", "at most 1", ""),
    ("poses: []", "poses", "must not be empty", ""),
    ("poses: front", "poses", "must be a list", ""),
    ("poses: [front, front]", "poses", "'front' twice", ""),
    ("poses: [front, threequarter_left]", "poses[1]", "no pose 'threequarter_left'", "three_quarter_left"),
    ("tones: [cold]", "tones[0]", "no tone 'cold'", "cool"),
    ("outfit: suit_nawy", "outfit", "no outfit", "suit_navy"),
    ("backdrop: gray", "backdrop", "no backdrop", ""),
    ("mix: velvia", "mix", "no mix 'velvia'", "film_velvia"),
    ("title: ''", "title", "blank", ""),
    ("title: {a: b}", "title", "quote text that contains a colon", ""),
    ("family: sd_xl", "family", "choices", "sdxl"),
    ("colour: red", "colour", "unknown key", ""),
    ("lora: {wieght: 1}", "lora.wieght", "unknown key", "weight"),
    ("lora: 0.8", "lora", "a block of keys", ""),
    ("clip_skip: 13", "clip_skip", "at most 12", ""),
    ("train: {network_alpha: 64}", "train", "above network_dim", ""),
    ("train: {unet_lr: 0.0, text_encoder_lr: 0.0}", "train", "nothing would be trained", ""),
    ("train: {resolution: 500}", "train.resolution", "multiple of 64", ""),
    ("description: " + "x" * 4001, "description", "4000", ""),
]


@pytest.mark.parametrize(
    ("text", "path", "words", "near"), CASES, ids=[f"{case[1]}-{n}" for n, case in enumerate(CASES)]
)
def test_each_mistake(tmp_path: Path, text: str, path: str, words: str, near: str) -> None:
    error = mistake(tmp_path, text)
    found = next((problem for problem in error.problems if problem.path == path), None)
    assert found is not None, str(error)
    assert words in str(found)
    assert found.source
    if near:
        assert any(near in candidate for candidate in found.near), found
    if text.startswith(("stages", "poses", "keep", "shots")) and found.source == "mine.yaml":
        assert found.line == 3
        assert found.excerpt == text


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    error = mistake(tmp_path, "shotz: 3\nkeep: x\nlora: {weight: 9}\noutfit: 3")
    assert {problem.path for problem in error.problems} == {"shotz", "keep", "lora.weight", "outfit"}
    assert {problem.line for problem in error.problems} == {3, 4, 5, 6}
    assert str(error).count("mine.yaml:") == 4


def test_it_reads_like_a_compiler_error(tmp_path: Path) -> None:
    error = mistake(tmp_path, "stages:\n  img2img:\n    denoising_strenght: 0.25")
    assert str(error) == (
        "mine.yaml:5: stages.img2img.denoising_strenght: unknown key\n"
        "     5 |     denoising_strenght: 0.25\n"
        "  did you mean denoising_strength?"
    )
    assert (error.path, error.reason, error.near) == (
        "stages.img2img.denoising_strenght",
        "unknown key",
        ("denoising_strength",),
    )


def test_a_key_without_near_match_lists_what_exists(tmp_path: Path) -> None:
    assert "stages.finish knows type, grade" in str(mistake(tmp_path, "stages: {finish: {zzz: 1}}"))


def test_the_order_of_stages(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "schema: sdwebui-preset/1\ntitle: x\nfamily: sd15\nstages:\n"
        "  finish: {type: finish}\n  txt2img: {type: txt2img, prompt: a}\n",
        encoding="utf-8",
    )
    with pytest.raises(PresetError, match="the order is finish, txt2img; the recipe runs txt2img, img2img"):
        load_preset(file)


def test_missing_keys_are_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("schema: sdwebui-preset/1\n", encoding="utf-8")
    with pytest.raises(PresetError) as caught:
        load_preset(file)
    assert {problem.path for problem in caught.value.problems} == {"title", "family", "stages"}
    assert "title: is missing" in str(caught.value)


def test_an_error_needs_a_problem() -> None:
    with pytest.raises(ValueError, match="at least one"):
        PresetError([])
    assert str(PresetProblem("", "gone")) == "gone"
    assert str(PresetProblem("a.b", "bad", source="f.yaml", line=3)) == "f.yaml:3: a.b: bad"
