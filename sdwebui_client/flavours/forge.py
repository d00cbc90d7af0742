"""Forge (stable-diffusion-webui-forge), recorded at dfdcbab of 2025-06-26 with its own ControlNet."""

from __future__ import annotations

from ..capabilities import Flavour
from .base import FlavourRules, MapProof, Signs


def recognise(signs: Signs) -> bool:
    """By its version ("f2.0.1v1.10.1-1.10.1"), else by the route that lists its modules."""
    return signs.version.startswith("f2") or signs.sd_modules


RULES = FlavourRules(
    flavour=Flavour.FORGE,
    title="Forge",
    recognise=recognise,
    no_module="None",
    map_proof=MapProof.DISPROVES,
    adetailer_controlnet_works=False,
    vae_setting="forge_additional_modules",
    hires_modules=True,
    infotext_field_works=False,
)
