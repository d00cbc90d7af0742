"""The preset block `choose:`: which pictures a checkpoint is judged by."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ..presets._fields import Name, Pixels, PresetModel

TESTED = (0.6, 0.7, 0.8, 0.9, 1.0)
PROMPTS = (
    "studio portrait photo of {trigger}, {subject}, head and shoulders, facing the camera, "
    "navy suit, light gray backdrop, soft light",
    "close-up photo of {trigger}, {subject}, three-quarter view, white shirt, dark backdrop, "
    "hard light from the side",
    "half-body photo of {trigger}, {subject}, standing in a green park, casual denim jacket, "
    "overcast daylight",
    "photo of {trigger}, {subject}, black turtleneck, warm lamp light, evening street, blurred city lights",
)
"""Framing, clothes, place and light all change: what stays the same in all came out of the training."""
NEGATIVE = "lowres, blurry, deformed, bad anatomy, extra fingers, two people, watermark, text"
MOST_PROMPTS, MOST_WEIGHTS = 16, 12
PLACEHOLDERS = frozenset({"trigger", "subject"})


@dataclass(frozen=True)
class _Of:
    """What a model family is used to."""

    width: int
    height: int
    cfg_scale: float


FAMILIES: Mapping[str, _Of] = {"sd15": _Of(512, 640, 6.5), "sdxl": _Of(768, 960, 5.0)}


def _template(value: str) -> str:
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(value) if name is not None}
    except ValueError as error:
        raise ValueError(f"is no prompt template ({error}); a brace of its own is written twice") from error
    unknown = sorted(names - PLACEHOLDERS)
    if unknown:
        raise ValueError(f"has {{{unknown[0]}}}; only {{trigger}} and {{subject}} are filled in here")
    if "trigger" not in names:
        raise ValueError("lacks {trigger}: without it nobody is asked for")
    if "<" in value:
        raise ValueError("names an extra network; the LoRA on trial is added by itself")
    return value


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(values) <= MOST_PROMPTS:
        raise ValueError(f"needs 1 to {MOST_PROMPTS} prompts, not {len(values)}")
    return values


def _apart(values: tuple[float, ...]) -> tuple[float, ...]:
    if not 1 <= len(values) <= MOST_WEIGHTS:
        raise ValueError(f"needs 1 to {MOST_WEIGHTS} weights, not {len(values)}")
    if len(set(values)) != len(values):
        raise ValueError("lists a weight twice")
    return values


Prompts = Annotated[
    tuple[Annotated[Name, AfterValidator(_template), Field(max_length=1000)], ...],
    Field(strict=False),
    AfterValidator(_some),
]
Weight = Annotated[float, Field(ge=0.1, le=1.5)]
Weights = Annotated[tuple[Weight, ...], Field(strict=False), AfterValidator(_apart)]


class ChooseParams(PresetModel):
    """How the best checkpoint and weight are found. Every checkpoint makes the same few quick pictures."""

    pictures: Annotated[int, Field(ge=1, le=16)] = 4
    """Pictures each checkpoint makes, 1–16. More = surer, longer. Below 3 one unlucky seed decides."""
    prompts: Prompts = PROMPTS
    """What is asked for, in turn; `{trigger}` and `{subject}` are filled in, the LoRA is added. They should
    differ in framing, clothes, place and light: a checkpoint that copies its photos shows where they do."""
    negative_prompt: Annotated[str, Field(max_length=1000)] = NEGATIVE
    """What must not be in the pictures. Empty = nothing in particular."""
    steps: Annotated[int, Field(ge=1, le=150)] = 16
    """Sampling steps, 1–150. Few are enough to know a face by."""
    width: Pixels | None = None
    """Width in px, 64–2048, multiple of 8. null = 512 for SD 1.5, 768 for SDXL."""
    height: Pixels | None = None
    """Height in px, 64–2048, multiple of 8. null = 640 for SD 1.5, 960 for SDXL."""
    sampler_name: Name = "DPM++ 2M"
    """Sampler, spelt as the server lists it."""
    scheduler: Name = "Karras"
    """Noise schedule. `Automatic` = what the sampler prefers."""
    cfg_scale: Annotated[float, Field(ge=0.0, le=30.0)] | None = None
    """How strictly the prompt is followed, 0–30. null = 6.5 for SD 1.5, 5 for SDXL."""
    weight: Weight = 0.8
    """Weight of the LoRA while the checkpoints are compared, 0.1–1.5. 1 = as trained."""
    weights: Weights = TESTED
    """Weights the best checkpoints are tried at afterwards, 0.1–1.5 each. Only `[0.8]` = no trial of weights.
    """
    finalists: Annotated[int, Field(ge=1, le=8)] = 2
    """Checkpoints that are tried at all `weights`, 1–8. The others only at `weight`."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 12
    """The pictures' seeds follow from it, the same for all checkpoints. Any number is as good as another."""

    @model_validator(mode="after")
    def _wide_enough(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height are set together or not at all")
        return self

    def jobs(self, checkpoints: int) -> int:
        """Pictures the choice among so many checkpoints takes."""
        others = len(set(self.weights) - {self.weight})
        return self.pictures * (checkpoints + min(self.finalists, checkpoints) * others)

    def size(self, family: Literal["sd15", "sdxl"]) -> tuple[int, int]:
        """Width and height of the pictures, px."""
        usual = FAMILIES[family]
        return self.width or usual.width, self.height or usual.height

    def guidance(self, family: Literal["sd15", "sdxl"]) -> float:
        """The `cfg_scale` of the pictures."""
        return FAMILIES[family].cfg_scale if self.cfg_scale is None else self.cfg_scale
