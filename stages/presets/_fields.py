"""What every preset model shares: the strict base class and the reusable number ranges.

Presets are typed by hand, so nothing is converted quietly: `steps: "28"` and `weight: yes` are errors. The
docstring under a field is the reference a user reads: `docs/presets.md` and the editors' JSON Schema are made
from it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

SIZE_MIN_PX = 64
SIZE_MAX_PX = 2048
"""Largest side drawn at once.
Forge eats all memory and is killed by a careless width, so the bound is ours to keep."""
UPSCALED_MAX_PX = 8192
"""Largest side after the upscale: the maximum of Ultimate SD Upscale's own size fields."""


class PresetModel(BaseModel):
    """Base of all preset models: frozen, no unknown keys, no type conversion, no NaN."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        str_max_length=4000,
    )


def _multiple_of_8(value: int) -> int:
    if value % 8:
        below = value - value % 8
        raise ValueError(
            f"must be a multiple of 8 (the server floors it unasked); try {below} or {below + 8}"
        )
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"lists {value!r} twice")
        seen.add(value)
    return values


Name = Annotated[str, AfterValidator(_not_blank), Field(max_length=255)]
Pixels = Annotated[int, Field(ge=SIZE_MIN_PX, le=SIZE_MAX_PX), AfterValidator(_multiple_of_8)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
LoraWeight = Annotated[float, Field(ge=-2.0, le=2.0)]
# A YAML list arrives as a list; strict mode alone would ask for a tuple.
Names = Annotated[tuple[Name, ...], Field(strict=False), AfterValidator(_distinct)]
