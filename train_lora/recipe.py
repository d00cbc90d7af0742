"""How one person's LoRA is trained: the settings, and whose they are."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import ConfigDict, ValidationError, field_validator, model_validator

from .captions import caption, check_trigger
from .errors import RecipeError
from .training_settings import TrainSettings

Family = Literal["sd15", "sdxl"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What a LoRA may be called: it becomes a file name and stands in prompts as <lora:NAME:0.8>."""


class TrainRecipe(TrainSettings):
    """Settings of one training."""

    model_config = ConfigDict(strict=False)

    name: str
    """Name of the LoRA: letters, digits, "_" and "-", at most 64."""

    trigger: str = "ohwx person"
    """Words that call the person up in a prompt; ideally one rare word and a class ("person")."""

    family: Family = "sd15"
    """Model family the LoRA is for: sd15 or sdxl."""

    @field_validator("name")
    @classmethod
    def _name_fits(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(
                "use 1 to 64 letters (a-z), digits, '_' or '-', beginning with a letter or digit"
            )
        return value

    @model_validator(mode="after")
    def _texts_fit(self) -> Self:
        try:
            check_trigger(self.trigger)
            caption(self.caption_template, trigger=self.trigger, index=1, framing="close-up")
        except RecipeError as error:
            raise ValueError(str(error)) from error
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
