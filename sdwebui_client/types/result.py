"""What comes back from a generation, and what of it was verified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from ..images import EncodedImage
from ._base import Response


class GenerationInfo(Response):
    """What the server says it did: the JSON inside the answer's `info` string.
    Other keys are in `model_extra`."""

    prompt: str = ""
    """Prompt of the first picture."""
    all_prompts: list[str] = Field(default_factory=list)
    """Prompt of each picture."""
    negative_prompt: str = ""
    """Negative prompt of the first picture."""
    all_negative_prompts: list[str] = Field(default_factory=list)
    """Negative prompt of each picture."""
    seed: int = -1
    """Seed of the first picture."""
    all_seeds: list[int] = Field(default_factory=list)
    """Seed of each picture."""
    subseed: int = -1
    """Variation seed of the first picture."""
    all_subseeds: list[int] = Field(default_factory=list)
    """Variation seed of each picture."""
    subseed_strength: float = 0.0
    """Share of the variation."""
    width: int = 0
    """Width asked for, pixels; the picture itself may differ."""
    height: int = 0
    """Height asked for, pixels; the picture itself may differ."""
    sampler_name: str | None = None
    """Sampler that ran."""
    cfg_scale: float | None = None
    """Prompt guidance."""
    steps: int = 0
    """Sampling steps."""
    batch_size: int = 1
    """Pictures drawn at once."""
    denoising_strength: float | None = None
    """Share of noise."""
    sd_model_name: str | None = None
    """Checkpoint that was loaded."""
    sd_model_hash: str | None = None
    """First ten digits of its SHA-256."""
    sd_vae_name: str | None = None
    """VAE, when one was chosen."""
    sd_vae_hash: str | None = None
    """Its hash."""
    clip_skip: int | None = None
    """CLIP layers skipped, plus one."""
    index_of_first_image: int = 0
    """Where the pictures begin in `images`; 1 behind a grid."""
    infotexts: list[str] = Field(default_factory=list)
    """Infotext of each picture; see `sdwebui_client.infotext`."""
    extra_generation_params: dict[str, Any] = Field(default_factory=dict)
    """What extensions noted."""
    styles: list[str] = Field(default_factory=list)
    """Styles that were asked for."""
    job_timestamp: str = ""
    """When the job began, by the server's clock, YYYYMMDDhhmmss."""
    version: str = ""
    """Version of the WebUI."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing the request asked for, and whether the answer shows it."""

    name: str
    """"lora:alice", "ADetailer[0] face_yolov8n.pt", "ControlNet[0] …",
    "sampler", "scheduler", "checkpoint", "size", …"""
    status: Literal["ran", "unverified", "missing"]
    """"unverified": this server gives no sign either way."""
    evidence: str
    """What in the answer says so."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Every effect a request asked for."""

    effects: tuple[Effect, ...] = ()
    """In the order they were asked for."""

    @property
    def unverified(self) -> tuple[Effect, ...]:
        """Effects the server gives no sign of, either way."""
        return tuple(effect for effect in self.effects if effect.status == "unverified")

    @property
    def missing(self) -> tuple[Effect, ...]:
        """Effects that were not applied."""
        return tuple(effect for effect in self.effects if effect.status == "missing")

    def __str__(self) -> str:
        return "\n".join(f"{effect.status:>10}  {effect.name}: {effect.evidence}" for effect in self.effects)


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """The pictures of a generation with everything that says how they came about."""

    images: tuple[EncodedImage, ...]
    """The server's bytes, untouched; grids and detected maps are not among them."""
    info: GenerationInfo
    """What the server reported."""
    request: dict[str, Any] = field(repr=False)
    """The payload exactly as sent; pictures in it are `EncodedImage` or base64 text."""
    verified: Verification
    """What ran, and how that is known."""
    task_id: str
    """Name of the job on the server."""
    endpoint: str
    """Path the request went to."""
    elapsed_s: float
    """Seconds from sending to the answer, queue included."""
    detected_maps: tuple[EncodedImage, ...] = ()
    """ControlNet's maps, where the server sends them."""
