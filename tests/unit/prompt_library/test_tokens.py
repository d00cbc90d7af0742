"""The estimate never falls below what CLIP really makes of a text, and is not absurdly above it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_library import CHUNK_TOKENS, estimate_tokens
from prompt_library.tokens import chunks

MEASURED: dict[str, int] = json.loads(
    (Path(__file__).parent / "clip_counts.json").read_text(encoding="utf-8")
)
"""Texts with their number of tokens, counted with CLIP's own merges: random letters, names, our prompts."""


@pytest.mark.parametrize("text", sorted(MEASURED))
def test_never_below_the_measured_count(text: str) -> None:
    assert estimate_tokens(text) >= MEASURED[text]


def test_close_for_prompts_like_ours() -> None:
    ours = {
        text: count for text, count in MEASURED.items() if "," in text and len(text) > 40 and text.isascii()
    }
    assert len(ours) >= 10
    for text, count in ours.items():
        assert estimate_tokens(text) <= count * 1.5 + 2, text


_WORDS = st.text(alphabet=st.characters(exclude_characters="<>()[]\\:"), max_size=60)


@given(_WORDS)
def test_between_words_and_bytes(text: str) -> None:
    estimate = estimate_tokens(text)
    assert len(text.lower().encode("utf-8", "surrogatepass")) >= estimate - text.count("İ")
    assert estimate >= len([word for word in text.split() if word and word != "BREAK"]) - text.count("BREAK")


@given(_WORDS, _WORDS)
def test_longer_text_has_no_fewer_tokens(a: str, b: str) -> None:
    assert estimate_tokens(f"{a} {b}") >= max(estimate_tokens(a), estimate_tokens(b))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("photo", 1),
        ("(photo:1.2)", 1),
        ("[photo]", 1),
        (r"\(photo\)", 3),
        ("photo <lora:x:0.8>", 1),
        ("photo BREAK photo", 2),
        ("", 0),
        ("photo, photo", 3),
        ("85", 2),
    ],
)
def test_syntax_is_not_counted(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_chunks_know_where_they_are_full() -> None:
    text = "photo " * CHUNK_TOKENS + "extra BREAK photo"
    first, second = chunks(text)
    assert first.full_at == text.index("extra")
    assert first.tokens == CHUNK_TOKENS + 1
    assert (second.tokens, second.full_at) == (1, None)
    assert text[second.start : second.end].strip() == "photo"
