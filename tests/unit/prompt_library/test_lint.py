"""Each rule of the linter, with positions; and silence about good prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_library import lint, lint_user_text


def codes(prompt: str, **options: object) -> list[tuple[str, int]]:
    return [(found.code, found.position) for found in lint(prompt, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "prompt",
    [
        "a portrait",
        "(a:1.2), [b], ((c))",
        r"a \(b\) \[c\]",
        "a, b <lora:x:0.8> <lora:y:-0.5>",
        "a [b|c], [d:e:0.5]",
        "a <lora:x:0.5:0.8>",
        "a <lora:x:te=0:unet=1>",
        "a BREAK b",
        "f/4, 85mm",
    ],
)
def test_good_prompts(prompt: str) -> None:
    assert lint(prompt) == []


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", ("empty-prompt", 0)),
        (" , \n", ("empty-prompt", 0)),
        ("<lora:x:1>", ("empty-prompt", 0)),
        ("a (b", ("unbalanced-bracket", 2)),
        ("a b)", ("unbalanced-bracket", 3)),
        ("a (b]", ("unbalanced-bracket", 4)),
        ("a \\(b)", ("unbalanced-bracket", 5)),
        ("a <lora:x", ("unbalanced-bracket", 2)),
        ("a <lora:x:0.8> <lora:x:0.2>", ("duplicate-lora", 15)),
        ("a <lora:x.safetensors:1>", ("lora-suffix", 2)),
        ("a <lora:x:much>", ("lora-weight", 2)),
        ("a <lora:x:3>", ("weight-range", 2)),
        ("a <hypernet:x:1>", ("unknown-tag", 2)),
        ("(a:3.5)", ("weight-range", 2)),
        ("(a:0.1)", ("weight-range", 2)),
        ("a, {tone}", ("placeholder", 3)),
        ("a }", ("placeholder", 2)),
        ("a # b", ("comment", 2)),
        ("a AND b", ("composition", 2)),
        ("a,, b", ("empty-part", 1)),
        ("a, b,", ("trailing-comma", 4)),
        ("a, b, <lora:x:1>", ("trailing-comma", 4)),
        (", a", ("leading-comma", 0)),
        ("a 김", ("non-ascii", 2)),
    ],
)
def test_rules(prompt: str, expected: tuple[str, int]) -> None:
    assert expected in codes(prompt)


def test_overflow_points_at_the_first_word_too_many() -> None:
    prompt = "photo, " * 40
    found = [finding for finding in lint(prompt) if finding.code == "chunk-overflow"]
    assert len(found) == 1
    assert found[0].level == "warning"
    # 75 tokens: 37 words with their commas and one more word.
    assert found[0].position == prompt.index("photo, ") + 37 * 7 + 5
    assert "80 tokens" in found[0].message
    halves = "photo, " * 20 + "BREAK " + "photo, " * 20
    assert "chunk-overflow" not in [code for code, _ in codes(halves)]


def test_unknown_loras_give_the_near_match() -> None:
    (found,) = lint("a <lora:Alice:1>", known_loras=["alice", "bob"])
    assert found.code == "unknown-lora"
    assert found.level == "error"
    assert "did you mean 'alice'" in found.message
    assert lint("a <lora:alice:1>", known_loras=["alice"]) == []
    assert "did you mean" not in lint("a <lora:zzzz:1>", known_loras=["alice"])[0].message


def test_findings_are_in_order_and_readable() -> None:
    found = lint("(a:9), {x}, <lora:q.safetensors:1> (")
    assert [finding.position for finding in found] == sorted(finding.position for finding in found)
    assert str(found[0]) == "warning at 2: weight 9 is outside 0.3 to 1.6 [weight-range]"


@pytest.mark.parametrize(
    "text", ["Kim (JJ)", "<lora:x:1>", "a BREAK b", "a AND b", "a|b", "a:1", "a # b", "__a__"]
)
def test_user_text_that_was_syntax_is_said(text: str) -> None:
    found = lint_user_text(text)
    assert found
    assert all(finding.code == "injection" for finding in found)
    assert 0 <= found[0].position < len(text)


def test_plain_names_are_fine() -> None:
    assert lint_user_text("Kim Minji, O'Neill-Smith, 김철수") == []


@given(st.text(max_size=80))
def test_any_text_can_be_linted(text: str) -> None:
    for finding in lint(text, known_loras=["a"]):
        assert 0 <= finding.position <= len(text)
        assert finding.message
