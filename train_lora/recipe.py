"""How a LoRA is trained: every number, checked before anything starts."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .captions import DEFAULT_TEMPLATE, caption, check_trigger
from .errors import RecipeError

Family = Literal["sd15", "sdxl"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What a LoRA may be called: it becomes a file name and stands in prompts as <lora:NAME:0.8>."""


class TrainRecipe(BaseModel):
    """Settings of one training. The defaults suit ten photos and SD 1.5."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Name of the LoRA: letters, digits, "_" and "-", at most 64."""

    trigger: str = "ohwx person"
    """Words that call the person up in a prompt; ideally one rare word and a class ("person")."""

    family: Family = "sd15"
    """Model family the LoRA is for: sd15 or sdxl."""

    steps: int = Field(default=1200, ge=1, le=100_000)
    """Optimiser steps. About 120 a photo for ten photos."""

    resolution: int = Field(default=512, ge=256, le=2048, multiple_of=64)
    """Side of the training pictures, pixels: 512 for sd15, 1024 for sdxl."""

    network_dim: int = Field(default=32, ge=1, le=320)
    """Rank of the LoRA."""

    network_alpha: float = Field(default=16.0, gt=0, le=320)
    """Scale: the effect is multiplied by alpha / dim."""

    unet_lr: float = Field(default=1e-4, gt=0, lt=0.1)
    """Learning rate of the U-Net; reports of 1e-3 end in noise."""

    text_encoder_lr: float = Field(default=5e-5, ge=0, lt=0.1)
    """Learning rate of the text encoder; 0 leaves it alone."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of everything random in the training."""

    caption_template: str = DEFAULT_TEMPLATE
    """Text under each picture; must contain {trigger}."""

    @field_validator("name")
    @classmethod
    def _name_fits(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(
                "use 1 to 64 letters (a-z), digits, '_' or '-', beginning with a letter or digit"
            )
        return value

    @model_validator(mode="after")
    def _texts_fit(self) -> TrainRecipe:
        try:
            check_trigger(self.trigger)
            caption(self.caption_template, trigger=self.trigger, index=1, framing="close-up")
        except RecipeError as error:
            raise ValueError(str(error)) from error
        if self.network_alpha > self.network_dim * 4:
            raise ValueError(
                "network_alpha is more than four times network_dim: the LoRA would drown the model"
            )
        return self


def make_recipe(**settings: object) -> TrainRecipe:
    """Make a recipe of plain settings.

    Raises:
        RecipeError: A setting is unknown or impossible; every one is named.
    """
    try:
        return TrainRecipe.model_validate(settings)
    except ValidationError as error:
        parts = []
        for item in error.errors(include_url=False):
            where = ".".join(str(part) for part in item["loc"]) or "recipe"
            parts.append(f"{where}: {item['msg'].removeprefix('Value error, ')}")
        raise RecipeError("The training settings do not fit: " + "; ".join(parts) + ".") from error
