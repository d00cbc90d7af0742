"""The WebUIs this client knows, one file each. A further one costs a file and a line in `FLAVOURS`."""

from __future__ import annotations

from ..capabilities import Flavour
from . import a1111, forge, reforge, sdnext
from .base import FlavourRules, MapProof, Signs

__all__ = ["FLAVOURS", "FlavourRules", "MapProof", "Signs", "recognise", "rules_for"]

FLAVOURS: tuple[FlavourRules, ...] = (sdnext.RULES, forge.RULES, reforge.RULES, a1111.RULES)
"""In the order in which they are looked for; the last one takes what nobody else recognised."""


def rules_for(flavour: Flavour) -> FlavourRules:
    """Return the rules of a flavour."""
    return next(rules for rules in FLAVOURS if rules.flavour is flavour)


def recognise(signs: Signs) -> Flavour:
    """Return which WebUI shows these signs; a plain A1111 shows none."""
    for rules in FLAVOURS:
        if rules.recognise(signs):
            return rules.flavour
    return Flavour.A1111
