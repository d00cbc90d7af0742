"""Every flag and TOML key we send exists in the trainer's own tables, with the right type.

sd-scripts ignores unknown keys of train.toml without a word: this is what guards them.
"""

from __future__ import annotations

import argparse
from typing import Any

import pytest
import toml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.recorded import argument_tables
from train_lora.backends.kohya.command import DatasetLayout, KohyaPaths, Resume, TrainCommand, build_command
from train_lora.backends.kohya.precision import choose_precision, problems
from train_lora.crops import bucket_sizes
from train_lora.recipe import TrainRecipe, make_recipe
from train_lora.training_settings import TrainSettings

SCRIPTS = {"sd15": "train_network", "sdxl": "sdxl_train_network"}
# library/config_util.py@v0.10.1, ConfigSanitizer: what the voluptuous schema of a DreamBooth dataset knows.
DATASET_KEYS: dict[str, type] = {
    "batch_size": int,
    "bucket_no_upscale": bool,
    "bucket_reso_steps": int,
    "enable_bucket": bool,
    "max_bucket_reso": int,
    "min_bucket_reso": int,
    "validation_seed": int,
    "validation_split": float,
    "resolution": int,
    "network_multiplier": float,
    "resize_interpolation": str,
}
SUBSET_KEYS: dict[str, type] = {
    "image_dir": str,
    "is_reg": bool,
    "alpha_mask": bool,
    "caption_extension": str,
    "class_tokens": str,
    "cache_info": bool,
    "color_aug": bool,
    "flip_aug": bool,
    "num_repeats": int,
    "random_crop": bool,
    "shuffle_caption": bool,
    "keep_tokens": int,
    "keep_tokens_separator": str,
    "caption_separator": str,
    "caption_prefix": str,
    "caption_suffix": str,
    "caption_dropout_rate": float,
}
PATHS = KohyaPaths(
    "/venv/python", "/sd-scripts", "/m/base.safetensors", "/data set/ünï", "/job", "/tokenizers"
)
LAYOUT = DatasetLayout(12, 0, frozenset({(512, 512), (448, 576)}), photos=10)


def fits(row: dict[str, Any], value: Any) -> bool:
    """Whether a value has the type argparse would have made; it does not convert what a config file gives."""
    kind, nargs = row["type"], row["nargs"]
    if row["store_true"]:
        return isinstance(value, bool)
    if nargs == "*" and isinstance(value, list):
        return all(fits({**row, "nargs": None}, item) for item in value)
    types = {"int": int, "float": float, "str": str, "Path": str, "int_or_float": (int, float)}
    right = isinstance(value, types[kind]) and not isinstance(value, bool)
    return right and (row["choices"] is None or value in row["choices"])


def checked(command: TrainCommand, family: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two files of a command, after holding every key and flag against the recorded tables."""
    table = argument_tables()[SCRIPTS[family]]
    train, data = (toml.loads(command.files[name]) for name in ("train.toml", "dataset.toml"))
    for key, value in train.items():
        assert key in table, f"{key} would be ignored without a word"
        assert fits(table[key], value), (key, value)
    for flag, value in flags_of(command).items():
        row = table[flag.removeprefix("--")]
        assert flag in row["flags"]
        assert (value is None) == bool(row["store_true"]), flag
    assert set(data) == {"datasets"}
    assert len(data["datasets"]) == 1
    dataset = dict(data["datasets"][0])
    for subset in dataset.pop("subsets"):
        for key, value in subset.items():
            assert type(value) is SUBSET_KEYS[key], key
    for key, value in dataset.items():
        assert type(value) is DATASET_KEYS[key], key
    return train, data


def flags_of(command: TrainCommand) -> dict[str, str | None]:
    """Flag -> its value, None for a switch."""
    rest = list(command.argv[2:])
    flags: dict[str, str | None] = {}
    while rest:
        flag = rest.pop(0)
        assert flag.startswith("--"), flag
        assert flag not in flags
        flags[flag] = rest.pop(0) if rest and not rest[0].startswith("--") else None
    return flags


rates = st.sampled_from([0.0, 1e-6, 5e-5, 1e-4, 0.1])


@st.composite
def recipes(draw: st.DrawFn) -> TrainRecipe:
    """Any combination of settings that is allowed, the awkward ones often."""
    family = draw(st.sampled_from(["sd15", "sdxl"]))
    dim = draw(st.sampled_from([1, 4, 32, 128, 320]))
    unet, text = draw(rates), draw(rates)
    assume(unet or text)
    shuffle = draw(st.booleans())
    caching = family == "sdxl" and text == 0.0 and not shuffle and draw(st.booleans())
    scheduler = draw(st.sampled_from(["constant", "constant_with_warmup", "linear", "cosine"]))
    least = draw(st.integers(1, 900))
    return make_recipe(
        name=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)),
        family=family,
        trigger=draw(st.sampled_from(["ohwx person", "sks", "zxc woman"])),
        steps=draw(st.none() | st.integers(1, 5000)),
        steps_per_photo=draw(st.integers(1, 300)),
        min_steps=least,
        max_steps=least + draw(st.integers(0, 3000)),
        batch_size=draw(st.integers(1, 64)),
        gradient_accumulation_steps=draw(st.integers(1, 64)),
        resolution=64 * draw(st.integers(1, 32)),
        shuffle_caption=shuffle,
        flip_aug=draw(st.booleans()),
        network_dim=dim,
        network_alpha=dim * draw(st.sampled_from([0.01, 0.5, 1.0])),
        network_dropout=draw(st.sampled_from([0.0, 0.1])),
        scale_weight_norms=draw(st.none() | st.just(1.0)),
        unet_lr=unet,
        text_encoder_lr=text,
        optimizer_type=draw(st.sampled_from(["AdamW", "AdamW8bit", "Adafactor", "Prodigy", "Lion"])),
        lr_scheduler=scheduler,
        lr_warmup_steps=0 if scheduler == "constant" else draw(st.integers(0, 500)),
        min_snr_gamma=draw(st.none() | st.just(5.0)),
        noise_offset=draw(st.none() | st.just(0.05)),
        seed=draw(st.integers(0, 2**32 - 1)),
        mixed_precision=draw(st.sampled_from(["auto", "no", "fp16", "bf16"])),
        save_precision=draw(st.sampled_from(["float", "fp16", "bf16"])),
        attention=draw(st.sampled_from(["sdpa", "xformers", "none"])),
        cache_latents=draw(st.sampled_from(["memory", "disk", "off"])),
        cache_text_encoder_outputs=caching,
        gradient_checkpointing=draw(st.booleans()),
        full_bf16=draw(st.booleans()),
        fp8_base=draw(st.booleans()),
        torch_compile=draw(st.booleans()),
        save_every_n_steps=draw(st.none() | st.integers(1, 1000)),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipes(), st.booleans(), st.integers(0, 3), st.integers(1, 40))
def test_any_recipe_makes_a_command_the_trainer_knows(
    recipe: TrainRecipe, bf16: bool, regularisation: int, images: int
) -> None:
    precision = choose_precision(recipe, device="cuda", bf16=bf16)
    assume(not problems(recipe, precision=precision, device="cuda"))
    layout = DatasetLayout(images, regularisation, frozenset({(recipe.resolution, recipe.resolution)}))
    steps = layout.steps(recipe)
    resume = Resume("/job/out/x-state", steps // 2) if steps > 1 else None
    command = build_command(recipe, layout, PATHS, precision=precision, device="cuda", resume=resume)
    train, data = checked(command, recipe.family)

    # Bad defaults are overridden, whatever the settings.
    assert {"learning_rate", "network_dim", "network_alpha", "max_train_steps", "seed"} <= set(train)
    assert {"max_data_loader_n_workers", "network_module", "mixed_precision", "optimizer_type"} <= set(train)
    assert train["learning_rate"] >= 1e-6
    assert train["max_train_steps"] == steps
    # One epoch holds the whole training.
    repeats = data["datasets"][0]["subsets"][0]["num_repeats"]
    batches = repeats * images * (2 if regularisation else 1) / recipe.batch_size
    assert batches >= steps * recipe.gradient_accumulation_steps
    # It is on disk what it was in memory: `toml` writes floats and strings in ways of its own.
    assert train["network_alpha"] == recipe.network_alpha
    own = recipe.optimizer_type == "Prodigy"
    assert train.get("unet_lr", 0.0) == (float(recipe.unet_lr > 0) if own else recipe.unet_lr)
    assert train.get("text_encoder_lr", 0.0) == (
        float(recipe.text_encoder_lr > 0) if own else recipe.text_encoder_lr
    )
    assert data["datasets"][0]["subsets"][0]["image_dir"] == "/data set/ünï"


path_texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/"),
    min_size=1,
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(path_texts)
def test_any_folder_name_survives_the_toml(name: str) -> None:
    paths = KohyaPaths("p", "/s", "/m.safetensors", f"/photos/{name}", "/job", None)
    command = build_command(make_recipe(name="a"), LAYOUT, paths, precision="no", device="cpu")
    assert (
        toml.loads(command.files["dataset.toml"])["datasets"][0]["subsets"][0]["image_dir"]
        == f"/photos/{name}"
    )


ELSEWHERE = {
    # The dataset's, the choosing's and the runner's, not the trainer's.
    *("half_body_share", "max_upscale", "held_out", "regularisation_images", "captions", "caption_template"),
    *("lighter", "keep_metadata", "preset"),
}
CHANGES: dict[str, dict[str, Any]] = {
    "steps": {"steps": 333},
    "min_steps": {"min_steps": 1500},
    "max_steps": {"max_steps": 1000},
    "scale_weight_norms": {"scale_weight_norms": 1.0},
    "min_snr_gamma": {"min_snr_gamma": None},
    "noise_offset": {"noise_offset": None},
    "save_every_n_steps": {"save_every_n_steps": None},
    "optimizer_type": {"optimizer_type": "Adafactor"},
    "lr_scheduler": {"lr_scheduler": "cosine"},
    "lr_warmup_steps": {"lr_scheduler": "cosine", "lr_warmup_steps": 10},
    "save_precision": {"save_precision": "float"},
    "attention": {"attention": "none"},
    "cache_latents": {"cache_latents": "off"},
    "cache_text_encoder_outputs": {"cache_text_encoder_outputs": True},
    "resolution": {"resolution": 576},
    "network_dropout": {"network_dropout": 0.1},
}
BASE: dict[str, Any] = {"name": "a", "family": "sdxl", "text_encoder_lr": 0.0, "unet_lr": 1e-4}


@pytest.mark.parametrize("field", sorted(set(TrainSettings.model_fields) - ELSEWHERE))
def test_every_setting_reaches_the_trainer(field: str) -> None:
    """A setting nobody reads would be believed to have an effect."""
    if field == "mixed_precision":
        return  # resolved by choose_precision and given as its own argument
    default = TrainSettings.model_fields[field].default
    if field in CHANGES:
        change = CHANGES[field]
    elif isinstance(default, bool):
        change = {field: not default}
    else:
        change = {field: default + 1 if isinstance(default, int) else default / 2}
    base = {**BASE, **{key: value for key, value in change.items() if key != field}}
    files = []
    for one in (base, {**base, **change}):
        recipe = make_recipe(**one)
        layout = DatasetLayout(12, 0, frozenset({(recipe.resolution, recipe.resolution)}), photos=10)
        files.append(dict(build_command(recipe, layout, PATHS, precision="bf16", device="cuda").files))
    assert files[0] != files[1], f"{field} changes nothing"


@pytest.mark.parametrize("script", sorted(SCRIPTS.values()))
def test_the_rebuilt_parser_takes_the_command(script: str) -> None:
    """argparse, rebuilt from the table, as the real one reads flags."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    for row in argument_tables()[script].values():
        if row["store_true"]:
            parser.add_argument(*row["flags"], dest=row["dest"], action="store_true")
        else:
            parser.add_argument(*row["flags"], dest=row["dest"], nargs=row["nargs"])
    family = "sdxl" if script.startswith("sdxl") else "sd15"
    recipe = make_recipe(name="alice", family=family)
    resume = Resume("/job/out/alice-step00000200-state", 200)
    command = build_command(recipe, LAYOUT, PATHS, precision="bf16", device="cuda", resume=resume)
    parsed = vars(parser.parse_args(list(command.argv[2:])))
    assert command.argv[1] == f"/sd-scripts/{script}.py"
    assert parsed["output_dir"] == command.output_dir == "/job/out"
    assert parsed["resume"] == "/job/out/alice-step00000200-state"
    assert parsed["skip_until_initial_step"] is True
    assert parsed["initial_step"] == "200"
    assert parsed["console_log_simple"] is True
    assert parsed["pretrained_model_name_or_path"] == "/m/base.safetensors"


@pytest.mark.parametrize("resolution", [64, 128, 512, 768, 1024])
def test_our_crops_are_kept_as_they_are(resolution: int) -> None:
    """Every size the dataset is cut to is one the trainer has a bucket for, with the bounds we give it."""
    sizes = bucket_sizes(resolution)
    layout = DatasetLayout(len(sizes), 0, frozenset(sizes))
    recipe = make_recipe(name="a", resolution=resolution)
    (dataset,) = toml.loads(
        build_command(recipe, layout, PATHS, precision="no", device="cpu").files["dataset.toml"]
    )["datasets"]
    low, high = dataset["min_bucket_reso"], dataset["max_bucket_reso"]
    # As make_bucket_resolutions (library/model_util.py@v0.10.1) makes them.
    buckets = {(resolution, resolution)}
    for width in range(low, high + 1, 64):
        height = min(high, resolution * resolution // width // 64 * 64)
        if height >= low:
            buckets |= {(width, height), (height, width)}
    assert set(sizes) <= buckets
    assert low <= resolution <= high


def test_the_tables_are_those_of_the_pinned_version() -> None:
    defaults = {dest: row["default"] for dest, row in argument_tables()["train_network"].items()}
    assert (defaults["learning_rate"], defaults["max_train_steps"]) == (2e-6, 1600)
    assert "cache_text_encoder_outputs" not in defaults
    assert "cache_text_encoder_outputs" in argument_tables()["sdxl_train_network"]
