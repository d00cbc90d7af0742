"""What a request must have brought about, and where in the answer to look for it.

HTTP 200 proves nothing: each expectation reads one sign that recordings of real servers show to be
reliable, and says "unverified" where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .flavours import MapProof
from .images import EncodedImage
from .infotext import named_hashes
from .types.result import Effect


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer taken apart."""

    info: Mapping[str, Any]
    """The decoded `info`."""
    told: Mapping[str, str]
    """Settings of the first picture by its infotext."""
    pictures: tuple[EncodedImage, ...]
    maps: tuple[EncodedImage, ...] = ()
    """What came behind the pictures."""


class Expectation(Protocol):
    """One effect to look for."""

    @property
    def name(self) -> str:
        """The effect's name for people."""
        ...

    def verify(self, outcome: Outcome) -> Effect:
        """Say whether the answer shows the effect."""
        ...


@dataclass(frozen=True, slots=True)
class Unverifiable:
    """An effect that leaves no sign."""

    name: str
    why: str

    def verify(self, outcome: Outcome) -> Effect:
        """Say that nobody can tell."""
        del outcome
        return Effect(self.name, "unverified", self.why)


@dataclass(frozen=True, slots=True)
class Reported:
    """A setting that `info` or the infotext states."""

    name: str
    key: str
    """Key in `info` when `where` is "info", else in the infotext."""
    accepted: frozenset[str]
    """Values that mean it was applied."""
    where: Literal["info", "infotext"] = "info"
    absent: Literal["missing", "unverified"] = "missing"
    """What it means when the key is not there."""

    def verify(self, outcome: Outcome) -> Effect:
        """Compare the value the server states with the one asked for."""
        source: Mapping[str, Any] = outcome.info if self.where == "info" else outcome.told
        value = source.get(self.key)
        label = f"info.{self.key}" if self.where == "info" else f'infotext "{self.key}"'
        if value is None or value == "":
            return Effect(self.name, self.absent, f"{label} is absent")
        if str(value) in self.accepted:
            return Effect(self.name, "ran", f"{label} = {value}")
        wanted = " or ".join(sorted(self.accepted))
        return Effect(self.name, "missing", f"{label} = {value}, asked for {wanted}")


@dataclass(frozen=True, slots=True)
class PictureCount:
    """As many pictures as asked for."""

    count: int
    name: str = "pictures"

    def verify(self, outcome: Outcome) -> Effect:
        """Count; an interrupted job returns fewer than it has seeds and does not say so."""
        came = len(outcome.pictures)
        if came >= self.count:
            return Effect(self.name, "ran", f"{came} of {self.count}")
        return Effect(
            self.name, "missing", f"{came} of {self.count} came back: the job was probably interrupted"
        )


@dataclass(frozen=True, slots=True)
class PictureSize:
    """Every picture has the size asked for, by its own header (`info` repeats the request)."""

    sizes: tuple[tuple[int, int], ...]
    """Accepted (width, height)."""
    name: str = "size"

    def verify(self, outcome: Outcome) -> Effect:
        """Compare the headers."""
        if not outcome.pictures:
            return Effect(self.name, "unverified", "no picture came back")
        came = sorted({picture.size for picture in outcome.pictures})
        text = ", ".join(f"{w}x{h}" for w, h in came)
        if all(size in self.sizes for size in came):
            return Effect(self.name, "ran", f"picture header: {text}")
        wanted = " or ".join(f"{w}x{h}" for w, h in self.sizes)
        return Effect(self.name, "missing", f"picture header: {text}, asked for {wanted}")


@dataclass(frozen=True, slots=True)
class LoraLoaded:
    """A LoRA of the prompt was loaded."""

    lora: str
    weight: float
    hashes_written: bool = True
    """False when the server is set not to write LoRA hashes."""
    key: str = "Lora hashes"

    @property
    def name(self) -> str:
        """Such as "lora:alice"."""
        return f"lora:{self.lora}"

    def verify(self, outcome: Outcome) -> Effect:
        """Look for its entry; a missing or broken file leaves none."""
        value = outcome.told.get(self.key, "")
        loaded = named_hashes(value) if ":" in value else {part.strip(): "" for part in value.split(",")}
        if self.lora in loaded:
            digest = loaded[self.lora]
            if self.weight == 0:
                return Effect(self.name, "unverified", "loaded with weight 0, which changes nothing")
            return Effect(
                self.name, "ran", f'infotext "{self.key}" lists it' + (f" with {digest}" if digest else "")
            )
        if not self.hashes_written:
            return Effect(self.name, "unverified", "the server is set not to write LoRA hashes")
        if self.weight == 0:
            return Effect(self.name, "unverified", "weight 0 changes nothing")
        return Effect(
            self.name, "missing", f'infotext "{self.key}" does not list it: not found, or the file is broken'
        )


@dataclass(frozen=True, slots=True)
class ADetailerAccepted:
    """An ADetailer unit was accepted; whether it found anything is not reported."""

    index: int
    model: str
    retouched: EncodedImage | None = None
    """With skip_img2img and a single unit: the untouched picture, whose pixels prove the change."""

    @property
    def name(self) -> str:
        """Such as "ADetailer[0] face_yolov8n.pt"."""
        return f"ADetailer[{self.index}] {self.model}"

    def verify(self, outcome: Outcome) -> Effect:
        """Look for the unit in the infotext, which drops invalid ones."""
        key = "ADetailer model" + ordinal_suffix(self.index)
        found = outcome.told.get(key)
        if found != self.model:
            told = f'infotext "{key}" is ' + (f"{found}" if found else "absent: the server refused the unit")
            return Effect(self.name, "missing", told)
        if self.retouched is not None and outcome.pictures:
            if pixels_differ(self.retouched, outcome.pictures[0]):
                return Effect(self.name, "ran", "the pixels changed")
            return Effect(self.name, "unverified", "no pixel changed: nothing was detected")
        return Effect(
            self.name,
            "unverified",
            f'infotext "{key}" lists it; whether it detected anything is not reported',
        )


@dataclass(frozen=True, slots=True)
class ControlNetRan:
    """A ControlNet unit was applied."""

    index: int
    model: str
    proof: MapProof
    maps: int
    """Maps that the units of this request must bring;
    0 when this unit brings none (switched off, or a tile upscale)."""

    @property
    def name(self) -> str:
        """Such as "ControlNet[0] control_v11p_sd15_openpose [a1f45402]"."""
        return f"ControlNet[{self.index}] {self.model}"

    def verify(self, outcome: Outcome) -> Effect:
        """Read the sign this flavour gives; the infotext alone lists units that failed, too."""
        key = f"ControlNet {self.index}"
        if key not in outcome.told:
            return Effect(self.name, "missing", f'infotext "{key}" is absent')
        came = len(outcome.maps)
        if self.proof is MapProof.SILENT or self.maps == 0:
            return Effect(self.name, "unverified", "this server gives no sign whether ControlNet was applied")
        if came < self.maps:
            return Effect(self.name, "missing", f"{came} of {self.maps} detected maps came back")
        if self.proof is MapProof.PROVES:
            return Effect(self.name, "ran", f"{came} of {self.maps} detected maps came back")
        return Effect(
            self.name, "unverified", "its map came back, which this server also sends when ControlNet failed"
        )


@dataclass(frozen=True, slots=True)
class StylesApplied:
    """Prompt styles changed the prompt."""

    styles: tuple[str, ...]
    prompt: str
    negative: str

    @property
    def name(self) -> str:
        """Such as "styles: studio"."""
        return f"styles: {', '.join(self.styles)}"

    def verify(self, outcome: Outcome) -> Effect:
        """Compare the prompts that were drawn with those sent; `info.styles` only repeats the request."""
        prompts = outcome.info.get("all_prompts") or [self.prompt]
        negatives = outcome.info.get("all_negative_prompts") or [self.negative]
        if prompts[0] != self.prompt or negatives[0] != self.negative:
            return Effect(self.name, "ran", "the prompt that was drawn holds more than the one sent")
        return Effect(self.name, "unverified", "the prompt is as it was sent")


def ordinal_suffix(index: int) -> str:
    """Return how ADetailer marks the keys of unit `index`: "", " 2nd", " 3rd", " 4th" …"""
    if index == 0:
        return ""
    number = index + 1
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f" {number}{ending}"


def pixels_differ(one: EncodedImage, other: EncodedImage) -> bool:
    """Decode both pictures and compare their RGB pixels."""
    # Pillow decodes pixels; nothing else in the client needs them.
    from PIL import ImageChops

    first, second = one.open().convert("RGB"), other.open().convert("RGB")
    return first.size != second.size or ImageChops.difference(first, second).getbbox() is not None
