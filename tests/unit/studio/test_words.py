from __future__ import annotations

import pytest

from studio.cli._words import duration, plural, time_left


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (-1, "0.0 s"),
        (4.21, "4.2 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (4000, "1 h 7 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_time_left() -> None:
    assert time_left(None) == ""
    assert time_left(0.2) == "about 1 s left"
    assert time_left(42.4) == "about 42 s left"


def test_plural() -> None:
    assert (plural(1, "photo"), plural(0, "photo"), plural(2, "LoRA")) == ("1 photo", "0 photos", "2 LoRAs")
