from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from faces import detect
from train_lora import (
    Dataset,
    PhotosError,
    PhotoSet,
    RecipeError,
    TrainError,
    build_dataset,
    make_recipe,
    read_dataset,
)
from train_lora.captions import caption


@pytest.fixture(scope="module")
def dataset(photo_set: PhotoSet, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build_dataset(
        photo_set, tmp_path_factory.mktemp("made") / "dataset", trigger="ohwx person", size=512
    )


def test_pictures_show_the_face_large_and_whole(dataset: Dataset, photo_set: PhotoSet) -> None:
    assert len(dataset.items) == len(photo_set.accepted) == 4
    for item in dataset.items:
        assert item.kind == "face"
        with Image.open(dataset.dir / item.image) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (item.width, item.height))
            assert item.width % 64 == item.height % 64 == 0
            assert 0.85 * 512**2 < item.width * item.height <= 512**2
            assert not image.getexif()
            (face,) = detect(image)
        x, y = face.eye_center
        assert 0.3 * item.width < x < 0.7 * item.width
        assert 0.25 * item.height < y < 0.55 * item.height
        assert face.height > 0.28 * (item.width * item.height) ** 0.5
        assert abs(face.roll_deg) < 22


def test_upright_photos_give_upright_pictures(dataset: Dataset, photo_set: PhotoSet) -> None:
    for item, photo in zip(dataset.items, photo_set.accepted, strict=True):
        assert (item.width < item.height) == (photo.width < 0.9 * photo.height)


def test_captions_stand_beside_the_pictures(dataset: Dataset) -> None:
    for item in dataset.items:
        text = (dataset.dir / item.image).with_suffix(".txt").read_text(encoding="utf-8")
        assert text == item.caption + "\n" == "a photo of ohwx person\n"


def test_photo_names_do_not_leak(dataset: Dataset, photo_set: PhotoSet) -> None:
    manifest = (dataset.dir / "manifest.json").read_text(encoding="utf-8")
    for photo in photo_set.accepted:
        assert photo.path.stem not in manifest
        assert str(photo.path.parent) not in manifest
        assert photo.sha256 in manifest


def test_the_same_photos_give_the_same_dataset(dataset: Dataset, photo_set: PhotoSet, tmp_path: Path) -> None:
    again = build_dataset(photo_set.accepted, tmp_path / "again", trigger="ohwx person", size=512)
    assert again.manifest_sha256 == dataset.manifest_sha256
    assert again.items == dataset.items


@pytest.mark.parametrize(
    "change", [{"trigger": "zwx man"}, {"size": 256}, {"caption_template": "{trigger}, {framing}"}]
)
def test_any_setting_makes_another_dataset(
    dataset: Dataset, photo_set: PhotoSet, tmp_path: Path, change
) -> None:
    settings = {"trigger": "ohwx person", "size": 512, **change}
    other = build_dataset(photo_set.accepted[:2], tmp_path / "other", **settings)
    base = build_dataset(photo_set.accepted[:2], tmp_path / "base", trigger="ohwx person", size=512)
    assert other.manifest_sha256 != base.manifest_sha256


def test_framing_is_told(photo_set: PhotoSet, tmp_path: Path) -> None:
    made = build_dataset(
        photo_set, tmp_path / "d", trigger="x y", caption_template="{trigger}, {framing}, {index}"
    )
    assert made.items[0].caption == "x y, head and shoulders, 1"
    assert {item.caption.split(", ")[1] for item in made.items} == {"head and shoulders", "close-up"}


def test_building_again_over_it_changes_nothing(photo_set: PhotoSet, tmp_path: Path) -> None:
    first = build_dataset(photo_set.accepted[:1], tmp_path / "d", trigger="x y")
    stamps = {path.name: path.stat().st_mtime_ns for path in first.dir.iterdir()}
    build_dataset(photo_set.accepted[:1], tmp_path / "d", trigger="x y")
    assert {path.name: path.stat().st_mtime_ns for path in first.dir.iterdir()} == stamps
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_damaged_dataset_is_made_again(photo_set: PhotoSet, tmp_path: Path) -> None:
    made = build_dataset(photo_set.accepted[:1], tmp_path / "d", trigger="x y")
    (made.dir / "001.png").write_bytes(b"cut")
    with pytest.raises(TrainError, match="has changed"):
        read_dataset(made.dir)
    build_dataset(photo_set.accepted[:1], tmp_path / "d", trigger="x y")
    assert read_dataset(made.dir).items == made.items


def test_read_back_it_is_the_same_without_its_photos(dataset: Dataset) -> None:
    back = read_dataset(dataset.dir)
    assert back == dataclasses.replace(dataset, source=())


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "{",
        "[]",
        '{"schema": "dataset/2"}',
        '{"schema":"dataset/2","items":[{"image":1}],"regularisation":[],"trigger":"","size":1}',
        '{"schema":"dataset/2","items":[],"regularisation":[],"trigger":"","size":1}',
    ],
)
def test_broken_manifests_are_refused(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(TrainError, match="not a complete dataset"):
        read_dataset(tmp_path)


def test_another_schema_is_refused_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": "dataset/9"}))
    with pytest.raises(TrainError, match="dataset/9"):
        read_dataset(tmp_path)


def test_foreign_folders_are_never_replaced(photo_set: PhotoSet, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("x")
    for name in ("holiday", "file"):
        with pytest.raises(TrainError, match="no dataset"):
            build_dataset(photo_set, tmp_path / name, trigger="x y")
    assert (tmp_path / "holiday" / "letter.txt").read_text() == "dear"


def test_a_photo_that_changes_meanwhile_leaves_nothing_behind(photo_set: PhotoSet, tmp_path: Path) -> None:
    moved = tmp_path / "gone.jpg"
    shutil.copy(photo_set.accepted[0].path, moved)
    photo = dataclasses.replace(photo_set.accepted[0], path=moved)
    moved.write_bytes(moved.read_bytes() + b"\0")
    with pytest.raises(PhotosError, match="has changed"):
        build_dataset([photo], tmp_path / "d", trigger="x y")
    assert [path.name for path in tmp_path.iterdir()] == ["gone.jpg"]


def test_no_photos_are_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="no photos"):
        build_dataset([], tmp_path / "d", trigger="x y")


@pytest.mark.parametrize("trigger", ["", "  ", "a:1.2", "<lora>", "(x)", "a,b", "a\nb", 'a"b', "a\x00b"])
def test_triggers_that_prompts_misread_are_refused(trigger: str) -> None:
    with pytest.raises(RecipeError, match="trigger"):
        caption("a photo of {trigger}", trigger=trigger, index=1, framing="close-up")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a photo", "lacks"),
        ("{trigger} {name}", "name"),
        ("{trigger} {}", "names"),
        ("{trigger", "not readable"),
        ("{trigger.__class__}", "trigger.__class__"),
    ],
)
def test_templates_that_cannot_work_are_refused(template: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        caption(template, trigger="ohwx person", index=1, framing="close-up")


def test_recipe_defaults_and_limits() -> None:
    recipe = make_recipe(name="alice")
    assert (recipe.total_steps(10), recipe.network_dim, recipe.network_alpha) == (1200, 32, 16.0)
    with pytest.raises(RecipeError) as caught:
        make_recipe(name="../x", steps=0, unet_lr=1, resolution=500, colour="red")
    for word in ("name:", "steps:", "unet_lr:", "resolution:", "colour:"):
        assert word in caught.value.message


@pytest.mark.parametrize(
    "settings",
    [
        {"network_dim": 4, "network_alpha": 17},
        {"trigger": "a:b"},
        {"caption_template": "no trigger"},
        {"name": "a b"},
        {"name": ""},
        {"name": "-x"},
        {"name": "한글"},
        {"name": "x" * 65},
        {"family": "sd3"},
    ],
)
def test_impossible_recipes_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match="do not fit"):
        make_recipe(**{"name": "alice", **settings})
