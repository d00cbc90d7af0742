from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_lora import RecipeError, TrainError
from train_lora.captions import MAX_WORDS, caption, check_trigger, clean_description


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "a woman in an orange space suit smiling with a flag in the background, Eileen Collins, "
            "portrait photo, 8k, <lora:x:1>",
            "in an orange space suit smiling with a flag in the background, portrait photo",
        ),
        (
            "1girl, solo, brown_hair, smile, orange_jacket, \\(medium\\), blue_eyes, 2020",
            "smile, orange jacket, medium",
        ),
        ("arafed man with glasses", "with glasses"),
        ("A man named John Smith standing in front of a building.", "standing in front of a building"),
        ("there is a woman that is smiling", "smiling"),
        ("a close up of a young woman wearing a shirt", "wearing a shirt"),
        ("Standing in a park, standing in a park", "standing in a park"),
        ("in a park, by Annie Leibovitz, by the sea, In A Park", "in a park"),
        ("(a red dress:1.2), [blurry], {bokeh}", "a red dress, blurry, bokeh"),
        ("a photo of a man", ""),
        ("Rembrandt", ""),
        ("smile:), smile", "smile"),
    ],
)
def test_what_stands_behind_the_trigger(said: str, kept: str) -> None:
    assert clean_description(said) == kept


@pytest.mark.parametrize("said", ["<error>", " <ERROR>\n", "", "  "])
def test_no_description_is_an_error(said: str) -> None:
    with pytest.raises(TrainError, match="no description"):
        clean_description(said)


def test_long_descriptions_are_cut_at_a_comma() -> None:
    words = clean_description(", ".join(f"{letter * 3} bb cc dd" for letter in "abcdefghijklmnop")).split()
    assert MAX_WORDS - 4 < len(words) <= MAX_WORDS


@given(st.text(max_size=200))
def test_whatever_it_says_a_caption_stays_one_line_without_syntax(said: str) -> None:
    try:
        kept = clean_description(said)
    except TrainError:
        return
    assert not set(kept) & set('<>()[]{}|\\"\n\r\t')
    assert not any(char.isdigit() for char in kept)
    assert kept == " ".join(kept.split())
    whole = caption("a photo of {trigger}", trigger="ohwx person", index=1, framing="", description=kept)
    assert whole.startswith("a photo of ohwx person")
    assert "\n" not in whole
    if kept:
        assert clean_description(kept + ".") is not None


def test_the_description_follows_the_template() -> None:
    whole = caption(
        "{trigger}, {framing}",
        trigger="ohwx man",
        index=3,
        framing="upper body",
        description="in a park, smiling",
    )
    assert whole == "ohwx man, upper body, in a park, smiling"
    assert caption("{trigger}", trigger="ohwx man", index=1, framing="", description="") == "ohwx man"


def test_a_trigger_is_refused_wherever_it_comes_from() -> None:
    check_trigger("ohwx person")
    with pytest.raises(RecipeError):
        check_trigger("ohwx: person")
