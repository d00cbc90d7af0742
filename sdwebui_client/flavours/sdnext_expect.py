"""Signs in SD.Next's answers."""

from __future__ import annotations

from dataclasses import dataclass

from .._expect import Outcome
from ..types.result import Effect


@dataclass(frozen=True, slots=True)
class SamplerUsed:
    """The sampler, and not the fallback that a request with an unknown one leaves behind (recorded: c21b)."""

    sampler: str
    name: str = "sampler"

    def verify(self, outcome: Outcome) -> Effect:
        """Read the sampler and the scheduler class that stands for it."""
        came, behind = outcome.told.get("Sampler"), outcome.told.get("Scheduler", "")
        if came != self.sampler:
            return Effect(self.name, "missing", f'"Sampler" is {came or "absent"}, asked for {self.sampler}')
        if behind == "PNDMScheduler" and self.sampler != "PNDM":
            return Effect(self.name, "missing", f"{came} is named, but {behind} ran")
        return Effect(self.name, "ran", f'"Sampler" = {came}, "Scheduler" = {behind}')


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """The checkpoint; the answer shows the last part of its title."""

    title: str
    name: str = "checkpoint"

    def verify(self, outcome: Outcome) -> Effect:
        """Compare the model's name."""
        came = outcome.told.get("Model", "")
        wanted = self.title.partition(" [")[0].replace("\\", "/").rpartition("/")[2]
        wanted = wanted.removesuffix(".safetensors").removesuffix(".ckpt")
        if came == wanted:
            return Effect(self.name, "ran", f'"Model" = {came}')
        return Effect(self.name, "missing", f'"Model" is {came or "absent"}, asked for {wanted}')


@dataclass(frozen=True, slots=True)
class DetailerListed:
    """The built-in detailer; listed even when it failed or found nothing (recorded: p03u, p03v)."""

    index: int
    model: str

    @property
    def name(self) -> str:
        """Such as "ADetailer[0] face_yolov8n"."""
        return f"ADetailer[{self.index}] {self.model}"

    def verify(self, outcome: Outcome) -> Effect:
        """Look for the detector."""
        listed = [part.strip().partition(":")[0] for part in outcome.told.get("Detailer", "").split(",")]
        if self.model in listed:
            return Effect(self.name, "unverified", '"Detailer" lists it; so it does when it found nothing')
        return Effect(self.name, "missing", '"Detailer" does not list it')


@dataclass(frozen=True, slots=True)
class ControlNetUsed:
    """A ControlNet unit."""

    index: int
    model: str
    ready_map: bool
    """The picture went in as it is: with a preprocessor the answer looks the same when that failed."""

    @property
    def name(self) -> str:
        """Such as "ControlNet[0] control_v11p_sd15_openpose"."""
        return f"ControlNet[{self.index}] {self.model}"

    def verify(self, outcome: Outcome) -> Effect:
        """Look for the model: a unit whose model was not found leaves no trace."""
        models = [part.strip() for part in outcome.told.get("Control model", "").split(";")]
        if self.index >= len(models) or models[self.index] != self.model:
            return Effect(self.name, "missing", '"Control model" does not list it')
        if not self.ready_map:
            return Effect(self.name, "unverified", "the model ran; its preprocessor leaves no sign")
        return Effect(self.name, "ran", '"Control model" lists it')


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """PNG keeps every pixel; SD.Next sends JPEG until it is told otherwise, for everybody."""

    name: str = "format"

    def verify(self, outcome: Outcome) -> Effect:
        """Read the pictures' format."""
        kinds = sorted({picture.format for picture in outcome.pictures})
        if kinds in ([], ["PNG"]):
            return Effect(self.name, "ran", "PNG" if kinds else "no picture asked for")
        why = 'only set_options({"samples_format": "png"}) changes it, for everybody'
        return Effect(self.name, "unverified", f"came as {', '.join(kinds)}: {why}")
