"""Named fields of the tile upscale as 18 positions."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdwebui_client.errors import InvalidRequest
from sdwebui_client.units import UltimateSDUpscale
from sdwebui_client.units.ultimate_upscale import REDRAW_MODES, SEAMS_FIXES, TARGETS
from tests.recorded.replay import recorded_caps

CAPS = recorded_caps("a1111")
SIDES = st.integers(8, 256).map(lambda n: n * 8)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "upscaler": st.sampled_from(CAPS.upscalers),
    "target": st.sampled_from(TARGETS),
    "scale": st.floats(1, 16),
    "width": SIDES,
    "height": SIDES,
    "tile_width": SIDES,
    "tile_height": SIDES,
    "mask_blur": st.integers(0, 64),
    "padding": st.integers(0, 512),
    "redraw_mode": st.sampled_from(REDRAW_MODES),
    "seams_fix": st.sampled_from(SEAMS_FIXES),
    "seams_fix_width": st.integers(0, 128),
    "seams_fix_denoise": st.floats(0, 1),
    "seams_fix_padding": st.integers(0, 128),
    "seams_fix_mask_blur": st.integers(0, 64),
    "save_upscaled": st.booleans(),
    "save_seams_fix": st.booleans(),
}
PLACES = {
    "tile_width": 1,
    "tile_height": 2,
    "mask_blur": 3,
    "padding": 4,
    "seams_fix_width": 5,
    "seams_fix_denoise": 6,
    "seams_fix_padding": 7,
    "save_upscaled": 9,
    "save_seams_fix": 11,
    "seams_fix_mask_blur": 12,
    "width": 15,
    "height": 16,
    "scale": 17,
}


@given(st.fixed_dictionaries(FIELDS))
def test_every_field_has_its_place(fields: dict[str, Any]) -> None:
    args = UltimateSDUpscale(**fields).render_args(CAPS)
    assert len(args) == 18
    assert args[0] is None
    for name, place in PLACES.items():
        assert args[place] == fields[name], name
    assert CAPS.upscalers[args[8]] == fields["upscaler"]
    assert REDRAW_MODES[args[10]] == fields["redraw_mode"]
    assert SEAMS_FIXES[args[13]] == fields["seams_fix"]
    assert TARGETS[args[14]] == fields["target"]
    # A text in place of a position is what fails silently.
    assert not any(isinstance(value, str) for value in args)


@given(SIDES, SIDES, st.floats(1, 4))
def test_the_final_size_is_at_least_what_was_asked(width: int, height: int, scale: float) -> None:
    script, exact = (
        UltimateSDUpscale(scale=scale).final_sizes((width, height))[0],
        (width * scale, height * scale),
    )
    assert all(side % 64 == 0 for side in script)
    assert all(
        0 <= side - wanted < 64 or math.isclose(side, wanted)
        for side, wanted in zip(script, exact, strict=True)
    )


def test_a_tile_height_of_0_is_the_width() -> None:
    assert UltimateSDUpscale(upscaler="None", tile_width=256, tile_height=0).render_args(CAPS)[2] == 256


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tile_widht": 512}, 'did you mean "tile_width"'),
        ({"scale": 0.5}, "scale"),
        ({"target": "Scale from image size"}, "target"),
        ({"seams_fix_denoise": 2}, "seams_fix_denoise"),
        ({"tile_width": 500}, "multiple of 8"),
    ],
)
def test_what_cannot_be_right(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        UltimateSDUpscale(**fields)
    assert words in str(caught.value)


def test_an_unknown_upscaler_cannot_be_rendered() -> None:
    with pytest.raises(ValueError, match="4x-Nothing"):
        UltimateSDUpscale(upscaler="4x-Nothing").render_args(CAPS)
