"""The library's own data, and a user's additions."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from prompt_library import (
    KEYPOINTS,
    Library,
    LibraryError,
    UnknownName,
    check_template,
    lint,
    load_library,
    place,
)
from prompt_library.model import FAMILIES


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


def test_there_is_enough_of_everything(library: Library) -> None:
    assert len(library.poses) >= 6
    assert len(library.outfits) >= 6
    assert len(library.backdrops) >= 6
    assert {"cool", "warm", "neutral"} <= set(library.tones)
    assert {"front", "three_quarter_left", "three_quarter_right", "head_tilt", "id_front"} <= set(
        library.poses
    )
    assert library.styles is library.mixes


def test_every_item_says_what_it_is_for_in_two_languages(library: Library) -> None:
    for shelf in (
        library.poses,
        library.tones,
        library.outfits,
        library.backdrops,
        library.mixes,
        library.snippets,
    ):
        for item in shelf.values():
            assert item.for_.strip().endswith(".")
            assert any("가" <= char <= "힣" for char in item.title.ko)
            assert item.title.en.isascii()


def test_cool_is_cooler_than_warm(library: Library) -> None:
    assert library.tones["cool"].grade.temperature < 0 < library.tones["warm"].grade.temperature
    assert library.tones["neutral"].grade.model_dump() == dict.fromkeys(
        ("temperature", "tint", "contrast", "saturation", "lift"), 0.0
    )


def test_every_text_is_a_good_prompt(library: Library) -> None:
    for shelf in (library.snippets, library.negatives):
        for item in shelf.values():
            for family in FAMILIES:
                check_template(item.text.of(family))
                assert lint(item.text.of(family)) == []
    for shelf in (library.tones, library.outfits, library.backdrops):
        for item in shelf.values():
            for family in FAMILIES:
                assert lint(item.prompt.of(family)) == []
                negative = item.negative.of(family)
                assert negative == "" or lint(negative) == []
    for pose in library.poses.values():
        assert lint(pose.prompt) == []


def test_mixes_stay_gentle_and_serve_a_family(library: Library) -> None:
    for name, mix in library.mixes.items():
        for family in FAMILIES:
            loras = mix.for_family(family)
            assert sum(abs(lora.weight) for lora in loras) <= 1.2, name
            assert len({lora.name for lora in loras}) == len(loras)
        assert all(lora.optional for lora in mix.loras)


def test_poses_are_portraits(library: Library) -> None:
    for name, pose in library.poses.items():
        points = dict(zip(KEYPOINTS, pose.keypoints, strict=True))
        eyes = [points[eye] for eye in ("right_eye", "left_eye") if points[eye] is not None]
        assert eyes, name
        assert all(eye is not None and eye[1] < 1 / 3 for eye in eyes), name
        nose, neck = points["nose"], points["neck"]
        assert nose is not None
        assert neck is not None
        # Nose to neck is about two thirds of a head.
        assert 0.25 * 0.6 <= neck[1] - nose[1] <= 0.35 * 0.7, name


def test_right_is_the_persons_right(library: Library) -> None:
    for name, pose in library.poses.items():
        for part in ("shoulder", "eye", "ear", "elbow", "hip"):
            right, left = pose.points.get(f"right_{part}"), pose.points.get(f"left_{part}")
            if right and left:
                assert right[0] < left[0], (name, part)


def test_face_points_do_not_overlap_when_drawn(library: Library) -> None:
    face = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
    for width, height in ((512, 768), (832, 1216), (512, 640)):
        radius = 4 * min(width, height * 2 / 3) / 512
        for name, pose in library.poses.items():
            placed = dict(zip(KEYPOINTS, place(pose, width, height), strict=True))
            shown = [placed[part] for part in face if placed[part] is not None]
            for a, b in itertools.combinations(shown, 2):
                assert a is not None
                assert b is not None
                distance = ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5
                assert distance > 4 * radius, name


def test_turned_poses_mirror_each_other(library: Library) -> None:
    left, right = library.poses["three_quarter_left"], library.poses["three_quarter_right"]
    swap = {"right": "left", "left": "right"}
    for name, (x, y) in left.points.items():
        side, _, part = name.partition("_")
        twin = f"{swap[side]}_{part}" if side in swap else name
        assert right.points[twin] == pytest.approx((1 - x, y))


def test_unknown_names_give_the_near_match(library: Library) -> None:
    with pytest.raises(UnknownName, match="did you mean front") as caught:
        library.poses["frnt"]
    assert caught.value.near[0] == "front"
    with pytest.raises(UnknownName, match="there are cool, monochrome"):
        library.tones["zzzzzz"]
    assert "frnt" not in library.poses


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_user_adds_and_replaces(tmp_path: Path) -> None:
    text = """schema: sdwebui-prompts/1
outfits:
  apron: {title: {ko: 앞치마, en: Apron}, for: Cooks., prompt: white apron}
  suit_navy: {title: {ko: 정장, en: Suit}, for: Ours., prompt: {sd15: a, sdxl: b}}
"""
    library = load_library(write(tmp_path, "outfits.yaml", text))
    assert library.outfits["apron"].prompt.sd15 == "white apron"
    assert library.outfits["suit_navy"].prompt.of("sdxl") == "b"
    assert library.outfits["hanbok"] == load_library().outfits["hanbok"]


HEAD = "schema: sdwebui-prompts/1\n"
ITEM = "title: {ko: 가, en: A}, for: x"
POSE = f"{HEAD}poses:\n  a: {{{ITEM}, framing: half_body, points: "
TONE = f"{HEAD}tones:\n a: {{{ITEM}, prompt: x,\n  grade: "
MIX = f"{HEAD}mixes:\n  a: {{{ITEM}, loras: "


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("outfits.yaml", "outfits: {}", "schema: sdwebui-prompts/1"),
        ("outfits.yaml", HEAD + "outfit: {}", "outfits.yaml:2: unknown key 'outfit'"),
        ("outfits.yaml", HEAD + "outfits: [a]", "must be a map"),
        ("outfits.yaml", HEAD + "outfits:\n  Suit: {}", "outfits.yaml:3: 'Suit' is no name"),
        ("outfits.yaml", HEAD + "outfits:\n  a:\n    prompt: x", "outfits.a"),
        ("outfits.yaml", HEAD + f"outfits:\n  a: {{{ITEM}, prompt: x, colour: y}}", "outfits.a.colour"),
        ("outfits.yaml", HEAD + "outfits:\n  a: 3", "outfits.yaml:3: outfits.a"),
        ("tones.yaml", TONE + "{tint: 3}}", "tones.yaml:4: tones.a.grade.tint"),
        ("poses.yaml", POSE + "{nose: [2, 0]}}", "poses.a.points.nose"),
        ("poses.yaml", POSE + "{noze: [0.1, 0.1]}}", "unknown keypoint 'noze'"),
        ("poses.yaml", POSE + "{}}", "needs nose, neck"),
        ("mixes.yaml", MIX + "[{name: 'a:b', weight: 1, for: x}]}", "mixes.a.loras.0.name"),
        ("snippets.yaml", HEAD + f"snippets:\n  tone: {{{ITEM}, text: x}}", "already means"),
        ("snippets.yaml", HEAD + "snippets:\n  a: 1\n  a: 2\n", "given twice"),
    ],
)
def test_broken_data_names_file_line_and_reason(tmp_path: Path, file: str, text: str, words: str) -> None:
    with pytest.raises(LibraryError) as caught:
        load_library(write(tmp_path, file, text))
    assert words in str(caught.value)


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="no such folder"):
        load_library(tmp_path / "nowhere")
