"""Words to colours."""

from __future__ import annotations

import pytest

from prompt_library import load_library
from sdwebui_client.sandbox.render.palette import COLOURS, read_look

LIBRARY = load_library()


@pytest.mark.parametrize(
    ("prompt", "sign"),
    [
        ("cool color tone, crisp bluish light", -1),
        ("(warm color tone:1.2), golden soft light", 1),
        ("neutral white balance, true colors", 0),
        ("portrait of a person", 0),
        ("light blue denim shirt, light blue studio backdrop", 0),
        ("plain warm beige studio backdrop", 0),
        ("<lora:warm_light:1>", 0),
    ],
)
def test_tone(prompt: str, sign: int) -> None:
    warmth = read_look(prompt).warmth
    assert (warmth > 0) - (warmth < 0) == sign
    assert -1 <= warmth <= 1


def test_the_librarys_tones_are_understood() -> None:
    assert read_look(LIBRARY.tones["cool"].prompt.of("sd15")).warmth < -0.5
    assert read_look(LIBRARY.tones["warm"].prompt.of("sd15")).warmth > 0.5


@pytest.mark.parametrize(
    ("name", "garment"),
    [
        ("suit_navy", "suit"),
        ("suit_charcoal", "suit"),
        ("white_shirt", "shirt"),
        ("blouse_white", "shirt"),
        ("knit_ivory", "crew"),
        ("turtleneck_black", "turtleneck"),
    ],
)
def test_the_librarys_outfits_are_understood(name: str, garment: str) -> None:
    assert read_look(LIBRARY.outfits[name].prompt.of("sd15")).garment == garment


def test_colours_of_clothes() -> None:
    suit = read_look("tailored navy suit jacket, pink shirt, red tie")
    assert suit.garment_colour == COLOURS["navy"]
    assert suit.shirt_colour == COLOURS["pink"]
    assert suit.tie_colour == COLOURS["red"]
    assert read_look("charcoal gray suit").garment_colour == COLOURS["charcoal"]
    assert read_look("crisp white dress shirt").garment_colour == COLOURS["white"]
    light, plain = read_look("light green sweater"), read_look("green sweater")
    assert sum(light.garment_colour) > sum(plain.garment_colour)
    assert sum(read_look("dark green sweater").garment_colour) < sum(plain.garment_colour)


def test_backdrops() -> None:
    assert read_look("dark charcoal studio backdrop").backdrop == "studio"
    assert read_look("plain pure white background").backdrop_colour == COLOURS["white"]
    assert read_look("plain pure white background").backdrop == "plain"
    assert read_look("blurred modern office interior, bokeh").backdrop == "bokeh"
    assert read_look("").backdrop == "studio"


def test_who_and_monochrome() -> None:
    assert read_look("photo of a woman").female is True
    assert read_look("photo of a man").female is False
    assert read_look("photo of ohwx person").female is None
    assert read_look("black and white photography").monochrome
