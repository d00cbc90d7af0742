"""What a rendered picture must be, whatever it shows: right size, repeatable, marked, obedient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from prompt_library import load_library
from prompt_library.skeleton import draw_skeleton
from sdwebui_client.sandbox.render import (
    ActiveLora,
    Control,
    Detailer,
    Picture,
    RenderError,
    SandboxLoraError,
    Scene,
    preview,
    render,
)
from sdwebui_client.sandbox.render.palette import read_look

from .conftest import WriteLora, encode

SUIT = "tailored navy suit jacket, white shirt, light gray studio backdrop"
PLAIN = Scene("txt2img", 128, 192, 7, SUIT)


def sharpness(picture: Picture) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def warmth(picture: Picture) -> float:
    red, _, blue = picture.reshape(-1, 3).mean(axis=0)
    return float(red - blue)


@pytest.fixture
def drawn() -> Picture:
    return render(PLAIN)


@pytest.mark.parametrize("size", [(128, 192), (16, 16), (200, 72), (65, 131)])
@pytest.mark.parametrize("kind", ["txt2img", "img2img", "upscale"])
def test_size_and_type(kind: str, size: tuple[int, int], drawn: Picture) -> None:
    picture = render(replace(PLAIN, kind=kind, width=size[0], height=size[1], init_image=drawn))
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("kind", ["txt2img", "img2img", "upscale"])
def test_equal_scenes_give_equal_bytes(kind: str, drawn: Picture, write_lora: WriteLora) -> None:
    scene = replace(
        PLAIN,
        kind=kind,
        loras=(ActiveLora(write_lora(), 0.8),),
        details=(Detailer("face"),),
        init_image=drawn,
        denoising_strength=0.4,
    )
    assert render(scene).tobytes() == render(scene).tobytes()


@pytest.mark.parametrize("kind", ["txt2img", "img2img", "upscale"])
def test_another_seed_gives_another_picture(kind: str, drawn: Picture) -> None:
    scene = replace(PLAIN, kind=kind, init_image=drawn)
    assert not np.array_equal(render(scene), render(replace(scene, seed=8)))


def test_large_seeds_are_fine() -> None:
    assert render(replace(PLAIN, seed=2**32 - 1)).any()


@pytest.mark.parametrize("kind", ["img2img", "upscale"])
def test_an_init_image_is_needed(kind: str) -> None:
    with pytest.raises(RenderError, match="init image"):
        render(replace(PLAIN, kind=kind))


def test_too_small_is_refused() -> None:
    with pytest.raises(RenderError, match="8x192"):
        render(replace(PLAIN, width=8))


@pytest.mark.parametrize("kind", ["txt2img", "img2img", "upscale"])
def test_every_picture_says_sandbox_in_its_corner(kind: str, drawn: Picture) -> None:
    scene = replace(PLAIN, kind=kind, width=256, height=384, init_image=drawn)
    bare = render(replace(scene, marked=False))
    changed = np.argwhere((render(scene) != bare).any(axis=2))
    top, left = changed.min(axis=0)
    assert top > 384 * 0.94
    assert left > 256 * 0.7


def test_marking_an_enlarged_picture_covers_the_old_mark() -> None:
    first = render(replace(PLAIN, width=256, height=384))
    scene = Scene("upscale", 512, 768, 1, init_image=first)
    again = render(scene)
    fresh = render(replace(scene, init_image=render(replace(PLAIN, width=256, height=384, marked=False))))
    corner = np.s_[735:755, 430:500]
    assert np.abs(again[corner].astype(int) - fresh[corner].astype(int)).mean() < 8


def test_a_skeleton_moves_the_head(write_lora: WriteLora) -> None:
    poses = load_library().poses

    def with_pose(name: str) -> Picture:
        skeleton = np.asarray(draw_skeleton(poses[name], 256, 384))
        scene = replace(PLAIN, width=256, height=384, loras=(ActiveLora(write_lora()),), marked=False)
        return render(replace(scene, controls=(Control("openpose", skeleton),)))

    left, right = with_pose("three_quarter_left"), with_pose("three_quarter_right")
    assert np.abs(left.astype(int) - right.astype(int))[60:200].mean() > 8


def test_a_control_of_weight_zero_does_nothing() -> None:
    skeleton = np.asarray(draw_skeleton(load_library().poses["head_tilt"], 128, 192))
    off = replace(PLAIN, controls=(Control("openpose", skeleton, weight=0.0),))
    assert np.array_equal(render(off), render(PLAIN))
    assert not np.array_equal(render(replace(off, controls=(Control("openpose", skeleton),))), render(PLAIN))


def test_the_prompt_colours_backdrop_and_clothes() -> None:
    def corner(prompt: str) -> np.ndarray:
        return render(replace(PLAIN, prompt=prompt))[4:24, 4:24].reshape(-1, 3).mean(axis=0)

    def chest(prompt: str) -> np.ndarray:
        return render(replace(PLAIN, prompt=prompt))[170:180, 40:80].reshape(-1, 3).mean(axis=0)

    assert corner("plain pure white background").mean() > corner("dark charcoal studio backdrop").mean() + 60
    red, _, blue = corner("plain blue studio backdrop")
    assert blue > red + 20
    red, green, _ = chest("red sweater")
    assert red > green + 30
    assert chest("white sweater").mean() > chest("black sweater").mean() + 80


def test_cool_is_cooler_than_warm() -> None:
    cool, warm = (render(replace(PLAIN, prompt=f"{SUIT}, {tone} color tone")) for tone in ("cool", "warm"))
    assert warmth(warm) - warmth(cool) > 12


def test_img2img_keeps_its_image_and_tones_it_by_its_strength(drawn: Picture) -> None:
    scene = replace(PLAIN, kind="img2img", init_image=drawn, prompt=f"{SUIT}, warm color tone")
    weak, usual = (render(replace(scene, denoising_strength=value)) for value in (0.1, 0.3))
    neutral = render(replace(scene, prompt=SUIT, denoising_strength=0.3))
    assert warmth(drawn) < warmth(weak) < warmth(usual)
    assert abs(warmth(neutral) - warmth(drawn)) < 2
    assert np.abs(neutral.astype(int) - drawn.astype(int)).mean() < 8


def test_img2img_at_full_strength_draws_anew() -> None:
    red = np.zeros((192, 128, 3), np.uint8)
    red[:, :, 0] = 220
    scene = replace(PLAIN, kind="img2img", init_image=red)
    kept, fresh = (render(replace(scene, denoising_strength=value)) for value in (0.3, 1.0))
    assert warmth(kept) > 150
    assert warmth(fresh) < 60


def test_inpainting_changes_only_what_the_mask_shows(drawn: Picture) -> None:
    mask = np.zeros((192, 128), np.uint8)
    mask[:96] = 255
    scene = replace(PLAIN, kind="img2img", init_image=drawn, mask=mask, denoising_strength=1.0, seed=99)
    result = render(replace(scene, marked=False))
    difference = np.abs(result.astype(int) - drawn.astype(int)).max(axis=(1, 2))
    assert difference[100:].max() <= 1
    assert difference[:90].mean() > 20


def test_adetailer_sharpens_the_face_and_nothing_else(write_lora: WriteLora) -> None:
    scene = replace(PLAIN, width=384, height=576, loras=(ActiveLora(write_lora(), 0.8),))
    soft, crisp = render(scene), render(replace(scene, details=(Detailer("face"),)))
    face, floor = np.s_[190:330, 130:250], np.s_[460:540, 20:250]
    assert sharpness(crisp[face]) > 1.5 * sharpness(soft[face])
    assert sharpness(crisp[floor]) == pytest.approx(sharpness(soft[floor]), rel=0.25)


def test_adetailer_finds_the_face_of_an_init_image(write_lora: WriteLora) -> None:
    lora = ActiveLora(write_lora(), 0.8)
    first = render(replace(PLAIN, width=384, height=576, loras=(lora,)))
    scene = Scene("img2img", 384, 576, 7, SUIT, loras=(lora,), init_image=first, denoising_strength=0.2)
    face = np.s_[190:330, 130:250]
    with_unit = render(replace(scene, details=(Detailer("face"),)))
    assert sharpness(with_unit[face]) > 1.3 * sharpness(render(scene)[face])


def test_few_steps_leave_a_soft_picture() -> None:
    scene = replace(PLAIN, width=256, height=384)
    assert sharpness(render(replace(scene, steps=2))[40:300]) < 0.6 * sharpness(render(scene)[40:300])


def test_upscaling_is_sharper_than_resizing_and_tile_control_sharper_still() -> None:
    first = render(replace(PLAIN, width=256, height=384, marked=False))
    resized = cv2.resize(first, (512, 768), interpolation=cv2.INTER_LANCZOS4)
    scene = Scene("upscale", 512, 768, 1, init_image=first, denoising_strength=0.1, marked=False)
    plain, held = render(scene), render(replace(scene, controls=(Control("tile", first),)))
    assert sharpness(resized) < sharpness(plain) < sharpness(held)
    assert np.abs(plain.astype(int) - resized.astype(int)).mean() < 4


def test_tiles_drift_apart_without_a_tile_control() -> None:
    grey = np.full((512, 512, 3), 128, np.uint8)
    scene = Scene("upscale", 1024, 1024, 5, init_image=grey, denoising_strength=0.8, marked=False)

    def spread(picture: Picture) -> float:
        means = [picture[y : y + 256, x : x + 256].mean() for y in (128, 640) for x in (128, 640)]
        return max(means) - min(means)

    assert spread(render(scene)) > 2
    assert spread(render(replace(scene, controls=(Control("tile", grey),)))) < 1
    assert spread(render(replace(scene, denoising_strength=0.1))) < 1


def test_a_real_lora_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    path.write_bytes(encode({"ss_network_dim": "8"}, {"x": np.zeros((2, 2), np.uint8)}))
    assert np.array_equal(render(replace(PLAIN, loras=(ActiveLora(path),))), render(PLAIN))


def test_a_damaged_sandbox_lora_is_an_error(write_lora: WriteLora) -> None:
    path = write_lora("broken", sandbox_landmarks="[]")
    with pytest.raises(SandboxLoraError):
        render(replace(PLAIN, loras=(ActiveLora(path),)))


def test_weight_zero_leaves_the_person_out(write_lora: WriteLora) -> None:
    lora = write_lora()
    assert np.array_equal(render(replace(PLAIN, loras=(ActiveLora(lora, 0.0),))), render(PLAIN))
    assert not np.array_equal(render(replace(PLAIN, loras=(ActiveLora(lora, 0.8),))), render(PLAIN))


def test_previews_are_small_and_clear_up(write_lora: WriteLora) -> None:
    scene = replace(PLAIN, width=512, height=768, loras=(ActiveLora(write_lora(), 0.8),))
    final = cv2.resize(render(scene), (171, 256), interpolation=cv2.INTER_AREA).astype(int)
    errors = []
    for fraction in (0.0, 0.4, 0.8, 1.0):
        shown = preview(scene, fraction)
        assert shown.shape == (256, 171, 3)
        errors.append(np.abs(shown.astype(int) - final)[:240].mean())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 8
    assert np.array_equal(preview(scene, 0.5), preview(scene, 0.5))


@pytest.mark.parametrize("outfit", sorted(load_library().outfits))
def test_every_outfit_of_the_library_is_drawn(outfit: str) -> None:
    look = load_library().outfits[outfit].prompt.of("sd15")
    picture = render(replace(PLAIN, prompt=look))
    assert picture[150:].std() > 5
    assert read_look(look).garment


@pytest.mark.parametrize("pose", sorted(load_library().poses))
def test_every_pose_of_the_library_is_drawn(pose: str, write_lora: WriteLora) -> None:
    skeleton = np.asarray(draw_skeleton(load_library().poses[pose], 128, 192))
    scene = replace(PLAIN, controls=(Control("openpose", skeleton),), loras=(ActiveLora(write_lora()),))
    assert render(scene).std() > 20
