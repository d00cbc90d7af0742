"""A curve in one line of text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.cli._words import sparkline

BLOCKS = "▁▂▃▄▅▆▇█"


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], 8, BLOCKS),
        ([4.0, 3.0, 2.0, 1.0], 4, "█▆▃▁"),
        ([1, 3, 10, 12], 2, "▁█"),
        ([0, 1], 8, "▁█"),
        ([5, 5, 5], 3, "▁▁▁"),
        ([math.nan, 0, math.inf, 7, -math.inf], 8, "▁█"),
    ],
)
def test_lowest_to_highest(values: list[float], width: int, line: str) -> None:
    assert sparkline(values, width=width) == line


@pytest.mark.parametrize("values", [[], [1.0], [math.nan] * 9, [math.nan, 1.0]])
def test_a_single_value_is_no_curve(values: list[float]) -> None:
    assert sparkline(values, width=8) == ""


def test_a_part_is_a_mean_so_that_one_outlier_does_not_hide_the_rest() -> None:
    assert sparkline([1, 1, 9, 1, 5, 5, 5, 5], width=2) == "▁█"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60), st.integers(1, 40))
def test_any_curve_fits_and_falls_with_its_values(values: list[float], width: int) -> None:
    line = sparkline(values, width=width)
    assert len(line) == min(width, len(values))
    assert set(line) <= set(BLOCKS)
    falling = sparkline(sorted(values, reverse=True), width=width)
    assert list(falling) == sorted(falling, reverse=True)
