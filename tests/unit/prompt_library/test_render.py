"""Templates filled in, tags at the end, no stray commas, no injection."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_library import (
    RenderError,
    UnknownName,
    check_template,
    lint,
    load_library,
    placeholders_of,
    render_prompt,
)

TEMPLATE = "{studio_look}, photo of {trigger}, {subject}, {pose}, wearing {outfit}, {backdrop}, {tone}"


def test_a_whole_prompt() -> None:
    prompt = render_prompt(
        TEMPLATE,
        "{photo_negative}",
        trigger="ohwx person",
        subject="woman",
        outfit="suit_navy",
        backdrop="studio_gray",
        tone="cool",
        pose="front",
        loras=[("alice", 0.8)],
    )
    assert prompt.positive.endswith(" <lora:alice:0.8>")
    assert (
        "photo of ohwx person, woman, facing the camera, wearing tailored navy suit jacket" in prompt.positive
    )
    assert "cool color tone" in prompt.positive
    assert prompt.negative.endswith("busy background, warm yellow light, orange cast")
    assert prompt.loras == (("alice", 0.8),)
    assert lint(prompt.positive, known_loras=["alice"]) == []
    assert lint(prompt.negative) == []


def test_families_have_their_own_words() -> None:
    sd15, sdxl = (render_prompt("{studio_look}", family=family).positive for family in ("sd15", "sdxl"))
    assert sd15 != sdxl


def test_weights_in_templates_survive() -> None:
    assert render_prompt("({tone}:1.2), a", tone="cool").positive.startswith("(cool color tone, ")
    assert render_prompt("(x:1.2), [y]").positive == "(x:1.2), [y]"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a, {tone}, b", "a, b"),
        ("{tone}, a", "a"),
        ("a, {tone}", "a"),
        ("({tone}:1.2), a", "a"),
        ("(({tone})), a", "a"),
        ("a,\n  b ,, c", "a, b, c"),
        ("", ""),
        ("{tone}", ""),
    ],
)
def test_what_is_empty_leaves_no_trace(template: str, expected: str) -> None:
    assert render_prompt(template).positive == expected


def test_an_escaped_pair_is_no_empty_group() -> None:
    assert render_prompt("photo of {trigger}", trigger="()").positive == r"photo of \(\)"


def test_parts_are_joined() -> None:
    assert render_prompt(["a", "{tone}", "b"], ["c", "d"]).positive == "a, b"
    assert render_prompt(["a"], ["c", "d"]).negative == "c, d"


def test_negative_words_follow_what_the_prompt_names() -> None:
    assert render_prompt("a, {tone}", "x", tone="cool").negative == "x, warm yellow light, orange cast"
    assert render_prompt("a", "x", tone="cool").negative == "x"
    assert (
        render_prompt("a, {tone}", "{tone}, x", tone="cool").negative == "warm yellow light, orange cast, x"
    )


def test_a_mix_adds_loras_words_and_reports_what_is_not_there() -> None:
    mix = load_library().mixes["film_velvia"]
    first = mix.for_family("sd15")[0]
    full = render_prompt("a", mix="film_velvia", loras=[("alice", 0.8)])
    assert full.loras == (("alice", 0.8), (first.name, first.weight))
    assert first.trigger in full.positive
    bare = render_prompt("a", mix="film_velvia", loras=[("alice", 0.8)], available_loras={"alice"})
    assert bare.loras == (("alice", 0.8),)
    assert bare.left_out == (first.name,)
    assert first.trigger not in bare.positive
    assert render_prompt("a", family="sdxl", mix="film_velvia").loras[0][0] != first.name


def test_a_lora_twice_is_refused() -> None:
    with pytest.raises(RenderError, match="twice"):
        render_prompt("a", loras=[("x", 1.0), ("x", 0.5)])
    name = load_library().mixes["detail"].for_family("sd15")[0].name
    with pytest.raises(RenderError, match="twice"):
        render_prompt("a", mix="detail", loras=[(name, 1.0)])


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{tirgger}", "did you mean {trigger}"),
        ("a {", "stray '{'"),
        ("a } b", "stray '}'"),
        ("{a b}", "stray"),
    ],
)
def test_bad_templates(template: str, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        render_prompt(template)
    with pytest.raises(RenderError, match=words):
        check_template(template)


@pytest.mark.parametrize("kind", ["outfit", "backdrop", "tone", "pose", "mix"])
def test_unknown_names(kind: str) -> None:
    with pytest.raises(UnknownName, match=f"no {kind} is called 'nope'"):
        render_prompt("a", **{kind: "nope"})  # type: ignore[arg-type]


def test_values_are_filled_in_once() -> None:
    prompt = render_prompt("{trigger}", trigger="{outfit}", outfit="hanbok").positive
    assert prompt == "outfit"


def test_placeholders() -> None:
    assert placeholders_of("{a} {b} {a}") == ("a", "b")


_HOSTILE = st.text(alphabet="ab()[]{}<>:|\\#, \n1.9", max_size=40) | st.sampled_from(
    ["<lora:evil:2>", "x) BREAK (y", "a:1.9)", "[a|b]", "x AND y", "] [", "\\", "# gone"]
)


@settings(max_examples=200, deadline=None)
@given(_HOSTILE, _HOSTILE, _HOSTILE)
def test_no_user_text_changes_the_syntax_around_it(trigger: str, subject: str, extra: str) -> None:
    prompt = render_prompt(
        "(photo of {trigger}:1.2), [{subject}], end",
        trigger=trigger,
        subject=subject,
        extra=extra,
        loras=[("alice", 0.8)],
    )
    assert prompt.positive.count("<") == 1
    assert prompt.positive.endswith("<lora:alice:0.8>")
    assert not {"unbalanced-bracket", "comment", "composition", "unknown-tag", "weight-range"} & {
        finding.code for finding in lint(prompt.positive)
    }
    assert ":1.2)" in prompt.positive
    assert "BREAK" not in prompt.positive
