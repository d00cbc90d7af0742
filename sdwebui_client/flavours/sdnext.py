"""SD.Next (vladmandic/sdnext), recorded at 058a7f0c of 2026-07-23: another API under the same paths."""

from __future__ import annotations

from ..capabilities import Flavour
from .base import FlavourRules, MapProof, Signs


def recognise(signs: Signs) -> bool:
    """By its own version route or the title of its OpenAPI document."""
    return signs.own_version or signs.title == "SD.Next"


RULES = FlavourRules(
    flavour=Flavour.SDNEXT,
    title="SD.Next",
    recognise=recognise,
    no_module="None",
    map_proof=MapProof.SILENT,
    module_synonyms=(),
    control_mode_works=False,
    adetailer_controlnet_works=False,
)
