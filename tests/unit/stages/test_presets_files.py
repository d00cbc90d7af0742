"""Files, parents and merging."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages.presets import PresetError, load_preset
from stages.presets._files import BUILT_IN_DIR, read_tree

HEAD = "schema: sdwebui-preset/1\n"
CHILD = HEAD + "extends: studio-sd15\n"


def write(folder: Path, text: str | bytes, name: str = "mine.yaml") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def problem(folder: Path, text: str | bytes) -> str:
    with pytest.raises(PresetError) as caught:
        load_preset(write(folder, text))
    return str(caught.value)


def test_maps_merge_lists_replace_null_removes(tmp_path: Path) -> None:
    text = """poses: [profile_left]
lora: {weight: 0.6}
stages:
  txt2img:
    controlnet: {weight: 0.5}
    adetailer: {hand: null}
  img2img:
    adetailer: null
"""
    mine, base = load_preset(write(tmp_path, CHILD + text)), load_preset("studio-sd15")
    assert mine.poses == ("profile_left",)
    assert (mine.lora.weight, mine.lora.face_weight) == (0.6, base.lora.face_weight)
    assert mine.txt2img.controlnet is not None
    assert base.txt2img.controlnet is not None
    assert mine.txt2img.controlnet == base.txt2img.controlnet.model_copy(update={"weight": 0.5})
    assert mine.txt2img.adetailer is not None
    assert mine.txt2img.adetailer.hand is None
    assert mine.txt2img.adetailer.face is not None
    assert mine.img2img is not None
    assert mine.img2img.adetailer is None
    assert mine.upscale == base.upscale


def test_siblings_come_before_built_in_parents(tmp_path: Path) -> None:
    write(tmp_path, CHILD + "title: Middle\nshots: 5\n", "middle.yaml")
    assert load_preset(write(tmp_path, HEAD + "extends: middle\nkeep: 2\n")).shots == 5
    # Same name as a built-in one: extends ours, not itself.
    own = write(tmp_path, CHILD + "shots: 7\n", "studio-sd15.yaml")
    assert load_preset(own).shots == 7
    assert load_preset(write(tmp_path, CHILD)).shots == 7


PLACE = "mine.yaml:2: extends: "
TWICE = "mine.yaml:4: shots: the key 'shots' is given twice (first in line 3)"
NEWER = "schema: sdwebui-preset/2\nextends: studio-sd15\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "extends: studio-sd-15\n", [PLACE + "there is no preset", "did you mean studio-sd15"]),
        (HEAD + "extends: ../studio-sd15\n", ["is a path"]),
        (HEAD + "extends: /etc/passwd\n", ["is a path"]),
        (HEAD + "extends: a..b\n", ["is a path"]),
        (HEAD + "extends: ..\n", ["is a path"]),
        (HEAD + "extends: [a, b]\n", ["not a list of parents"]),
        (HEAD + "extends: 3\n", ["names one parent", "not 3"]),
        (HEAD + "extends: mine\n", [PLACE + "goes round in a circle: mine -> mine"]),
        (NEWER, ["mine.yaml:1: schema: 'sdwebui-preset/2' is not one of the choices", "newer program"]),
        ("title: x\n", ["schema: is missing", "begin the file with"]),
        ("", ["the file is empty"]),
        ("# nothing\n", ["the file is empty"]),
        ("- a\n- b\n", ["a preset is a map of keys; this is a list"]),
        ("just text", ["this is a single value"]),
        (CHILD + "shots: 3\nshots: 4\n", [TWICE]),
        (CHILD + "\tshots: 3\n", ["mine.yaml:3", "tab", "indent with spaces"]),
        (CHILD.encode("utf-16"), ["UTF-16"]),
        (CHILD.encode() + b"title: \xff\n", ["mine.yaml:3", "not UTF-8"]),
        (CHILD + "title: !!python/name:os.system x\n", ["mine.yaml:3", "tag"]),
        (CHILD + "x: &a [*a]\n", ["alias"]),
        (CHILD + "description: " + "x" * 300_000, ["bytes"]),
    ],
)
def test_broken_files(tmp_path: Path, text: str | bytes, words: list[str]) -> None:
    shown = problem(tmp_path, text)
    for word in words:
        assert word in shown


def test_circles_and_long_chains(tmp_path: Path) -> None:
    write(tmp_path, HEAD + "extends: b\n", "a.yaml")
    write(tmp_path, HEAD + "extends: a\n", "b.yaml")
    with pytest.raises(PresetError, match="a -> b -> a"):
        load_preset(tmp_path / "a.yaml")
    for n in range(12):
        write(tmp_path, f"{HEAD}extends: p{n + 1}\n", f"p{n}.yaml")
    with pytest.raises(PresetError, match="generations"):
        load_preset(tmp_path / "p0.yaml")


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf" + (CHILD + "shots: 4\n").replace("\n", "\r\n").encode()
    assert load_preset(write(tmp_path, data)).shots == 4


def test_yaml_1_1_traps(tmp_path: Path) -> None:
    preset = load_preset(write(tmp_path, CHILD + "subject: no\nshots: 012\ntrain: {unet_lr: 1e-4}\n"))
    assert preset.subject == "no"
    assert preset.shots == 12
    assert preset.train.unet_lr == 1e-4


def test_alias_bomb(tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert "aliases" in problem(tmp_path, CHILD + "\n".join(levels))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(tmp_path: Path) -> None:
    file = write(tmp_path, CHILD)
    file.chmod(0)
    with pytest.raises(PresetError, match="cannot be read"):
        load_preset(file)


def test_every_value_knows_where_it_was_written() -> None:
    tree = read_tree(BUILT_IN_DIR / "id-photo-sd15.yaml")
    assert tree.origin(("stages", "txt2img", "width")).source == "id-photo-sd15.yaml"  # type: ignore[union-attr]
    assert tree.origin(("stages", "txt2img", "steps")).source == "_base-sd15.yaml"  # type: ignore[union-attr]
    assert tree.origin(("stages", "upscale", "padding")).source == "_base.yaml"  # type: ignore[union-attr]
    origin = tree.origin(("stages", "upscale", "padding"))
    assert origin is not None
    assert origin.excerpt.strip().startswith("padding:")


def test_every_built_in_file_has_the_editor_header_and_schema() -> None:
    for file in BUILT_IN_DIR.glob("*.yaml"):
        lines = file.read_text(encoding="utf-8").splitlines()
        assert lines[0] == "# yaml-language-server: $schema=schema/preset.schema.json", file.name
        assert "schema: sdwebui-preset/1" in lines
