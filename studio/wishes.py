"""What a user asks a job for: closed, checked against the prompt library, never free text."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_PORTRAITS = 40
"""Portraits of one job; more is more likely a slip than a wish."""


class Wishes(BaseModel):
    """One job's wishes. Every word of it is a name of the prompt library or a preset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str = Field("studio-sd15", max_length=64)
    """A preset of the project or of the operator, by name; never a path."""
    poses: tuple[str, ...] = Field((), max_length=12)
    """Names of poses; empty = the preset's."""
    tone: str = Field("auto", max_length=32)
    """"auto" (suits the undertone of the skin), "both", or the name of a tone."""
    outfit: str | None = Field(None, max_length=64)
    """Name of an outfit; None = the preset's."""
    backdrop: str | None = Field(None, max_length=64)
    """Name of a backdrop; None = the preset's."""
    count: int = Field(4, ge=1, le=MAX_PORTRAITS)
    """Portraits to deliver."""
    seed: int | None = Field(None, ge=0, le=2**32 - 1)
    """None = the album's own: a retouch keeps the pictures and changes what was asked."""
    visible_mark: bool | None = None
    """Whether a small visible mark is drawn; None = as the operator set it."""
    identity: Literal["lora", "ip_adapter", "both"] | None = None
    """As in a preset; None = the preset's."""

    @field_validator("preset", "outfit", "backdrop", "tone")
    @classmethod
    def _a_name(cls, value: str | None) -> str | None:
        return None if value is None else _name(value)

    @field_validator("poses")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_name(name) for name in value))


def _name(value: str) -> str:
    if not value or not value.replace("-", "").replace("_", "").isalnum() or not value.isascii():
        raise ValueError("a name has letters, digits, - and _ only")
    return value
