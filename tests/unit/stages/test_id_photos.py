"""ID photos are right by a measurement that knows nothing of how they were made."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from stages.id_photos import ID_FORMATS, IdPhoto, IdPhotoError, make_id_photo
from stages.id_photos.formats import IdFormat
from stages.lib.label import TRAINED_ALGORITHMIC_MEDIA
from stages.marks import inspect_bytes, mark_picture
from tests.unit.stages._id_scenes import Truth, as_png, measure_again, scene, source

pytestmark = pytest.mark.slow


def assert_fits(truth: Truth, form: IdFormat) -> None:
    assert form.head_mm[0] <= truth.head_mm <= form.head_mm[1]
    # The pupils, set by hand, and the corners of the eyes do not lie on quite the same line.
    assert abs(truth.tilt_deg) < 2.5
    assert abs(truth.aside_mm) < 1.5
    assert truth.top_mm > 0.8
    if form.eyes_from_bottom_mm:
        assert form.eyes_from_bottom_mm[0] <= truth.eyes_mm <= form.eyes_from_bottom_mm[1]


@cache
def photo_of(kind: str) -> IdPhoto:
    return make_id_photo(scene(scale=1.2, tilt_deg=5), kind)


@pytest.mark.parametrize("kind", ["kr-passport", "us-2x2", "student-card", "employee-card"])
def test_the_formats_are_met(kind: str) -> None:
    form = ID_FORMATS[kind]
    photo = photo_of(kind)
    truth = measure_again(photo)
    assert_fits(truth, form)
    assert photo.head_mm == pytest.approx(truth.head_mm, rel=0.03)
    assert photo.eyes_mm == pytest.approx(truth.eyes_mm, abs=0.6)
    assert photo.tilt_deg == pytest.approx(8, abs=2)
    image = Image.open(BytesIO(photo.jpeg))
    assert image.size == form.size_px()
    assert image.info["dpi"] == (300, 300)


def _check(kind: str, scale: float, tilt: float, x: float, y: float) -> None:
    data = scene(scale=scale, tilt_deg=tilt, shift=(x * scale, y * scale), size=(1500, 1900))
    assert_fits(measure_again(make_id_photo(data, kind)), ID_FORMATS[kind])


_ANY = {
    "kind": st.sampled_from(["kr-passport", "us-2x2", "employee-card"]),
    "scale": st.floats(0.95, 1.7),
    "tilt": st.floats(-15, 12),
    "x": st.floats(-120, 120),
    "y": st.floats(-100, 120),
}
_QUIET = (HealthCheck.too_slow,)


@given(**_ANY)
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=_QUIET)
def test_any_size_place_and_tilt_ends_in_range(
    kind: str, scale: float, tilt: float, x: float, y: float
) -> None:
    _check(kind, scale, tilt, x, y)


@pytest.mark.long
@given(**_ANY)
@settings(max_examples=40, deadline=None, suppress_health_check=_QUIET)
def test_many_sizes_places_and_tilts_end_in_range(
    kind: str, scale: float, tilt: float, x: float, y: float
) -> None:
    _check(kind, scale, tilt, x, y)


def test_a_backdrop_goes_on_where_the_portrait_ends() -> None:
    tight = as_png(source()[135:, 120:680])
    photo = make_id_photo(tight, "employee-card")
    assert_fits(measure_again(photo), ID_FORMATS["employee-card"])
    corner = np.asarray(Image.open(BytesIO(photo.jpeg)))[:8, :8].reshape(-1, 3).mean(axis=0)
    near = source()[140:150, 125:140].reshape(-1, 3).mean(axis=0)
    assert np.abs(corner - near).max() < 20


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (as_png(np.full((400, 300, 3), 200, np.uint8)), "no-face"),
        (as_png(np.hstack([source(), source()])), "several-faces"),
        (as_png(cv2.resize(source(), None, fx=0.5, fy=0.5)), "too-small"),
        (as_png(source()[165:]), "cut-off"),
        (as_png(source()[100:600, 150:640]), "too-tight"),
        (b"no picture", "not-a-picture"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x9c\x40\0\0\x9c\x40\x08\x02\0\0\0", "too-many-pixels"),
    ],
)
def test_what_cannot_be_one_is_refused_in_both_languages(data: bytes, code: str) -> None:
    with pytest.raises(IdPhotoError) as caught:
        make_id_photo(data, "kr-passport")
    assert caught.value.code == code
    assert any("가" <= letter <= "힣" for letter in caught.value.ko)
    assert caught.value.en.isascii()


def test_a_head_tilted_too_far_is_refused() -> None:
    with pytest.raises(IdPhotoError) as caught:
        make_id_photo(scene(tilt_deg=32, size=(1300, 1500)), "kr-3x4")
    assert caught.value.code == "turned"


def test_an_unknown_format_and_resolution_are_refused() -> None:
    with pytest.raises(IdPhotoError, match="kr-passport") as caught:
        make_id_photo(b"", "moon-id")
    assert caught.value.code == "unknown-format"
    with pytest.raises(ValueError, match="dpi"):
        make_id_photo(b"", "kr-3x4", dpi=10)


def test_the_mark_goes_with_the_photo_and_the_visible_one_is_not_claimed() -> None:
    portrait = mark_picture(scene(), visible=True, language="ko", sandbox=True, description="made")
    found = inspect_bytes(make_id_photo(portrait, "kr-3x4").jpeg)
    assert (found.source_type, found.description) == (TRAINED_ALGORITHMIC_MEDIA, "made")
    assert (found.sandbox, found.visible_mark) == (True, None)
    assert not inspect_bytes(photo_of("student-card").jpeg).generated


def test_the_same_portrait_gives_the_same_bytes_in_srgb() -> None:
    first = photo_of("student-card")
    assert make_id_photo(scene(scale=1.2, tilt_deg=5), "student-card").jpeg == first.jpeg
    profile = Image.open(BytesIO(first.jpeg)).info["icc_profile"]
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile)))


def test_a_canvas_backdrop_is_worth_a_warning_and_an_official_photo_another() -> None:
    photo = photo_of("kr-passport")
    assert len(photo.warnings["ko"]) == len(photo.warnings["en"]) >= 2
    assert "AI" in photo.warnings["ko"][0]
    assert any("backdrop" in text for text in photo.warnings["en"])
    assert not any("AI" in text for text in photo_of("student-card").warnings["en"])


def test_a_phone_photo_on_its_side_is_turned(tmp_path: Path) -> None:
    image = Image.fromarray(source())
    exif = Image.Exif()
    exif[0x0112] = 6
    image.rotate(90, expand=True).save(tmp_path / "a.jpg", exif=exif, quality=95)
    photo = make_id_photo((tmp_path / "a.jpg").read_bytes(), "kr-3x4")
    assert_fits(measure_again(photo), ID_FORMATS["kr-3x4"])
