"""What the library holds: poses, tones, outfits, backdrops, texts and LoRA mixes, as closed, frozen models.

The data lie in `data/*.yaml`; every item says what it is for and has a Korean and an English title.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from .errors import UnknownName

Family = Literal["sd15", "sdxl"]
FAMILIES: tuple[Family, ...] = ("sd15", "sdxl")

KEYPOINTS: tuple[str, ...] = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle",
    "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
"""The 18 OpenPose body keypoints in their order. Right is the person's right: on the left of the picture."""


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True,
        validate_by_alias=True, validate_by_name=True, serialize_by_alias=True,
    )  # fmt: skip


class Titles(_Model):
    """An item's name for people."""

    ko: Annotated[str, Field(min_length=1)]
    """In Korean."""
    en: Annotated[str, Field(min_length=1)]
    """In English."""


class Item(_Model):
    """What every item has."""

    title: Titles
    """Name for people, in two languages."""
    for_: Annotated[str, Field(min_length=1, alias="for")]
    """What it is for and when to choose it."""


def _by_family(value: object) -> object:
    return dict.fromkeys(FAMILIES, value) if isinstance(value, str) else value


class FamilyText(_Model):
    """Text for each model family; in the data one plain string stands for both."""

    sd15: str
    sdxl: str

    def of(self, family: Family) -> str:
        """The text for a family."""
        return self.sd15 if family == "sd15" else self.sdxl


Text = Annotated[FamilyText, BeforeValidator(_by_family)]
_NO_TEXT = FamilyText(sd15="", sdxl="")


class Snippet(Item):
    """A piece of prompt that templates name in braces: `{studio_look}`."""

    text: Text
    """The words, possibly different per family."""


class Worded(Item):
    """An item that adds words to the prompt and the negative prompt."""

    prompt: Text
    """Words for the prompt."""
    negative: Text = _NO_TEXT
    """Words for the negative prompt; empty = none."""


class Grade(_Model):
    """A colour grade. All zeros leave a picture as it is."""

    temperature: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    """White balance, -1 (coolest, blue) to +1 (warmest, amber); 0 = unchanged."""
    tint: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    """-1 (green) to +1 (magenta); 0 = unchanged."""
    contrast: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    """-1 (flat) to +1 (hard); 0 = unchanged."""
    saturation: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    """-1 (gray) to +1 (twice the colour); 0 = unchanged."""
    lift: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    """Shadows, -1 (crushed) to +1 (milky); 0 = unchanged."""


class Tone(Worded):
    """The light and colour of a portrait."""

    grade: Grade = Grade()
    """The finishing grade that makes the tone certain, whatever the model made of the words."""


class Outfit(Worded):
    """Clothes."""


class Backdrop(Worded):
    """What is behind the person."""


class LoraUse(_Model):
    """One LoRA of a mix."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^<>:\s][^<>:]*$")]
    """File name without `.safetensors`, as it is usually published; rename yours or the entry."""
    weight: Annotated[float, Field(ge=-2.0, le=2.0)]
    """Recommended weight, -2 to 2; 0 = off."""
    families: Annotated[tuple[Family, ...], Field(min_length=1, strict=False)] = FAMILIES
    """Model families the file fits."""
    optional: bool = True
    """true = left out (and reported) where the server lacks it; false = the run stops."""
    trigger: str = ""
    """Words the LoRA listens to; empty = none needed."""
    for_: Annotated[str, Field(min_length=1, alias="for")]
    """What this one adds."""


class Mix(Item):
    """LoRAs that go well together beside the person's own."""

    loras: Annotated[tuple[LoraUse, ...], Field(min_length=1, strict=False)]
    """The LoRAs, in the order of their tags."""
    prompt: Text = _NO_TEXT
    """Further words for the prompt."""
    negative: Text = _NO_TEXT
    """Further words for the negative prompt."""

    def for_family(self, family: Family) -> tuple[LoraUse, ...]:
        """Those LoRAs that fit the family."""
        return tuple(lora for lora in self.loras if family in lora.families)


Coordinate = Annotated[float, Field(ge=0.0, le=1.0)]
Point = Annotated[tuple[Coordinate, Coordinate], Field(strict=False)]


class Pose(Item):
    """A body pose as 18 OpenPose keypoints."""

    name: str = ""
    """Its name in the library."""
    framing: Literal["head_and_shoulders", "half_body"]
    """How much of the person is seen."""
    prompt: str = ""
    """Words that agree with the pose, for `{pose}`."""
    points: dict[str, Point]
    """Keypoint name -> (x, y), 0–1 from the left and from the top of a frame of 2:3 (width:height). Those
    left out are not visible."""

    @model_validator(mode="after")
    def _known_points(self) -> Self:
        unknown = [name for name in self.points if name not in KEYPOINTS]
        if unknown:
            raise ValueError(f"unknown keypoint {unknown[0]!r}; there are {', '.join(KEYPOINTS)}")
        missing = [
            name for name in ("nose", "neck", "right_shoulder", "left_shoulder") if name not in self.points
        ]
        if missing:
            raise ValueError(f"a portrait pose needs {', '.join(missing)}")
        return self

    @property
    def keypoints(self) -> tuple[tuple[float, float] | None, ...]:
        """The 18 keypoints in OpenPose order; None = not visible."""
        return tuple(self.points.get(name) for name in KEYPOINTS)

    @property
    def description(self) -> str:
        """What the pose is for."""
        return self.for_


T = TypeVar("T", bound=Item)


class Shelf(Mapping[str, T]):
    """Items of one kind by name; asking for a name that is not there names the near match."""

    def __init__(self, kind: str, items: Mapping[str, T]) -> None:
        self.kind = kind
        self._items = MappingProxyType(dict(items))

    def __getitem__(self, name: str) -> T:
        try:
            return self._items[name]
        except KeyError:
            raise UnknownName(self.kind, name, self._items) from None

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Shelf({self.kind}: {', '.join(self._items)})"
