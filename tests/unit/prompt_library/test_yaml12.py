"""The strict YAML reader: YAML 1.2's idea of scalars, and refusals with a line."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_library.yaml12 import MAX_BYTES, MAX_VALUES, YamlError, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("off", "off"),
        ("y", "y"),
        ("012", 12),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-02", "2024-01-02"),
        ("1e-4", 1e-4),
        ("1.0e-4", 1e-4),
        (".5", 0.5),
        ("0x10", 16),
        ("0o17", 15),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("'no'", "no"),
        ("-3", -3),
        ("<<", "<<"),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("+7", 7),
        ("=", "="),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = parse(f"key: {text}").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_read_as_nan() -> None:
    assert math.isnan(parse("a: .nan").value["a"])


def test_the_trap_is_real() -> None:
    assert yaml.safe_load("key: no\nother: 012") == {"key": False, "other": 10}


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "given twice (first in line 1)", 3),
        ("x:\n  a: 1\n  a: 2\n", "'a' is given twice", 3),
        ("a: 1\n\tb: 2\n", "tab", 2),
        ("a: !!python/object:os.system 1\n", "tag", 1),
        ("a: !mine 1\n", "tag", 1),
        ("a: 1\n---\nb: 2\n", "more than one document", 2),
        ("a: b: c\n", "mapping values", 1),
        ("1: x\n", "is not text", 1),
        ("true: x\n", "is not text", 1),
        ("[a]: x\n", "is not text", 1),
        ("a: [1, 2\n", "not YAML", 2),
        ("a: *nowhere\n", "undefined alias", 1),
        ("a: !!int abc\n", "not a value of type int", 1),
        ("a: !!bool maybe\n", "not a value of type bool", 1),
        ("a: 'open\n", "not YAML", 2),
    ],
)
def test_refusals_name_the_line(text: str, words: str, line: int) -> None:
    with pytest.raises(YamlError) as caught:
        parse(text)
    assert words in caught.value.reason
    assert caught.value.line == line


def test_duplicate_names_its_path_and_shows_the_line() -> None:
    with pytest.raises(YamlError) as caught:
        parse("stages:\n  upscale:\n    scale: 2\n    scale: 3\n")
    assert caught.value.path == ("stages", "upscale", "scale")
    assert caught.value.excerpt == "    scale: 3"


def test_encodings() -> None:
    assert parse("﻿a: 1".encode()).value == {"a": 1}
    assert parse("a: 한글".encode()).value == {"a": "한글"}
    with pytest.raises(YamlError, match="not UTF-8"):
        parse("a: 1\nb: é".encode("latin-1"))
    with pytest.raises(YamlError, match="UTF-16") as caught:
        parse("a: 1".encode("utf-16"))
    assert "UTF-8" in caught.value.hint
    with pytest.raises(YamlError, match="control character"):
        parse("a: \x07")


@pytest.mark.parametrize("text", ["", "   \n", "# only a comment\n", "---\n"])
def test_empty_is_none(text: str) -> None:
    assert parse(text).value is None


def test_windows_line_ends() -> None:
    document = parse("a: 1\r\nb: 2\r\n")
    assert document.value == {"a": 1, "b": 2}
    assert document.lines[("b",)] == 2


def test_too_large_is_refused_before_parsing() -> None:
    with pytest.raises(YamlError, match="bytes"):
        parse(b"a: " + b"x" * MAX_BYTES)


def test_alias_bomb_is_refused_at_once() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(YamlError, match="aliases"):
        parse("\n".join(levels))


def test_an_alias_that_contains_itself_is_refused() -> None:
    with pytest.raises(YamlError):
        parse("a: &a [*a]")


def test_honest_aliases_work() -> None:
    assert parse("a: &x {k: 1}\nb: *x\n").value == {"a": {"k": 1}, "b": {"k": 1}}


@pytest.mark.parametrize("text", ["[" * 3000, "a: " + "{b: " * 2000, "- " * 500 + "x"])
def test_deep_nesting_is_refused_without_recursion(text: str) -> None:
    with pytest.raises(YamlError):
        parse(text)


def test_many_values_are_refused() -> None:
    with pytest.raises(YamlError):
        parse("a: [" + "1," * (MAX_VALUES + 1) + "]")


def test_lines_of_values() -> None:
    document = parse("a:\n  b: 1\n  c:\n    - x\n    - y\n")
    assert document.lines[("a", "b")] == 2
    assert document.lines[("a", "c", 1)] == 5
    assert document.excerpt(5) == "    - y"
    assert document.excerpt(99) == document.excerpt(None) == ""


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(YamlError):
        parse(text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(YamlError):
        parse(data)


_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Cn", "Zl", "Zp"]), max_size=8)
_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(_TEXT.filter(bool), _PLAIN | st.lists(_PLAIN, max_size=3), min_size=1, max_size=5))
def test_json_is_read_as_it_is_meant(value: dict[str, object]) -> None:
    assert parse(json.dumps(value, ensure_ascii=False)).value == value


def test_half_a_character_is_refused() -> None:
    with pytest.raises(YamlError, match="surrogate"):
        parse('a: "\\ud800"')


def test_our_own_data_parse(tmp_path: Path) -> None:
    for file in sorted((Path(__file__).parents[3] / "prompt_library" / "data").glob("*.yaml")):
        assert parse(file.read_bytes()).value["schema"] == "sdwebui-prompts/1"
