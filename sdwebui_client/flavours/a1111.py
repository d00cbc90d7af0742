"""AUTOMATIC1111's stable-diffusion-webui, recorded at v1.10.1 with sd-webui-controlnet 1.1.455."""

from __future__ import annotations

from ..capabilities import Flavour
from .base import FlavourRules, MapProof, Signs


def recognise(signs: Signs) -> bool:
    """By its version ("v1.10.1"), else by the ControlNet extension that only it runs; also the last guess."""
    if signs.version:
        return signs.version.startswith("v")
    return signs.controlnet_version or "None" not in signs.controlnet_modules


RULES = FlavourRules(
    flavour=Flavour.A1111,
    title="AUTOMATIC1111",
    recognise=recognise,
    no_module="none",
    map_proof=MapProof.PROVES,
)
