"""Which IP-Adapter models there are, and which preprocessor each was made with.

A wrong pair is no error that a client sees: the extension fails on a tensor's shape and the picture is drawn
without it (HTTP 200). The pairs are those of sd-webui-controlnet's own table (scripts/ipadapter/presets.py at
1.1.455) and, for Forge and reForge, of extensions-builtin/sd_forge_ipadapter at dfdcbab; the preprocessors'
names are recorded from all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .._resolve import HASHED
from ..capabilities import Capabilities

Encoder = Literal["clip_h", "clip_g", "face_id", "face_id_plus"]

ENCODER_MODULES: dict[Encoder, tuple[str, ...]] = {
    # A1111's internal name, the one its interface shows, Forge's and reForge's.
    "clip_h": ("ip-adapter_clip_sd15", "ip-adapter_clip_h", "CLIP-ViT-H (IPAdapter)"),
    "clip_g": ("ip-adapter_clip_sdxl", "ip-adapter_clip_g", "CLIP-ViT-bigG (IPAdapter)"),
    "face_id": ("ip-adapter_face_id", "InsightFace+CLIP-H (IPAdapter)"),
    "face_id_plus": ("ip-adapter_face_id_plus", "InsightFace+CLIP-H (IPAdapter)"),
}
"""Preprocessors that make what a model wants, the servers' names in the order they are looked for."""


@dataclass(frozen=True, slots=True)
class IpAdapter:
    """One published IP-Adapter model."""

    model: str
    """File name without its ending."""
    family: Literal["sd15", "sdxl"]
    encoder: Encoder
    face: bool
    """Made for faces: it takes the person over, not clothes and background."""
    lora: str | None = None
    """The LoRA it was trained with, which the prompt must name. None = it has none."""
    source: str = "h94/IP-Adapter"
    """Where its authors publish it."""

    @property
    def face_id(self) -> bool:
        """Whether it needs the package insightface on the server, whose models are for non-commercial
        research only; so are the FaceID models themselves."""
        return self.encoder in ("face_id", "face_id_plus")


def _face_id(model: str, family: Literal["sd15", "sdxl"], *, plus: bool, lora: bool = True) -> IpAdapter:
    encoder: Encoder = "face_id_plus" if plus else "face_id"
    return IpAdapter(model, family, encoder, True, f"{model}_lora" if lora else None, "h94/IP-Adapter-FaceID")


IP_ADAPTERS: tuple[IpAdapter, ...] = (
    IpAdapter("ip-adapter-plus-face_sd15", "sd15", "clip_h", True),
    IpAdapter("ip-adapter-full-face_sd15", "sd15", "clip_h", True),
    IpAdapter("ip-adapter-plus-face_sdxl_vit-h", "sdxl", "clip_h", True),
    _face_id("ip-adapter-faceid-plusv2_sd15", "sd15", plus=True),
    _face_id("ip-adapter-faceid-plusv2_sdxl", "sdxl", plus=True),
    _face_id("ip-adapter-faceid-plus_sd15", "sd15", plus=True),
    _face_id("ip-adapter-faceid_sd15", "sd15", plus=False),
    _face_id("ip-adapter-faceid_sdxl", "sdxl", plus=False),
    _face_id("ip-adapter-faceid-portrait-v11_sd15", "sd15", plus=False, lora=False),
    _face_id("ip-adapter-faceid-portrait_sd15", "sd15", plus=False, lora=False),
    _face_id("ip-adapter-faceid-portrait_sdxl", "sdxl", plus=False, lora=False),
    IpAdapter("ip-adapter-plus_sd15", "sd15", "clip_h", False),
    IpAdapter("ip-adapter_sd15_plus", "sd15", "clip_h", False),
    IpAdapter("ip-adapter-plus_sdxl_vit-h", "sdxl", "clip_h", False),
    IpAdapter("ip-adapter_sd15", "sd15", "clip_h", False),
    IpAdapter("ip-adapter_sd15_light", "sd15", "clip_h", False),
    IpAdapter("ip-adapter_sd15_light_v11", "sd15", "clip_h", False),
    IpAdapter("ip-adapter_sd15_vit-G", "sd15", "clip_g", False),
    IpAdapter("ip-adapter_sdxl_vit-h", "sdxl", "clip_h", False),
    IpAdapter("ip-adapter_sdxl", "sdxl", "clip_g", False),
)
"""The published ones, in the order in which they are taken for a person: face models first and among them
those anyone may use; FaceID keeps a face as well but is not for commercial work; the rest copy a style."""


def find_ip_adapter(model: str) -> IpAdapter | None:
    """The published model of this name, with or without its "[hash]"; None for an unknown one."""
    name = bare_name(model).casefold()
    return next((known for known in IP_ADAPTERS if known.model.casefold() == name), None)


def bare_name(listed: str) -> str:
    """A model's name without its "[hash]"."""
    hashed = HASHED.match(listed)
    return hashed["name"] if hashed else listed


def listed_ip_adapters(caps: Capabilities) -> tuple[str, ...]:
    """The IP-Adapter models a server lists, without their hashes; known or not."""
    names = [bare_name(model) for model in caps.controlnet.models] if caps.controlnet else []
    return tuple(name for name in names if "ip-adapter" in name.casefold() or find_ip_adapter(name))


def encoder_module(caps: Capabilities, encoder: Encoder) -> str | None:
    """The server's name of the preprocessor for an encoder; None when it has none."""
    known: Sequence[str] = caps.controlnet.modules if caps.controlnet else ()
    return next((name for name in ENCODER_MODULES[encoder] if name in known), None)
