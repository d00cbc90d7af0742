"""Training presets: the three that come with the project, how presets for pictures use them, and messages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from prompt_library.yaml12 import parse
from stages.choosing.params import ChooseParams
from stages.presets import (
    PresetError,
    dump_preset,
    is_training_preset,
    list_training_presets,
    load_preset,
    load_training_preset,
    training_file_schema,
)
from stages.presets._comments import training_comments
from stages.presets._files import BUILT_IN_DIR, TRAINING, built_in_names
from stages.presets.model import TrainingPreset, TrainParams
from train_lora.recipe import make_recipe
from train_lora.training_settings import TrainSettings

ROOT = Path(__file__).resolve().parents[3]
NAMES = ["sd15-best", "sd15-fast", "sdxl"]
HEAD = "schema: sdwebui-training/1\n"
CHILD = HEAD + "extends: sd15-best\n"
LOOK = "schema: sdwebui-preset/1\nextends: studio-sd15\n"


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def said(load: object, *args: object, **kwargs: object) -> str:
    with pytest.raises(PresetError) as caught:
        load(*args, **kwargs)  # type: ignore[operator]
    return str(caught.value)


# ---- the three


def test_there_are_three() -> None:
    found = list_training_presets()
    assert [preset.name for preset in found] == NAMES
    assert all(preset.path.is_file() and preset.description and preset.title for preset in found)


@pytest.mark.parametrize("name", NAMES)
def test_each_makes_a_recipe_and_so_does_its_second_try(name: str) -> None:
    preset = load_training_preset(name)
    values = preset.train.model_dump(mode="json", exclude={"preset", "trigger"})
    recipe = make_recipe(name="alice", family=preset.family, **values)
    assert recipe.lighter is not None
    assert recipe.lightened() != recipe
    assert recipe.lightened().lighter is None


@pytest.mark.parametrize("name", NAMES)
def test_the_second_try_needs_no_further_package_and_the_same_pictures(name: str) -> None:
    preset = load_training_preset(name)
    before, after = preset.train.model_dump(), preset.train.lightened().model_dump()
    changed = {key for key in before if before[key] != after[key]} - {"lighter"}
    assert changed
    assert changed <= {
        "batch_size", "gradient_checkpointing", "fp8_base", "network_dim", "network_alpha", "optimizer_type",
    }  # fmt: skip
    assert after["optimizer_type"] in ("AdamW", "Adafactor")
    assert after["attention"] != "xformers"


def test_best_is_what_was_asked_for() -> None:
    train = load_training_preset("sd15-best").train
    assert (train.network_dim, train.network_alpha) == (32, 16)
    assert (train.unet_lr, train.text_encoder_lr) == (1e-4, 5e-5)
    assert (train.min_snr_gamma, train.noise_offset, train.save_every_n_steps) == (5.0, 0.05, 200)
    assert train.resolution == 512
    # Ten photos, two of them held out; twenty, four of them.
    assert [train.total_steps(photos) for photos in (3, 8, 16, 40)] == [1200, 1200, 1600, 1600]


def test_fast_is_half_and_the_rest_is_the_bests() -> None:
    best, fast = (load_training_preset(name) for name in ("sd15-best", "sd15-fast"))
    for photos in (4, 8, 16, 30):
        assert fast.train.total_steps(photos) <= best.train.total_steps(photos) / 1.9
    checkpoints = [-(-p.train.total_steps(8) // (p.train.save_every_n_steps or 1)) for p in (best, fast)]
    assert fast.choose.jobs(checkpoints[1]) < best.choose.jobs(checkpoints[0]) / 2
    assert fast.train.min_snr_gamma == best.train.min_snr_gamma
    assert fast.train.lighter == best.train.lighter
    assert fast.name == "sd15-fast"


def test_sdxl_trains_the_u_net_only_and_caches_the_rest() -> None:
    train = load_training_preset("sdxl").train
    assert train.text_encoder_lr == 0.0
    assert train.cache_text_encoder_outputs
    assert train.gradient_checkpointing
    assert train.cache_latents == "memory"
    assert (train.resolution, train.network_dim, train.network_alpha) == (1024, 32, 16)
    assert train.mixed_precision == "auto"


@pytest.mark.parametrize("name", ["sd15-best", "sdxl"])
def test_every_setting_is_written_down_with_a_reason(name: str) -> None:
    """`caption_template` and `trigger` are texts of the preset that uses it, not numbers."""
    written = training_comments(name)
    text = (TRAINING.folder / f"{name}.yaml").read_text(encoding="utf-8")
    values = parse(text.encode()).value["train"]
    assert TrainSettings.model_fields.keys() - values.keys() == {"caption_template"}
    bare = [key for key in values if key not in written]
    # What the line above already explains, or is not a choice at all.
    assert set(bare) <= {"seed", "save_precision", "keep_metadata"}


def test_what_nobody_measured_is_called_untested() -> None:
    comments = training_comments("sd15-best")
    sources = ("EasyPhoto", "docs", "users", "user reports", "arXiv", "kohya_ss", "untested")
    for key in (
        "steps_per_photo",
        "network_dim",
        "unet_lr",
        "text_encoder_lr",
        "min_snr_gamma",
        "noise_offset",
    ):
        assert any(source in comments[key][1] for source in sources), key


@pytest.mark.parametrize("name", NAMES)
def test_files_have_the_editor_header_and_satisfy_its_schema(name: str) -> None:
    text = (TRAINING.folder / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# yaml-language-server: $schema=../schema/training.schema.json"
    assert (TRAINING.folder / "../schema/training.schema.json").is_file()
    jsonschema.validate(parse(text.encode()).value, training_file_schema())


def test_the_exported_schema_is_current_and_refuses() -> None:
    written = json.loads((BUILT_IN_DIR / "schema" / "training.schema.json").read_text(encoding="utf-8"))
    assert written == training_file_schema(), "run scripts/gen_preset_docs.py"
    jsonschema.Draft202012Validator.check_schema(written)
    for value in ({}, {"schema": "sdwebui-preset/1"}, {"schema": "sdwebui-training/1", "train": {"step": 1}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, written)


@pytest.mark.parametrize("model", [TrainingPreset, TrainParams, ChooseParams])
def test_every_field_is_described_and_in_the_reference(model: type[TrainingPreset]) -> None:
    reference = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
    for name, field in model.model_fields.items():
        assert len(field.description or "") > 10, name
        assert f"| `{field.alias or name}` |" in reference


def test_the_documentation_explains_every_preset() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"`{name}`" in text
    for key in ("steps_per_photo", "network_dim", "unet_lr", "text_encoder_lr", "min_snr_gamma", "lighter"):
        assert f"`{key}`" in text


# ---- loading


def test_sets_and_parents(tmp_path: Path) -> None:
    assert load_training_preset("sd15-fast", sets=["train.steps=300"]).train.total_steps(10) == 300
    mine = load_training_preset(write(tmp_path, CHILD + "train: {network_dim: 64}\nchoose: {pictures: 6}\n"))
    best = load_training_preset("sd15-best")
    assert mine.name == "mine"
    assert mine.train == best.train.model_copy(update={"network_dim": 64})
    assert mine.choose.pictures == 6
    assert mine.choose.weights == best.choose.weights


@pytest.mark.parametrize("name", NAMES)
def test_a_dumped_training_preset_reads_back_equal(name: str, tmp_path: Path) -> None:
    preset = load_training_preset(name, sets=["train.unet_lr=3e-5"])
    assert load_training_preset(write(tmp_path, dump_preset(preset), f"{name}.yaml")) == preset


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CHILD + "train: {unet_rl: 1e-4}\n", ["mine.yaml:3", "train.unet_rl", "did you mean unet_lr"]),
        (CHILD + "train:\n  network_dim: 0\n", ["mine.yaml:4", "train.network_dim", "at least 1"]),
        (CHILD + "train: {network_alpha: 64}\n", ["network_alpha (64) is above network_dim (32)"]),
        (CHILD + "choose: {picture: 2}\n", ["mine.yaml:3", "choose.picture", "did you mean pictures"]),
        (CHILD + "chose: {}\n", ["mine.yaml:3", "did you mean choose"]),
        (CHILD + "stages: {}\n", ["mine.yaml:3", "stages: unknown key", "a training preset knows"]),
        (CHILD + "family: sd16\n", ["mine.yaml:3", "sd15"]),
        (CHILD + "train: {preset: sdxl}\n", ["mine.yaml:3", "names no other", "extends"]),
        (
            CHILD + "train:\n  lighter: {gradient_checkpoint: true}\n",
            ["mine.yaml:4", "gradient_checkpointing"],
        ),
        (CHILD + "train:\n  lighter: {batch_size: 0}\n", ["mine.yaml:4", "train.lighter.batch_size"]),
        ("schema: sdwebui-training/2\nextends: sd15-best\n", ["mine.yaml:1", "newer program"]),
        ("schema: sdwebui-preset/1\n", ["this is a preset", "sdwebui-training/1"]),
        ("title: x\n", ["schema: is missing", "sdwebui-training/1"]),
        (HEAD + "extends: sd15-bst\n", ["mine.yaml:2", "did you mean sd15-best"]),
        (HEAD + "extends: studio-sd15\n", ["mine.yaml:2", "there is no preset"]),
        (HEAD + "title: x\nfamily: sd15\n", ["train: is missing"]),
        ("- a\n", ["a training preset is a map of keys; this is a list"]),
    ],
)
def test_broken_files(tmp_path: Path, text: str, words: list[str]) -> None:
    shown = said(load_training_preset, write(tmp_path, text))
    for word in words:
        assert word in shown, shown


@pytest.mark.parametrize(
    ("name", "sets", "words"),
    [
        ("sd15-bets", (), ["no training preset is called", "did you mean sd15-best"]),
        ("studio-sd15", (), ["preset for pictures", "sd15-best, sd15-fast, sdxl"]),
        ("nowhere.yaml", (), ["no such training preset file"]),
        ("sdxl", ("train.stepps=3",), ["--set", "there is no 'stepps' in train", "train.steps"]),
        ("sdxl", ("stages.txt2img.width=3",), ["there is no 'stages' in a training preset"]),
        ("sdxl", ("train.flip_aug=yes",), ["--set", "true or false"]),
        ("sdxl", ("train.text_encoder_lr=1e-5",), ["cache_text_encoder_outputs needs text_encoder_lr: 0"]),
    ],
)
def test_wrong_names_and_sets(name: str, sets: tuple[str, ...], words: list[str]) -> None:
    shown = said(load_training_preset, name, sets=sets)
    for word in words:
        assert word in shown, shown


# ---- presets for pictures


@pytest.mark.parametrize("name", built_in_names())
def test_every_preset_for_pictures_trains_by_one_of_its_family(name: str) -> None:
    preset = load_preset(name)
    assert preset.train.preset == ("sdxl" if preset.family == "sdxl" else "sd15-best")
    training = load_training_preset(str(preset.train.preset))
    named = {"preset", "trigger"}
    assert preset.train.model_dump(exclude=named) == training.train.model_dump(exclude=named)
    assert preset.choose == training.choose


def test_what_the_preset_says_itself_wins(tmp_path: Path) -> None:
    text = LOOK + "train: {preset: sd15-fast, network_dim: 64}\nchoose: {pictures: 9}\n"
    preset, fast = load_preset(write(tmp_path, text)), load_training_preset("sd15-fast")
    assert preset.train.network_dim == 64
    assert preset.train.unet_lr == fast.train.unet_lr
    assert preset.choose == fast.choose.model_copy(update={"pictures": 9})


def test_set_changes_the_training_preset_and_single_numbers() -> None:
    sets = ["train.preset=sd15-fast", "train.steps=7", "choose.steps=8"]
    preset, fast = load_preset("studio-sd15", sets=sets), load_training_preset("sd15-fast")
    assert (preset.train.preset, preset.train.steps, preset.choose.steps) == ("sd15-fast", 7, 8)
    assert preset.train.unet_lr == fast.train.unet_lr
    assert load_preset("studio-sd15", sets=["train.preset=null"]).train.steps_per_photo == 120


def test_a_training_preset_of_ones_own_lies_beside_the_preset(tmp_path: Path) -> None:
    write(tmp_path, CHILD + "train: {network_dim: 48}\n", "faces.yaml")
    preset = load_preset(write(tmp_path, LOOK + "train: {preset: faces.yaml}\n"))
    assert preset.train.network_dim == 48
    absolute = f"train.preset={tmp_path / 'faces.yaml'}"
    assert load_preset("studio-sd15", sets=[absolute]).train.network_dim == 48


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("train: {preset: sd15-fsat}", ["mine.yaml:3: train.preset", "did you mean sd15-fast"]),
        (
            "train: {preset: sdxl}",
            ["mine.yaml:3: train.preset", "sdxl is for sdxl", "sd15-best or sd15-fast"],
        ),
        ("train: {preset: other.yaml}", ["mine.yaml:3: train.preset", "no such training preset file"]),
        ("train: {preset: 3}", ["mine.yaml:3: train.preset", "must be text"]),
        ("train: {preset: ''}", ["mine.yaml:3: train.preset", "must not be blank"]),
        ("train: {preset: sd15-fast, network_dim: 4}", ["network_alpha (8) is above network_dim (4)"]),
        ("train: {stepps: 4}", ["mine.yaml:3: train.stepps", "did you mean steps"]),
        ("choose: {weights: [0.8, 0.8]}", ["mine.yaml:3: choose.weights", "twice"]),
    ],
)
def test_broken_uses(tmp_path: Path, block: str, words: list[str]) -> None:
    shown = said(load_preset, write(tmp_path, f"{LOOK}{block}\n"))
    for word in words:
        assert word in shown, shown


def test_a_broken_training_preset_is_told_by_its_own_file(tmp_path: Path) -> None:
    write(tmp_path, CHILD + "train:\n  unet_rl: 1\n", "faces.yaml")
    shown = said(load_preset, write(tmp_path, LOOK + "train: {preset: faces.yaml}\n"))
    assert "faces.yaml:4: train.unet_rl: unknown key" in shown


def test_a_training_preset_is_no_preset_for_pictures() -> None:
    assert "use it with --set train.preset=sd15-best" in said(load_preset, "sd15-best")
    assert "this is a training preset" in said(load_preset, TRAINING.folder / "sd15-best.yaml")


def test_a_resolved_preset_has_all_numbers_and_needs_no_training_preset(tmp_path: Path) -> None:
    write(tmp_path, CHILD + "train: {network_dim: 48, lighter: {network_dim: 24}}\n", "faces.yaml")
    preset = load_preset(write(tmp_path, LOOK + "train: {preset: faces.yaml}\n"))
    text = dump_preset(preset)
    for key in TrainSettings.model_fields:
        assert re.search(rf"^  \"?{key}\"?:", text, re.MULTILINE), key
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert load_preset(write(elsewhere, text)) == preset
    # Single numbers can be changed, but another training preset would change nothing.
    assert load_preset(elsewhere / "mine.yaml", sets=["train.steps=5"]).train.steps == 5
    shown = said(load_preset, elsewhere / "mine.yaml", sets=["train.preset=sd15-fast"])
    assert "would change nothing" in shown


def test_what_is_a_training_preset(tmp_path: Path) -> None:
    assert all(is_training_preset(name) for name in NAMES)
    assert is_training_preset(write(tmp_path, CHILD))
    assert is_training_preset(str(write(tmp_path, CHILD + "train: {unet_rl: 1}\n")))
    for other in ("studio-sd15", "nobody", "nowhere.yaml", str(tmp_path), write(tmp_path, LOOK, "look.yaml")):
        assert not is_training_preset(other)
    assert not is_training_preset(write(tmp_path, "a: [", "broken.yaml"))
