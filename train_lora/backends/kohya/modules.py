"""Which tensors a trained LoRA must hold, and whether a file does.

sd-scripts gives every Linear and 1x1 convolution inside the U-Net's Transformer2DModel and the text encoders'
attention and MLP one module of three tensors (LoRANetwork.create_modules, networks/lora.py@v0.10.1). Counted
from the architectures, and for both families held against the real code's own list (tests/recorded):

- SD 1.5 U-Net: 16 transformers of 1 block: 16 x (10 + proj_in + proj_out) = 192;
  text encoder 12 layers x 6 = 72.
- SDXL U-Net: 5 transformers of 2 blocks at 640 channels, 6 of 10 blocks at 1280: 70 x 10 + 11 x 2 = 722;
  text encoders 12 x 6 = 72 and 32 x 6 = 192.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ...artifact import read_header
from ...errors import ArtifactError
from ...recipe import TrainRecipe

Shape: TypeAlias = tuple[int, ...]
TENSORS_A_MODULE = 3
"""alpha, lora_down.weight, lora_up.weight."""
_AGAIN = "Train it again; this file is not to be used."


@dataclass(frozen=True, slots=True)
class ExpectedModules:
    """How many LoRA modules a recipe makes."""

    text_encoder: int
    unet: int

    @property
    def tensors(self) -> int:
        """Tensors in the file."""
        return TENSORS_A_MODULE * (self.text_encoder + self.unet)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer that gets a module: its features, and whether it is a 1x1 convolution."""

    name: str
    inputs: int
    outputs: int
    conv: bool = False


def expected_modules(recipe: TrainRecipe) -> ExpectedModules:
    """How many modules a file of this recipe must have."""
    names = [layer.name for layer in _layers(recipe)]
    unet = sum(name.startswith("lora_unet_") for name in names)
    return ExpectedModules(text_encoder=len(names) - unet, unet=unet)


def expected_tensors(recipe: TrainRecipe) -> dict[str, Shape]:
    """Name -> shape of every tensor a file of this recipe must have."""
    tensors: dict[str, Shape] = {}
    dim = recipe.network_dim
    for layer in _layers(recipe):
        ones = (1, 1) if layer.conv else ()
        tensors[f"{layer.name}.alpha"] = ()
        tensors[f"{layer.name}.lora_down.weight"] = (dim, layer.inputs, *ones)
        tensors[f"{layer.name}.lora_up.weight"] = (layer.outputs, dim, *ones)
    return tensors


def check_lora_file(path: Path, recipe: TrainRecipe) -> None:
    """Check by its header that a trained file is whole and holds what the recipe trains.

    Raises:
        ArtifactError: Missing, cut short, or tensors are missing, too many or of another shape.
    """
    _, tensors = read_header(Path(path))
    check_tensors(Path(path).name, tensors, recipe)


def check_tensors(file: str, tensors: Mapping[str, Mapping[str, Any]], recipe: TrainRecipe) -> None:
    """The same for a header that was read elsewhere; `file` is named in messages.

    Raises:
        ArtifactError: See `check_lora_file`.
    """
    expected = expected_tensors(recipe)
    missing = sorted(expected.keys() - tensors.keys())
    extra = sorted(tensors.keys() - expected.keys())
    if missing or extra:
        raise ArtifactError(
            f"{file} has {len(expected) - len(missing)} of the {len(expected)} tensors this training makes"
            + (f" and {len(extra)} others" if extra else "")
            + f" (such as {(missing or extra)[0]}).",
            _AGAIN,
        )
    for name, shape in expected.items():
        found = tuple(tensors[name]["shape"])
        if found != shape:
            raise ArtifactError(
                f"{file}: {name} has the shape {list(found)}, a LoRA of rank {recipe.network_dim} for "
                f"{recipe.family} has {list(shape)}.",
                _AGAIN,
            )


def _layers(recipe: TrainRecipe) -> Iterator[_Layer]:
    if recipe.text_encoder_lr:
        if recipe.family == "sdxl":
            yield from _clip("lora_te1", layers=12, width=768)
            yield from _clip("lora_te2", layers=32, width=1280)
        else:
            yield from _clip("lora_te", layers=12, width=768)
    if recipe.unet_lr:
        yield from _sdxl_unet() if recipe.family == "sdxl" else _sd15_unet()


def _clip(prefix: str, *, layers: int, width: int) -> Iterator[_Layer]:
    for number in range(layers):
        layer = f"{prefix}_text_model_encoder_layers_{number}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield _Layer(f"{layer}_self_attn_{name}", width, width)
        yield _Layer(f"{layer}_mlp_fc1", width, 4 * width)
        yield _Layer(f"{layer}_mlp_fc2", 4 * width, width)


def _transformer(name: str, width: int, *, blocks: int, context: int, conv: bool) -> Iterator[_Layer]:
    yield _Layer(f"{name}_proj_in", width, width, conv)
    for number in range(blocks):
        block = f"{name}_transformer_blocks_{number}"
        for attention, keys in (("attn1", width), ("attn2", context)):
            yield _Layer(f"{block}_{attention}_to_q", width, width)
            yield _Layer(f"{block}_{attention}_to_k", keys, width)
            yield _Layer(f"{block}_{attention}_to_v", keys, width)
            yield _Layer(f"{block}_{attention}_to_out_0", width, width)
        yield _Layer(f"{block}_ff_net_0_proj", width, 8 * width)  # GEGLU: twice the inner width
        yield _Layer(f"{block}_ff_net_2", 4 * width, width)
    yield _Layer(f"{name}_proj_out", width, width, conv)


def _sd15_unet() -> Iterator[_Layer]:
    places = [(f"down_blocks_{block}_attentions_{n}", 320 << block) for block in range(3) for n in range(2)]
    places += [("mid_block_attentions_0", 1280)]
    places += [(f"up_blocks_{b}_attentions_{n}", 1280 >> (b - 1)) for b in range(1, 4) for n in range(3)]
    for place, width in places:
        yield from _transformer(f"lora_unet_{place}", width, blocks=1, context=768, conv=True)


def _sdxl_unet() -> Iterator[_Layer]:
    places = [("input_blocks_4_1", 640), ("input_blocks_5_1", 640)]
    places += [("input_blocks_7_1", 1280), ("input_blocks_8_1", 1280), ("middle_block_1", 1280)]
    places += [(f"output_blocks_{number}_1", 1280 if number < 3 else 640) for number in range(6)]
    for place, width in places:
        blocks = 2 if width == 640 else 10
        yield from _transformer(f"lora_unet_{place}", width, blocks=blocks, context=2048, conv=False)
