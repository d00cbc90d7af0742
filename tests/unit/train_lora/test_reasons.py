from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import train_lora
from train_lora.reasons import CATALOGUE, CODES, LANGUAGES, describe


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", CODES)
def test_every_language_says_the_same_things(code: str) -> None:
    assert set(CATALOGUE) == set(LANGUAGES)
    english, korean = CATALOGUE["en"][code], CATALOGUE["ko"][code]
    assert fields(english.reason) == fields(korean.reason)
    assert fields(english.advice) == fields(korean.advice)
    assert bool(english.advice) == bool(korean.advice)
    assert re.search("[가-힣]", korean.reason)
    assert english.reason.endswith(".")


def test_no_language_has_codes_of_its_own() -> None:
    assert set(CATALOGUE["en"]) == set(CATALOGUE["ko"])


@pytest.mark.parametrize("code", [code for code in CODES if not code.startswith("ok")])
def test_a_refusal_always_says_what_would_help(code: str) -> None:
    assert CATALOGUE["en"][code].advice


def test_every_code_in_the_source_is_in_the_catalogue_and_the_other_way_round() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in Path(train_lora.__file__).parent.glob("*.py")
    )
    used = set(re.findall(r'Refused\(\s*"(\w+)"', source))
    assert used <= set(CODES)
    outside = source.replace(Path(train_lora.reasons.__file__).read_text(encoding="utf-8"), "")
    assert [code for code in CODES if f'"{code}"' not in outside] == []


def test_placeholders_are_filled() -> None:
    words = describe("picture_too_small", {"width": 10, "height": 20, "min_side": 256})
    assert words.reason == "The picture has only 10 x 20 pixels; the shorter side needs 256."
    with pytest.raises(KeyError):
        describe("picture_too_small", {"width": 10})
    with pytest.raises(KeyError):
        describe("no_such_code", {})
