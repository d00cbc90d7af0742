"""Skeletons: right size, right colours, joints that can be read back, equal input gives equal bytes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from prompt_library import (
    COLOURS,
    KEYPOINTS,
    LIMBS,
    Pose,
    RenderError,
    draw_skeleton,
    load_library,
    place,
    render_skeleton,
)
from prompt_library.pose_sheet import render_pose_sheet

POSES = load_library().poses


def joints_of(image: Image.Image) -> dict[str, tuple[float, float]]:
    """Centre of the pixels of each joint's pure colour."""
    spots: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    width, _ = image.size
    for index, colour in enumerate(image.get_flattened_data()):
        if colour != (0, 0, 0):
            spots.setdefault(colour, []).append((index % width, index // width))  # type: ignore[arg-type]
    found = {}
    for name, colour in zip(KEYPOINTS, COLOURS, strict=True):
        pixels = spots.get(colour)
        if pixels:
            found[name] = (sum(x for x, _ in pixels) / len(pixels), sum(y for _, y in pixels) / len(pixels))
    return found


@pytest.mark.parametrize("name", POSES)
@pytest.mark.parametrize("size", [(512, 768), (832, 1216)])
def test_joints_can_be_read_back_by_colour(name: str, size: tuple[int, int]) -> None:
    placed = dict(zip(KEYPOINTS, place(POSES[name], *size), strict=True))
    found = joints_of(draw_skeleton(POSES[name], *size))
    assert set(found) == {part for part, point in placed.items() if point is not None}
    for part, point in found.items():
        # Joints that overlap others (crossed wrists) may lose some pixels.
        assert point == pytest.approx(placed[part], abs=2.5)


def test_png_bytes_are_deterministic_and_sized() -> None:
    data = render_skeleton(POSES["front"], 512, 768)
    assert data == render_skeleton(POSES["front"], 512, 768)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size, image.mode) == ("PNG", (512, 768), "RGB")


def test_limbs_are_dimmer_than_joints() -> None:
    image = draw_skeleton(POSES["front"], 512, 768)
    colours = {colour for _, colour in image.getcolors(100_000) or []}
    allowed = {(0, 0, 0), *COLOURS, *(tuple(int(c * 0.6) for c in colour) for colour in COLOURS)}
    assert colours <= allowed
    assert len(COLOURS) == len(KEYPOINTS) == 18
    assert len(LIMBS) == 17


@pytest.mark.parametrize("size", [(512, 768), (768, 768), (1024, 768), (384, 768)])
def test_other_shapes_keep_proportions_and_centre(size: tuple[int, int]) -> None:
    width, height = size
    placed = dict(zip(KEYPOINTS, place(POSES["front"], width, height), strict=True))
    reference = dict(zip(KEYPOINTS, place(POSES["front"], 512, 768), strict=True))
    nose, eye = placed["nose"], placed["right_eye"]
    assert nose is not None
    assert eye is not None
    assert nose[0] == pytest.approx(width / 2)
    assert nose[1] == pytest.approx(reference["nose"][1])  # type: ignore[index]
    assert nose[0] - eye[0] == pytest.approx(reference["nose"][0] - reference["right_eye"][0])  # type: ignore[index]


def test_a_narrow_frame_cuts_the_elbows() -> None:
    placed = dict(zip(KEYPOINTS, place(POSES["front"], 300, 768), strict=True))
    assert placed["right_elbow"] is None
    assert placed["nose"] is not None


@pytest.mark.parametrize("size", [(0, 768), (512, 63), (5000, 768), (512, 100_000), (-1, -1)])
def test_sizes_out_of_range_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(RenderError, match="is not drawn"):
        render_skeleton(POSES["front"], *size)


_SPOT = st.tuples(st.floats(0, 1), st.floats(0, 1))
_NEEDED = ("nose", "neck", "right_shoulder", "left_shoulder")


@settings(max_examples=25, deadline=None)
@given(
    st.fixed_dictionaries(
        dict.fromkeys(_NEEDED, _SPOT),
        optional={name: _SPOT for name in KEYPOINTS if name not in _NEEDED},
    )
)
def test_any_pose_is_drawn(points: dict[str, tuple[float, float]]) -> None:
    pose = Pose.model_validate(
        {"title": {"ko": "가", "en": "a"}, "for": "x", "framing": "half_body", "points": points}
    )
    assert draw_skeleton(pose, 128, 192).size == (128, 192)


def test_the_sheet_shows_every_pose() -> None:
    image = Image.open(io.BytesIO(render_pose_sheet(load_library())))
    rows = -(-len(POSES) // 5)
    assert image.size == (5 * 204 - 4, rows * 322 - 4)
