"""What a device calls a file is only ever shown: in one line, with nothing hidden in it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.albums import clean_name
from studio.albums.names import LONGEST


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("IMG_0001.HEIC", "IMG_0001.HEIC"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\kim\\사진.jpg", "사진.jpg"),
        (unicodedata.normalize("NFD", "엄마 사진.jpg"), "엄마 사진.jpg"),
        ("a\r\nSet-Cookie: x.jpg", "a Set-Cookie: x.jpg"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("zero\u200bwidth\x00.png", "zerowidth.png"),
        ("  two   spaces\t.jpg ", "two spaces .jpg"),
        ("folder/", "folder"),
        ("", ""),
        (None, ""),
        (7, "7"),
    ],
)
def test_names_as_they_are_shown(given: object, shown: str) -> None:
    assert clean_name(given) == shown


def test_a_long_name_keeps_its_beginning_and_its_ending() -> None:
    shown = clean_name("사" * 300 + ".jpeg")
    assert len(shown) == LONGEST
    assert shown.startswith("사사")
    assert shown.endswith("….jpeg")


def test_a_long_name_without_an_ending_is_cut() -> None:
    assert clean_name("x" * 300) == "x" * (LONGEST - 1) + "…"
    assert clean_name("x." + "y" * 300) == ("x." + "y" * 300)[: LONGEST - 1] + "…"


@given(st.text(max_size=400), st.integers(20, 120))
def test_whatever_is_sent_becomes_one_harmless_line(text: str, longest: int) -> None:
    shown = clean_name(text, longest=longest)
    assert len(shown) <= longest
    assert shown == shown.strip()
    assert "/" not in shown
    assert "\\" not in shown
    assert all(unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in shown)
    assert clean_name(shown, longest=longest) == shown, "cleaning again changes nothing"
    shown.encode("utf-8")
