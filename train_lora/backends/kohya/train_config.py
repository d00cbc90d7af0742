"""A recipe as the two TOML files sd-scripts reads.

`train.toml` (--config_file) has the arguments' names as keys. sd-scripts takes unknown keys there without a
word (read_config_from_file, train_util.py@v0.10.1), so a contract test holds every key against the recorded
argument tables. Every default that is bad for a person's LoRA is overridden: learning_rate 2e-6, network_dim
4, network_alpha 1, 8 loader workers, 1600 steps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import toml

from ...recipe import TrainRecipe
from .layout import BUCKET_STEP, REGULARISATION_DIR, DatasetLayout
from .precision import Precision

NETWORK_MODULE = "networks.lora"
COMMENT = "trained with sdwebui-client"
"""Goes into the file's metadata; nothing personal."""
_OPTIMIZER_ARGS = {
    # Without these Adafactor finds its own learning rate and ignores unet_lr (get_optimizer, train_util.py).
    "Adafactor": ["relative_step=False", "scale_parameter=False", "warmup_init=False"],
    # Recommended by the optimizer's authors for diffusion models (konstmish/prodigy, README).
    "Prodigy": ["weight_decay=0.01", "decouple=True", "use_bias_correction=True", "safeguard_warmup=True"],
}


def train_config(recipe: TrainRecipe, layout: DatasetLayout, precision: Precision) -> dict[str, Any]:
    """Keys and values of train.toml."""
    steps = layout.steps(recipe)
    return {
        **_network(recipe),
        **_learning(recipe),
        **_machine(recipe, precision),
        **_saving(recipe),
        "max_train_steps": steps,
        "gradient_accumulation_steps": recipe.gradient_accumulation_steps,
        "seed": recipe.seed,
        "training_comment": COMMENT,
    }


def _network(recipe: TrainRecipe) -> dict[str, Any]:
    config: dict[str, Any] = {
        "network_module": NETWORK_MODULE,
        "network_dim": recipe.network_dim,
        "network_alpha": float(recipe.network_alpha),
        "network_train_unet_only": recipe.text_encoder_lr == 0.0,
        "network_train_text_encoder_only": recipe.unet_lr == 0.0,
    }
    if recipe.network_dropout:
        config["network_dropout"] = recipe.network_dropout
    if recipe.scale_weight_norms is not None:
        config["scale_weight_norms"] = float(recipe.scale_weight_norms)
    return config


def _learning(recipe: TrainRecipe) -> dict[str, Any]:
    unet, text = float(recipe.unet_lr), float(recipe.text_encoder_lr)
    if recipe.optimizer_type == "Prodigy":
        # It multiplies the rate it finds by these, and takes one for all (get_optimizer, train_util.py).
        unet, text = float(unet > 0), float(text > 0)
    config: dict[str, Any] = {
        # What has no rate of its own; its default, 2e-6, learns next to nothing.
        "learning_rate": unet or text,
        "optimizer_type": recipe.optimizer_type,
        "lr_scheduler": recipe.lr_scheduler,
        # An int: a float would be read as a share of all steps.
        "lr_warmup_steps": int(recipe.lr_warmup_steps),
        # Adafactor clips by itself; both together slow it down (its warning in get_optimizer).
        "max_grad_norm": 0.0 if recipe.optimizer_type == "Adafactor" else 1.0,
        "prior_loss_weight": 1.0,
    }
    if unet:
        config["unet_lr"] = unet
    if text:
        config["text_encoder_lr"] = text
    if recipe.optimizer_type in _OPTIMIZER_ARGS:
        config["optimizer_args"] = list(_OPTIMIZER_ARGS[recipe.optimizer_type])
    if recipe.min_snr_gamma is not None:
        config["min_snr_gamma"] = float(recipe.min_snr_gamma)
    if recipe.noise_offset is not None:
        config["noise_offset"] = float(recipe.noise_offset)
    return config


def _machine(recipe: TrainRecipe, precision: Precision) -> dict[str, Any]:
    config: dict[str, Any] = {
        "mixed_precision": precision,
        "save_precision": recipe.save_precision,
        "cache_latents": recipe.cache_latents != "off",
        "cache_latents_to_disk": recipe.cache_latents == "disk",
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "full_bf16": recipe.full_bf16,
        "fp8_base": recipe.fp8_base,
        "torch_compile": recipe.torch_compile,
        "sdpa": recipe.attention == "sdpa",
        "xformers": recipe.attention == "xformers",
        # The default, 8, starts as many processes that each load torch again, for a handful of pictures.
        "max_data_loader_n_workers": 0,
    }
    if recipe.family == "sdxl":
        config["cache_text_encoder_outputs"] = recipe.cache_text_encoder_outputs
        # SDXL's VAE overflows in fp16: black pictures, loss nan (sd-scripts, docs/sdxl_train_network.md).
        config["no_half_vae"] = precision == "fp16"
    return config


def _saving(recipe: TrainRecipe) -> dict[str, Any]:
    config: dict[str, Any] = {"save_model_as": "safetensors"}
    if recipe.save_every_n_steps is not None:
        config["save_every_n_steps"] = recipe.save_every_n_steps
        config["save_state"] = True
        # 1 = only the newest is kept; the older one goes after the newer one is whole
        # (save_and_remove_state_stepwise, train_util.py). A state is several times a LoRA's size.
        config["save_last_n_steps_state"] = 1
    return config


def dataset_config(recipe: TrainRecipe, layout: DatasetLayout, dataset_dir: str) -> dict[str, Any]:
    """Keys and values of dataset.toml.

    Raises:
        RecipeError: No pictures, or sizes the trainer would crop.
    """
    shortest, longest = layout.bucket_bounds(recipe)
    shared: dict[str, Any] = {
        "caption_extension": ".txt",
        "shuffle_caption": recipe.shuffle_caption,
        # What stands before the first comma holds the trigger and stays in front.
        "keep_tokens": 1 if recipe.shuffle_caption else 0,
        "flip_aug": recipe.flip_aug,
    }
    subsets = [
        {
            "image_dir": dataset_dir,
            "class_tokens": recipe.trigger,
            "num_repeats": layout.repeats(recipe),
            **shared,
        }
    ]
    if layout.regularisation:
        subsets.append(
            {
                "image_dir": join_path(dataset_dir, REGULARISATION_DIR),
                "class_tokens": class_word(recipe.trigger),
                "num_repeats": 1,
                "is_reg": True,
                **shared,
                "keep_tokens": 0,
            }
        )
    return {
        "datasets": [
            {
                "resolution": recipe.resolution,
                "batch_size": recipe.batch_size,
                "enable_bucket": True,
                "min_bucket_reso": shortest,
                "max_bucket_reso": longest,
                "bucket_reso_steps": BUCKET_STEP,
                # Else a picture that was made small, to enlarge no photo too much, is enlarged after all
                # (BucketManager.select_bucket, train_util.py@v0.10.1).
                "bucket_no_upscale": True,
                "subsets": subsets,
            }
        ]
    }


def to_toml(config: Mapping[str, Any]) -> str:
    """TOML text that the reader sd-scripts uses takes back as it was.

    The `toml` package's own way with strings makes "xa0" of a no-break space (encoder.py@0.10.2, _dump_str).
    """
    encoder: toml.TomlEncoder[dict[str, Any]] = toml.TomlEncoder()
    encoder.dump_funcs[str] = lambda text: json.dumps(text, ensure_ascii=False)
    return toml.dumps(dict(config), encoder=encoder)


def class_word(trigger: str) -> str:
    """What the person is, without the rare word: "ohwx person" -> "person"."""
    words = trigger.split()
    return words[-1] if len(words) > 1 else "person"


def join_path(folder: str, name: str) -> str:
    """Join paths of a machine that may not be this one."""
    windows = "\\" in folder or (len(folder) > 1 and folder[1] == ":")
    return str((PureWindowsPath if windows else PurePosixPath)(folder) / name)
