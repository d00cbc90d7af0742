"""Telling the WebUIs apart by what they show before they have drawn anything."""

from __future__ import annotations

import pytest

from sdwebui_client.capabilities import Flavour
from sdwebui_client.flavours import FLAVOURS, Signs, recognise, rules_for


@pytest.mark.parametrize(
    ("signs", "flavour"),
    [
        (Signs(title="SD.Next"), Flavour.SDNEXT),
        (Signs(own_version=True), Flavour.SDNEXT),
        (Signs(version="f2.0.1v1.10.1-1.10.1"), Flavour.FORGE),
        (Signs(sd_modules=True, controlnet_modules=("None",)), Flavour.FORGE),
        (Signs(version="f1.0.0v2-v1.10.1RC-1.10.1"), Flavour.REFORGE),
        (Signs(controlnet_modules=("None", "canny")), Flavour.REFORGE),
        (Signs(version="v1.10.1"), Flavour.A1111),
        (Signs(version="v1.10.1", controlnet_modules=("None",)), Flavour.A1111),
        (Signs(controlnet_version=True, controlnet_modules=("none",)), Flavour.A1111),
        (Signs(), Flavour.A1111),
        (Signs(version="x9"), Flavour.A1111),
    ],
)
def test_signs(signs: Signs, flavour: Flavour) -> None:
    assert recognise(signs) is flavour


def test_every_flavour_has_its_rules() -> None:
    assert {rules.flavour for rules in FLAVOURS} == set(Flavour)
    for flavour in Flavour:
        assert rules_for(flavour).flavour is flavour
        assert rules_for(flavour).title
