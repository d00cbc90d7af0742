from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadInput
from studio.naming import MAX_LENGTH, check_name, derive_name, slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("photos", "photos"),
        ("Alice B. (2024)", "alice-b-2024"),
        ("영희 사진", "영희-사진"),
        ("a/b", "a-b"),
        ("../..", ""),
        ("<lora:x:1>", "lora-x-1"),
        ("CON", ""),
        ("---", ""),
        ("x" * 200, "x" * MAX_LENGTH),
    ],
)
def test_slug(text: str, expected: str) -> None:
    assert slug(text) == expected


@given(st.text(max_size=300))
def test_slug_is_always_a_safe_name_and_stays_itself(text: str) -> None:
    name = slug(text)
    assert not set(name) & set("/\\:<>,()[]{}\"'| \n\t.\0")
    assert len(name.encode()) <= 255 - len(".safetensors")
    assert slug(name) == name


@pytest.mark.parametrize("name", ["alice", "Alice_2", "영희", "a-b"])
def test_a_good_name_stays(name: str) -> None:
    assert check_name(name, "--name") == name


@pytest.mark.parametrize("name", ["", "  ", "a/b", "..", "a b", "a:1", "<x>", "nul", "x" * 65, "-a", "a\n"])
def test_a_bad_name_is_refused_by_option(name: str) -> None:
    with pytest.raises(BadInput, match="--name"):
        check_name(name, "--name")


def test_a_bad_name_is_refused_with_a_better_one() -> None:
    with pytest.raises(BadInput) as caught:
        check_name("Alice B./2", "--name")
    assert caught.value.hint == "Try --name alice-b-2."


def test_the_two_unicode_forms_of_a_name_are_one() -> None:
    assert check_name("e\u0301ve", "--name") == "éve"


def test_a_name_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "My Photos").mkdir()
    assert derive_name(tmp_path / "My Photos") == "my-photos"
    monkeypatch.chdir(tmp_path / "My Photos")
    assert derive_name(Path()) == "my-photos"


def test_a_folder_of_symbols_gets_the_same_name_each_time(tmp_path: Path) -> None:
    assert derive_name(tmp_path / "!!!") == derive_name(tmp_path / "!!!")
    assert derive_name(tmp_path / "!!!") != derive_name(tmp_path / "???")
    assert derive_name(tmp_path / "!!!").startswith("person-")
