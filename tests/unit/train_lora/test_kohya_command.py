from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import toml

from train_lora.backends.kohya.command import DatasetLayout, KohyaPaths, Resume, TrainCommand, build_command
from train_lora.backends.kohya.layout import is_bucket
from train_lora.backends.kohya.precision import choose_precision, problems
from train_lora.backends.kohya.train_config import class_word, join_path, to_toml
from train_lora.errors import RecipeError
from train_lora.recipe import TrainRecipe, make_recipe

PATHS = KohyaPaths("/v/python", "/sd-scripts", "/m/base.safetensors", "/photos", "/job", "/tok")
SQUARE = frozenset({(512, 512)})
LAYOUT = DatasetLayout(10, 0, SQUARE)


def recipe(**settings: object) -> TrainRecipe:
    return make_recipe(**{"name": "alice", **settings})


def build(layout: DatasetLayout = LAYOUT, resume: Resume | None = None, **settings: object) -> TrainCommand:
    return build_command(recipe(**settings), layout, PATHS, precision="bf16", device="cuda", resume=resume)


def train_toml(command: TrainCommand) -> dict[str, Any]:
    return toml.loads(command.files["train.toml"])


def dataset_toml(command: TrainCommand) -> dict[str, Any]:
    (dataset,) = toml.loads(command.files["dataset.toml"])["datasets"]
    return dict(dataset)


def test_the_whole_command() -> None:
    command = build()
    assert command.argv == (
        *("/v/python", "/sd-scripts/train_network.py"),
        *("--config_file", "/job/train.toml", "--dataset_config", "/job/dataset.toml"),
        *("--pretrained_model_name_or_path", "/m/base.safetensors"),
        *("--output_dir", "/job/out", "--output_name", "alice", "--tokenizer_cache_dir", "/tok"),
        "--console_log_simple",
    )
    assert command.cwd == "/sd-scripts"
    assert (command.output_dir, command.output_name, command.steps) == ("/job/out", "alice", 1200)
    assert command.env["PYTHONUNBUFFERED"] == "1"
    assert {"TQDM_ASCII", "COLUMNS"} <= set(command.unset)
    assert {"SDWEBUI_SECRET", "SDWEBUI_DATABASE_URL", "SDWEBUI_SMTP_PASSWORD"} <= set(command.unset)
    assert not set(command.unset) & set(command.env)


def test_the_settings_arrive() -> None:
    config = train_toml(build(network_dim=64, network_alpha=32.0, seed=7, scale_weight_norms=1.0))
    assert config["network_dim"] == 64
    assert config["network_alpha"] == 32.0
    assert (config["unet_lr"], config["text_encoder_lr"], config["learning_rate"]) == (1e-4, 5e-5, 1e-4)
    assert config["max_train_steps"] == 1200
    assert config["seed"] == 7
    assert config["scale_weight_norms"] == 1.0
    assert config["sdpa"] is True
    assert config["xformers"] is False
    assert "network_dropout" not in config
    assert config["max_data_loader_n_workers"] == 0


def test_only_one_half_is_trained() -> None:
    unet = train_toml(build(text_encoder_lr=0.0))
    assert unet["network_train_unet_only"] is True
    assert unet["network_train_text_encoder_only"] is False
    assert "text_encoder_lr" not in unet
    text = train_toml(build(unet_lr=0.0))
    assert text["network_train_text_encoder_only"] is True
    assert "unet_lr" not in text
    # A rate of 0 would be used for whatever has none of its own.
    assert text["learning_rate"] == 5e-5


def test_sdxl() -> None:
    settings: dict[str, object] = {
        "family": "sdxl",
        "text_encoder_lr": 0.0,
        "cache_text_encoder_outputs": True,
    }
    layout = DatasetLayout(10, 0, frozenset({(1024, 1024)}))
    command = build(layout, resolution=1024, **settings)
    assert command.argv[1] == "/sd-scripts/sdxl_train_network.py"
    config = train_toml(command)
    assert config["cache_text_encoder_outputs"] is True
    assert config["no_half_vae"] is False
    half = build_command(recipe(**settings), LAYOUT, PATHS, precision="fp16", device="cuda")
    assert train_toml(half)["no_half_vae"] is True
    assert not {"no_half_vae", "cache_text_encoder_outputs"} & set(train_toml(build()))


def test_disk_use_of_states_is_bounded() -> None:
    config = train_toml(build(save_every_n_steps=100))
    assert config["save_every_n_steps"] == 100
    assert config["save_state"] is True
    assert config["save_last_n_steps_state"] == 1
    none = train_toml(build(save_every_n_steps=None))
    assert not {"save_state", "save_every_n_steps"} & set(none)


def test_nothing_personal_in_the_comment() -> None:
    command = build_command(
        recipe(name="kimalice", trigger="zzz person"), LAYOUT, PATHS, precision="bf16", device="cuda"
    )
    assert "kimalice" not in command.files["train.toml"]
    assert "zzz" not in command.files["train.toml"]
    assert "/photos" not in command.files["train.toml"]


def test_resume_trains_the_rest_only() -> None:
    command = build(resume=Resume("/job/out/alice-step00000200-state", 200))
    assert command.argv[-5:] == (
        *("--resume", "/job/out/alice-step00000200-state", "--initial_step", "200"),
        "--skip_until_initial_step",
    )
    # The schedule of the learning rate stays that of the whole training.
    assert train_toml(command)["max_train_steps"] == 1200
    assert command.files == build().files


@pytest.mark.parametrize(("accumulation", "step", "first"), [(1, 200, 200), (4, 200, 50), (3, 200, 66)])
def test_resume_with_accumulation(accumulation: int, step: int, first: int) -> None:
    """sd-scripts multiplies it by the accumulation again."""
    command = build(resume=Resume("/s", step), gradient_accumulation_steps=accumulation)
    assert command.argv[command.argv.index("--initial_step") + 1] == str(first)


def test_resume_before_the_first_whole_accumulation_skips_nothing() -> None:
    command = build(resume=Resume("/s", 3), gradient_accumulation_steps=8)
    assert "--skip_until_initial_step" not in command.argv


@pytest.mark.parametrize("step", [0, -1, 1200, 1300])
def test_nothing_left_to_train(step: int) -> None:
    with pytest.raises(RecipeError, match="there is nothing to go on with"):
        build(resume=Resume("/s", step))


def test_the_dataset() -> None:
    layout = DatasetLayout(12, 0, frozenset({(512, 512), (448, 576)}), photos=10)
    dataset = dataset_toml(build(layout, batch_size=2))
    (subset,) = dataset.pop("subsets")
    assert dataset == {
        "resolution": 512,
        "batch_size": 2,
        "enable_bucket": True,
        "min_bucket_reso": 448,
        "max_bucket_reso": 576,
        "bucket_reso_steps": 64,
        "bucket_no_upscale": True,
    }
    assert subset["image_dir"] == "/photos"
    assert subset["class_tokens"] == "ohwx person"
    assert subset["caption_extension"] == ".txt"
    assert subset["num_repeats"] == 200  # 1200 steps of 2 pictures from 12


def test_regularisation_pictures() -> None:
    dataset = dataset_toml(build(DatasetLayout(10, 40, SQUARE), shuffle_caption=True))
    person, others = dataset["subsets"]
    assert others["image_dir"] == "/photos/reg"
    assert others["is_reg"] is True
    assert others["class_tokens"] == "person"
    assert (person["keep_tokens"], others["keep_tokens"]) == (1, 0)
    # They are half of an epoch: half as many repeats hold the whole training.
    assert person["num_repeats"] == 60


@pytest.mark.parametrize("accumulation", [1, 3, 4])
@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("images", [1, 7, 23])
def test_one_epoch_holds_the_whole_training(images: int, batch: int, accumulation: int) -> None:
    settings = recipe(batch_size=batch, gradient_accumulation_steps=accumulation)
    layout = DatasetLayout(images, 0, SQUARE)
    batches = layout.repeats(settings) * images / batch
    needed = layout.steps(settings) * accumulation
    assert needed <= batches < needed + images / batch + 1


def test_steps_go_by_photos_not_by_pictures() -> None:
    assert DatasetLayout(12, 0, SQUARE, photos=10).steps(recipe()) == 1200
    assert DatasetLayout(12, 0, SQUARE).steps(recipe()) == 1440
    assert DatasetLayout(12, 0, SQUARE, photos=10).steps(recipe(steps=5)) == 5


def test_sizes_the_trainer_would_crop_are_refused() -> None:
    with pytest.raises(RecipeError, match="500x512"):
        build(DatasetLayout(10, 0, frozenset({(500, 512)})))
    with pytest.raises(RecipeError, match="none"):
        build(DatasetLayout(10, 0, frozenset()))
    with pytest.raises(RecipeError, match="at resolution 768"):
        build(resolution=768)
    with pytest.raises(RecipeError, match="at resolution 768"):
        build(DatasetLayout(10, 0, SQUARE, resolution=512), resolution=768)


def test_the_lighter_second_try_shrinks_what_is_there() -> None:
    layout = DatasetLayout(12, 0, frozenset({(512, 512), (448, 576)}), resolution=512)
    dataset = dataset_toml(build(layout, resolution=384))
    assert (dataset["resolution"], dataset["min_bucket_reso"], dataset["max_bucket_reso"]) == (384, 320, 448)


@pytest.mark.parametrize(
    ("size", "resolution", "kept"),
    [
        ((512, 512), 512, True),
        ((448, 576), 512, True),
        ((576, 448), 512, True),
        ((192, 64), 128, True),
        ((448, 512), 512, False),
        ((512, 768), 512, False),
        ((0, 512), 512, False),
        ((448, 584), 512, False),
    ],
)
def test_sizes_the_trainer_keeps(size: tuple[int, int], resolution: int, kept: bool) -> None:
    assert is_bucket(size, resolution) is kept


def test_no_pictures() -> None:
    with pytest.raises(RecipeError, match="no training pictures"):
        build(DatasetLayout(0, 0, SQUARE))


def test_layout_of_a_dataset() -> None:
    items = [
        SimpleNamespace(source_sha256="a", width=512, height=512),
        SimpleNamespace(source_sha256="a", width=448, height=576),
        SimpleNamespace(source_sha256="b", width=512, height=512),
    ]
    dataset: Any = SimpleNamespace(size=512, items=items, regularisation=("r.png",))
    assert DatasetLayout.of(dataset) == DatasetLayout(3, 1, frozenset({(512, 512), (448, 576)}), 2, 512)


def test_environment() -> None:
    online = KohyaPaths("p", "/s", "/m", "/d", "/j", None)
    here = build_command(recipe(), LAYOUT, online, precision="bf16", device="cuda")
    assert "HF_HUB_OFFLINE" not in here.env
    assert "--tokenizer_cache_dir" not in here.argv
    assert build().env["HF_HUB_OFFLINE"] == "1"
    cpu = build_command(recipe(), LAYOUT, PATHS, precision="no", device="cpu")
    assert cpu.env["CUDA_VISIBLE_DEVICES"] == ""
    assert "CUDA_VISIBLE_DEVICES" not in build().env


@pytest.mark.parametrize(
    ("settings", "precision", "device", "words"),
    [
        ({}, "fp16", "cpu", "fp16 is unusable on a CPU"),
        ({"full_bf16": True}, "fp16", "cuda", "full_bf16 needs"),
        ({"fp8_base": True}, "no", "cuda", "fp8_base needs mixed_precision"),
        ({"fp8_base": True}, "bf16", "cpu", "fp8_base needs a GPU"),
        ({"attention": "xformers"}, "no", "cpu", "set attention to sdpa"),
        ({"optimizer_type": "AdamW8bit"}, "no", "cpu", "AdamW8bit needs a GPU"),
        ({"lr_warmup_steps": 50}, "bf16", "cuda", "constant_with_warmup"),
        ({"cache_text_encoder_outputs": True, "text_encoder_lr": 0.0}, "bf16", "cuda", "for SDXL only"),
    ],
)
def test_what_would_fail_after_loading_is_refused_before(
    settings: dict[str, object], precision: Any, device: Any, words: str
) -> None:
    chosen = recipe(**settings)
    with pytest.raises(RecipeError, match=words):
        build_command(chosen, LAYOUT, PATHS, precision=precision, device=device)
    assert len(problems(chosen, precision=precision, device=device)) == 1


@pytest.mark.parametrize(
    ("asked", "device", "bf16", "chosen"),
    [
        ("auto", "cuda", True, "bf16"),
        ("auto", "cuda", False, "fp16"),
        ("auto", "cpu", True, "no"),
        ("bf16", "cpu", False, "bf16"),
        ("no", "cuda", True, "no"),
    ],
)
def test_precision(asked: str, device: Any, bf16: bool, chosen: str) -> None:
    assert choose_precision(recipe(mixed_precision=asked), device=device, bf16=bf16) == chosen


def test_adafactor_keeps_our_rates() -> None:
    config = train_toml(build(optimizer_type="Adafactor"))
    assert "relative_step=False" in config["optimizer_args"]
    assert config["max_grad_norm"] == 0.0
    assert "optimizer_args" not in train_toml(build())


def test_prodigy_finds_its_own_rate() -> None:
    """sd-scripts warns of any other, and uses the first of two for both."""
    config = train_toml(build(optimizer_type="Prodigy", text_encoder_lr=0.0))
    assert (config["learning_rate"], config["unet_lr"]) == (1.0, 1.0)
    assert config["network_train_unet_only"] is True
    assert "text_encoder_lr" not in config
    assert train_toml(build(optimizer_type="Prodigy"))["text_encoder_lr"] == 1.0


def test_words_and_paths() -> None:
    assert class_word("ohwx woman") == "woman"
    assert class_word("sks") == "person"
    assert join_path("/a/b", "c") == "/a/b/c"
    assert join_path("C:\\a", "c") == "C:\\a\\c"


@pytest.mark.parametrize(
    "text", ["a\u00a0b", 'quo"te', "back\\slash", "tab\t", "ünï 사진", "😀", "#x = [1]", "'"]
)
def test_strings_survive_the_toml(text: str) -> None:
    assert toml.loads(to_toml({"key": text}))["key"] == text
