"""reForge (stable-diffusion-webui-reForge), recorded at 3b56b268 of 2026-03-11 with its own ControlNet."""

from __future__ import annotations

from ..capabilities import Flavour
from .base import FlavourRules, MapProof, Signs


def recognise(signs: Signs) -> bool:
    """By its version ("f1.0.0v2-v1.10.1RC-1.10.1"),
    else by a module list that spells "None" with a capital."""
    if signs.version:
        return signs.version.startswith("f1")
    return not signs.controlnet_version and "None" in signs.controlnet_modules


RULES = FlavourRules(
    flavour=Flavour.REFORGE,
    title="reForge",
    recognise=recognise,
    no_module="None",
    map_proof=MapProof.SILENT,
    control_mode_works=False,
)
