"""What every unit is: a closed, frozen model that renders its own arguments
and knows how to tell that it ran."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, ValidationError

from .._near import did_you_mean, near
from ..capabilities import Capabilities, Problem
from ..errors import InvalidRequest
from ..images import EncodedImage

if TYPE_CHECKING:
    from PIL.Image import Image

    from .._expect import Expectation

    Picture = EncodedImage | Image | bytes | str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Context:
    """The request a unit is part of."""

    endpoint: str = "txt2img"
    """ "txt2img" or "img2img"."""
    init_image: EncodedImage | None = None
    """The first picture of an img2img request."""
    upscaling: bool = False
    """The tile upscale runs."""
    main_loras: frozenset[str] = frozenset()
    """LoRAs of the main prompt."""


TXT2IMG = Context()
IMG2IMG = Context(endpoint="img2img")


@runtime_checkable
class Unit(Protocol):
    """An always-on script's unit."""

    @property
    def script_name(self) -> str:
        """The always-on script it belongs to."""
        ...

    def problems(self, caps: Capabilities, *, context: Context = ..., index: int = 0) -> list[Problem]:
        """What the server lacks for this unit."""
        ...

    def render(self, caps: Capabilities) -> dict[str, Any]:
        """The unit as the script takes it."""
        ...

    def expectations(
        self, caps: Capabilities, *, context: Context, index: int, peers: Sequence[Any]
    ) -> list[Expectation]:
        """What must be seen in the answer."""
        ...

    @classmethod
    def script_args(cls, units: Sequence[Any], caps: Capabilities) -> list[Any]:
        """The script's whole argument list for these units of one request."""
        ...

    @classmethod
    def group_problems(cls, units: Sequence[Any], caps: Capabilities, *, context: Context) -> list[Problem]:
        """What is wrong with these units together."""
        ...


class Closed(BaseModel):
    """A frozen model that refuses unknown fields and out-of-range values with `InvalidRequest`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    if not TYPE_CHECKING:  # the checker keeps the field names that pydantic derives

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise invalid(type(self), error) from None


def invalid(model: type[BaseModel], error: ValidationError) -> InvalidRequest:
    """Return the error as one a person understands:
    every field with its reason, unknown ones with their near match."""
    lines, hints = [], []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            lines.append(f"{place} is no field of {model.__name__}")
            hints.append(did_you_mean(near(place.removeprefix("ad_"), model.model_fields)))
        else:
            lines.append(f"{place}: {item['msg']}" if place else item["msg"])
    hint = "; ".join(dict.fromkeys(text for text in hints if text))
    return InvalidRequest(f"{model.__name__}: " + "; ".join(lines), hint=hint)
