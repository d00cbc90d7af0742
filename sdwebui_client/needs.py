"""What a plan needs of a server, checked all at once before any GPU time is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import _resolve as resolve
from ._checks import nearest_sides
from ._loras import LoraTag
from .capabilities import Capabilities, Flavour, Problem, absent, unknown
from .flavours import rules_for
from .types.generation import MAX_SIDE_PX
from .units import adetailer, controlnet, ultimate_upscale


@dataclass(frozen=True, slots=True)
class Needs:
    """Names as a preset writes them. Empty means: not needed."""

    samplers: Sequence[str] = ()
    schedulers: Sequence[str] = ()
    upscalers: Sequence[str] = ()
    checkpoint: str | None = None
    """Title, model name, file name or hash; None = whichever is loaded."""
    vae: str | None = None
    """VAE, or Forge's module."""
    loras: Sequence[str] = ()
    """Names without tags."""
    styles: Sequence[str] = ()
    txt2img_scripts: Sequence[str] = ()
    """Selectable or always-on scripts, in any case."""
    img2img_scripts: Sequence[str] = ()
    controlnet_models: Sequence[str] = ()
    controlnet_modules: Sequence[str] = ()
    controlnet_units: int = 0
    """Most units in one request."""
    adetailer_models: Sequence[str] = ()
    adetailer_units: int = 0
    """Most units in one request."""
    tile_upscale: bool = False
    """Ultimate SD Upscale is used."""
    sizes: Sequence[tuple[int, int]] = ()
    """(width, height) of requests, pixels."""


def check_needs(caps: Capabilities, needs: Needs) -> list[Problem]:
    """Return everything the server lacks,
    each with its near matches and what to install or rename; empty = all is there.

    Args:
        caps: The server.
        needs: What a plan will ask for.

    Example:
        >>> caps = Capabilities(Flavour.A1111, samplers=("Euler a",), checkpoints=())
        >>> [str(p) for p in check_needs(caps, Needs(samplers=["euler a"]))][0]
        'sampler: "euler a" is not there; did you mean "Euler a"?'
    """
    found: list[Any] = [resolve.sampler(caps, name) for name in needs.samplers]
    if caps.flavour is not Flavour.SDNEXT:
        found += [resolve.scheduler(caps, name) for name in needs.schedulers]
    found += [resolve.upscaler(caps, name) for name in needs.upscalers]
    found += [
        resolve.lora_problem(caps, LoraTag(name, 1.0, f"<lora:{name}:1>"), what="lora")
        for name in needs.loras
    ]
    found += [unknown("style", name, caps.styles) for name in needs.styles if name not in caps.styles]
    found += _model_problems(caps, needs)
    found += _script_problems(caps, needs)
    found += _controlnet_problems(caps, needs)
    found += _adetailer_problems(caps, needs)
    found += [problem for size in needs.sizes for problem in _size_problems(size)]
    return list(dict.fromkeys(item for item in found if isinstance(item, Problem)))


def _model_problems(caps: Capabilities, needs: Needs) -> list[Any]:
    found: list[Any] = []
    if not caps.checkpoints:
        fix = "copy one into models/Stable-diffusion and refresh"
        found.append(Problem("checkpoint", "the server has none, so it cannot draw anything", fix=fix))
    elif needs.checkpoint is not None:
        found.append(resolve.checkpoint(caps, needs.checkpoint))
    if needs.vae is not None:
        known = caps.vaes if rules_for(caps.flavour).vae_setting == "sd_vae" else caps.modules
        if needs.vae not in known:
            found.append(unknown("VAE", needs.vae, known, fix="copy the file into models/VAE and refresh"))
    return found


def _script_problems(caps: Capabilities, needs: Needs) -> list[Any]:
    found: list[Any] = []
    for endpoint, names in (("txt2img", needs.txt2img_scripts), ("img2img", needs.img2img_scripts)):
        found += [resolve.script(caps, endpoint, name) for name in names]
    if needs.tile_upscale and caps.flavour is Flavour.SDNEXT:
        found.append(
            Problem(
                "tile upscale", "SD.Next cannot do it: its tile ControlNet returns no picture", fix=NO_TILES
            )
        )
    elif needs.tile_upscale:
        name = ultimate_upscale.UltimateSDUpscale.SCRIPT
        found.append(resolve.script(caps, "img2img", name, fix=ultimate_upscale.INSTALL))
    return found


NO_TILES = "use an AUTOMATIC1111, Forge or reForge server for the upscale, or leave that stage out"


def _controlnet_problems(caps: Capabilities, needs: Needs) -> list[Any]:
    if not (needs.controlnet_models or needs.controlnet_modules or needs.controlnet_units):
        return []
    cn = caps.controlnet
    if cn is None:
        return [absent(caps, "ControlNet", fix=controlnet.INSTALL)]
    found: list[Any] = [resolve.controlnet_model(cn, name) for name in needs.controlnet_models]
    found += [resolve.controlnet_module(caps, cn, name) for name in needs.controlnet_modules]
    if needs.controlnet_units > cn.max_units:
        detail = f"{needs.controlnet_units} needed, the server has {cn.max_units}"
        found.append(
            Problem(
                "ControlNet units", detail, fix="raise their number in the server's settings and restart it"
            )
        )
    return found


def _adetailer_problems(caps: Capabilities, needs: Needs) -> list[Any]:
    if not (needs.adetailer_models or needs.adetailer_units):
        return []
    ad = caps.adetailer
    if ad is None:
        return [absent(caps, "ADetailer", fix=adetailer.INSTALL)]
    found: list[Any] = [resolve.adetailer_model(ad, name) for name in needs.adetailer_models]
    if needs.adetailer_units > ad.max_units:
        detail = f"{needs.adetailer_units} needed, the server runs {ad.max_units}"
        found.append(
            Problem(
                "ADetailer units", detail, fix="raise ad_max_models in the server's settings and restart it"
            )
        )
    return found


def _size_problems(size: tuple[int, int]) -> list[Problem]:
    found = []
    for name, side in zip(("width", "height"), size, strict=True):
        if side < 8 or side > MAX_SIDE_PX:
            found.append(Problem(name, f"{side} is outside 8..{MAX_SIDE_PX} pixels"))
        elif side % 8:
            found.append(
                Problem(
                    name,
                    f"{side} is no multiple of 8, the server would floor it silently",
                    nearest_sides(side),
                )
            )
    return found
