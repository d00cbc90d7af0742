from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from faces import Face, detect
from train_lora import PhotoSet
from train_lora.crops import (
    SPAN_SHARE,
    Crop,
    bucket_sizes,
    cut,
    plan_crop,
    plan_half_body,
)


def face_at(x: float, y: float, span: float, *, roll: float = 0.0) -> Face:
    """A frontal face with its eyes around a point, in the proportions CenterFace gives."""
    points = [(-0.5, 0.0), (0.5, 0.0), (0.0, 0.55), (-0.4, 0.9), (0.4, 0.9)]
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    landmarks = tuple((x + span * (a * cos - b * sin), y + span * (a * sin + b * cos)) for a, b in points)
    box = (x - 0.95 * span, y - 0.9 * span, x + 0.95 * span, y + 1.6 * span)
    return Face(box, landmarks, 0.9)


def side(crop: Crop) -> float:
    return math.sqrt((crop.box[2] - crop.box[0]) * (crop.box[3] - crop.box[1]))


@st.composite
def photos(draw: st.DrawFn) -> tuple[tuple[int, int], Face]:
    """A photo of at least 256 px with a whole, nearly level face in it."""
    width, height = draw(st.integers(256, 3072)), draw(st.integers(256, 3072))
    most = min(width / 2.0, height / 2.6)
    span = draw(st.floats(20.0, most)) if most > 20 else most
    x = draw(st.floats(0.95 * span, width - 0.95 * span))
    y = draw(st.floats(0.9 * span, height - 1.6 * span))
    return (width, height), face_at(x, y, span, roll=draw(st.floats(-15, 15)))


RESOLUTIONS = st.sampled_from([128, 256, 512, 768, 1024])


@given(photos(), RESOLUTIONS, st.floats(1.0, 4.0), st.sampled_from(["face", "half-body"]))
def test_every_picture_can_be_cut_and_trained_as_it_is(
    photo: tuple[tuple[int, int], Face], resolution: int, max_upscale: float, kind: str
) -> None:
    size, face = photo
    plan = plan_crop if kind == "face" else plan_half_body
    crop = plan(size, face, resolution=resolution, max_upscale=max_upscale)
    assume(crop is not None)
    assert crop is not None
    left, top, right, bottom = crop.box
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert crop.size[0] % 64 == crop.size[1] % 64 == 0
    assert crop.size[0] * crop.size[1] <= resolution**2
    assert (right - left) / (bottom - top) == pytest.approx(crop.size[0] / crop.size[1], rel=1e-6)
    assert crop.scale <= max_upscale * (1 + 1e-9)
    assert all(left <= x <= right and top <= y <= bottom for x, y in face.landmarks)


@given(photos(), st.floats(1.0, 4.0))
def test_a_face_no_larger_than_the_picture_is_in_it_whole(
    photo: tuple[tuple[int, int], Face], max_upscale: float
) -> None:
    size, face = photo
    crop = plan_crop(size, face, max_upscale=max_upscale)
    left, top, right, bottom = crop.box
    if face.width <= right - left:
        assert left <= face.box[0] + 1e-6
        assert face.box[2] <= right + 1e-6
    if face.height <= bottom - top:
        assert top <= face.box[1] + 1e-6
        assert face.box[3] <= bottom + 1e-6


@given(photos())
def test_the_shape_is_the_photos(photo: tuple[tuple[int, int], Face]) -> None:
    size, face = photo
    width, height = plan_crop(size, face).size
    if size[0] >= 1.3 * size[1]:
        assert width > height
    elif size[1] >= 1.3 * size[0]:
        assert height > width
    assert 0.5 <= width / height <= 2.0


def test_sizes_are_those_the_trainer_sorts_by() -> None:
    assert set(bucket_sizes(512)) == {(384, 640), (448, 576), (512, 512), (576, 448), (640, 384)}
    assert {(832, 1216), (896, 1152), (1024, 1024)} <= set(bucket_sizes(1024))
    assert bucket_sizes(64) == ((64, 64),)
    for wrong in (0, 63, 500, -64):
        with pytest.raises(ValueError, match="multiple"):
            bucket_sizes(wrong)


def test_head_and_shoulders_where_the_photo_holds_them() -> None:
    crop = plan_crop((2000, 2000), face_at(1000, 800, 150))
    assert (crop.size, crop.framing, crop.upright) == ((512, 512), "head and shoulders", False)
    assert 150 / side(crop) == pytest.approx(SPAN_SHARE["face"])
    assert (800 - crop.box[1]) / side(crop) == pytest.approx(0.42)


def test_a_tight_photo_gives_what_it_has() -> None:
    crop = plan_crop((600, 800), face_at(300, 350, 200))
    assert crop.framing == "close-up"
    assert crop.box[2] - crop.box[0] == pytest.approx(600, abs=40)
    assert crop.box[3] - crop.box[1] == pytest.approx(800, abs=40)


@pytest.mark.parametrize("corner", [(190.0, 200.0), (1800.0, 200.0), (190.0, 1700.0), (1800.0, 1700.0)])
def test_at_the_edge_the_box_is_moved_not_shrunk(corner: tuple[float, float]) -> None:
    crop = plan_crop((2000, 2000), face_at(*corner, 150))
    assert side(crop) == pytest.approx(150 / SPAN_SHARE["face"])


def test_a_small_face_gets_more_around_it() -> None:
    """0.75 times as large as wished is still near enough: the size stays."""
    crop = plan_crop((1200, 1200), face_at(600, 500, 35))
    assert crop.size == (512, 512)
    assert crop.scale == pytest.approx(2.0)


def test_a_tiny_face_gets_a_smaller_picture_before_it_gets_lost() -> None:
    crop = plan_crop((1200, 1200), face_at(600, 500, 20))
    assert crop.size == (320, 320)
    assert crop.scale == pytest.approx(2.0)
    assert 20 / side(crop) >= 0.6 * SPAN_SHARE["face"]
    assert plan_crop((1200, 1200), face_at(600, 500, 20), max_upscale=4.0).size == (512, 512)
    assert plan_crop((1200, 1200), face_at(600, 500, 8)).size == (256, 256)


def test_a_small_photo_gets_a_smaller_picture() -> None:
    face = face_at(150, 130, 60)
    assert plan_crop((300, 300), face, resolution=1024).size == (576, 576)
    assert plan_crop((300, 300), face, resolution=1024, max_upscale=1.0).size == (256, 256)
    assert plan_crop((300, 300), face, resolution=128).size == (128, 128)
    with pytest.raises(ValueError, match="too small"):
        plan_crop((40, 40), face_at(20, 15, 9), max_upscale=1.0)
    with pytest.raises(ValueError, match="max_upscale"):
        plan_crop((300, 300), face, max_upscale=0.5)


@pytest.mark.parametrize("roll", [21.0, -35.0, 45.0])
def test_a_tilted_head_is_set_upright(roll: float) -> None:
    crop = plan_crop((2000, 1500), face_at(900, 700, 150, roll=roll))
    assert crop.upright
    assert crop.size == (512, 512)
    assert plan_half_body((2000, 1500), face_at(900, 700, 150, roll=roll)) is None
    assert not plan_crop((2000, 1500), face_at(900, 700, 150, roll=19)).upright


def test_a_tilted_small_head_is_not_enlarged_beyond_the_limit() -> None:
    crop = plan_crop((800, 800), face_at(400, 300, 20, roll=30), max_upscale=2.0)
    assert crop.scale <= 2.0
    assert crop.size[0] < 512


def test_half_a_body_needs_room_below_the_face() -> None:
    body = plan_half_body((1500, 2000), face_at(750, 400, 120))
    assert body is not None
    assert (body.kind, body.framing) == ("half-body", "upper body")
    assert body.size[0] < body.size[1]
    assert body.box[3] - 400 >= 5.5 * 120
    assert plan_half_body((1500, 2000), face_at(750, 1500, 120)) is None
    assert plan_half_body((700, 760), face_at(350, 320, 200)) is None


def test_a_wide_photo_gives_a_square_half_body() -> None:
    body = plan_half_body((3000, 1600), face_at(1500, 300, 120))
    assert body is not None
    assert body.size == (512, 512)


def test_what_is_cut_is_what_was_planned(photo_set: PhotoSet) -> None:
    photo = photo_set.accepted[0]
    image = photo.open()
    assert photo.picture_size == image.size
    crop = plan_crop(image.size, photo.face)
    picture = cut(image, photo.face, crop)
    assert (picture.size, picture.mode) == (crop.size, "RGB")
    (found,) = detect(picture)
    expected = (
        (photo.face.eye_center[0] - crop.box[0]) * crop.scale,
        (photo.face.eye_center[1] - crop.box[1]) * crop.scale,
    )
    assert math.dist(found.eye_center, expected) < 8


def test_an_upright_cut_levels_the_eyes(portrait: Image.Image) -> None:
    turned = portrait.crop((0, 0, 1024, 900)).rotate(
        30, resample=Image.Resampling.BICUBIC, fillcolor=(90, 90, 90)
    )
    (face,) = detect(turned)
    assert abs(face.roll_deg) > 20
    crop = plan_crop(turned.size, face)
    (found,) = detect(cut(turned, face, crop))
    assert abs(found.roll_deg) < 12
    assert found.span == pytest.approx(0.22 * 512, rel=0.15)
