"""User text cannot become prompt syntax, checked against a reading of A1111's prompt language of our own."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prompt_library import RenderError, escape_text, lora_tag
from prompt_library.text import MAX_USER_TEXT, format_weight

_PIECES = [*"ab ()[]{}<>:|\\#,._1-\n\t", "BREAK", "AND", "lora", "\uff08", "\uff3b", "\u200b", "김"]
_SYNTAX_HEAVY = st.lists(st.sampled_from(_PIECES), max_size=40).map("".join)


def active_syntax(prompt: str) -> list[str]:
    """What a WebUI would act on: unescaped brackets, networks, separators, comments, template braces."""
    found: list[str] = []
    index = 0
    while index < len(prompt):
        if prompt[index] == "\\":
            index += 2
            continue
        if prompt[index] in "()[]{}<>|#:":
            found.append(prompt[index])
        index += 1
    found += re.findall(r"\bBREAK\b|\bAND\b|__|\n|\r", prompt)
    return found


def test_the_checker_sees_syntax() -> None:
    assert active_syntax(r"a \( (b:1.2) BREAK") == ["(", ":", ")", "BREAK"]


@settings(max_examples=300)
@given(_SYNTAX_HEAVY | st.text(max_size=80))
@example("x\\")
@example("\\(")
@example("a\\\\(b:9)")
@example("AN\\D")
@example("_" * 5 + "name__")
def test_nothing_in_user_text_is_active(text: str) -> None:
    try:
        escaped = escape_text(text)
    except RenderError:
        assert len(text) > MAX_USER_TEXT
        return
    assert active_syntax(escaped) == []
    assert not escaped.endswith("\\") or escaped.endswith("\\\\")


@settings(max_examples=200)
@given(_SYNTAX_HEAVY | st.text(max_size=80))
def test_escaping_twice_changes_nothing(text: str) -> None:
    once = escape_text(text)
    assert escape_text(once) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ohwx person", "ohwx person"),
        ("김철수", "김철수"),
        ("O'Neill-Smith Jr.", "O'Neill-Smith Jr."),
        ("<lora:evil:2>", "lora evil 2"),
        ("Kim (JJ)", r"Kim \(JJ\)"),
        ("[a|b]", r"\[a b\]"),
        ("x BREAK y AND z", "x break y and z"),
        ("BREAKFAST ANDY", "BREAKFAST ANDY"),
        ("name # drop the rest", "name drop the rest"),
        ("a:1.9", "a 1.9"),
        ("__hair__ {red|blue}", "_hair_ red blue"),
        ("two\nlines\tand tab", "two lines and tab"),
        ("（full width）", r"\(full width\)"),
        ("", ""),
        ("()", r"\(\)"),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert escape_text(text) == expected


def test_long_text_is_refused_not_cut() -> None:
    assert len(escape_text("a" * MAX_USER_TEXT)) == MAX_USER_TEXT
    with pytest.raises(RenderError, match="301 characters"):
        escape_text("a" * (MAX_USER_TEXT + 1))


@pytest.mark.parametrize("name", ["", " a", "a ", "a:b", "a>b", "<a", "a\nb", "x.safetensors", "x.PT"])
def test_names_that_cannot_stand_in_a_tag(name: str) -> None:
    with pytest.raises(RenderError):
        lora_tag(name, 1.0)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 5.1, -6.0])
def test_weights_that_cannot_stand_in_a_tag(weight: float) -> None:
    with pytest.raises(RenderError):
        lora_tag("a", weight)


def test_suffix_error_says_what_to_write() -> None:
    with pytest.raises(RenderError, match="'alice' instead of"):
        lora_tag("alice.safetensors", 1.0)


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        (0.8, "0.8"),
        (1.0, "1"),
        (0.0, "0"),
        (-0.0, "0"),
        (-0.5, "-0.5"),
        (0.33333, "0.333"),
        (-0.0001, "0"),
        (2.0, "2"),
    ],
)
def test_weights_are_short(weight: float, text: str) -> None:
    assert format_weight(weight) == text


@given(st.floats(-5, 5))
def test_weights_read_back(weight: float) -> None:
    tag = lora_tag("a b", weight)
    match = re.fullmatch(r"<lora:a b:(-?\d+(?:\.\d+)?)>", tag)
    assert match is not None
    assert float(match.group(1)) == pytest.approx(weight, abs=0.00051)
