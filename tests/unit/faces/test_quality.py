from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from faces import Face, Quality, detect, estimate_yaw, measure_quality


def quality(pixels: np.ndarray) -> Quality:
    return measure_quality(pixels, detect(pixels)[0])


def noisy(pixels: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, deviation, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def test_blur_lowers_sharpness_step_by_step(portrait: np.ndarray) -> None:
    measured = [quality(portrait).sharpness]
    measured += [quality(cv2.GaussianBlur(portrait, (0, 0), sigma)).sharpness for sigma in (1, 3, 6)]
    assert measured == sorted(measured, reverse=True)
    assert measured[0] > 35
    assert measured[2] < 15


def test_grain_does_not_pass_for_sharpness(portrait: np.ndarray) -> None:
    blurred = cv2.GaussianBlur(portrait, (0, 0), 4)
    assert quality(noisy(blurred, 12)).sharpness < 15
    assert quality(noisy(portrait, 8)).sharpness == pytest.approx(quality(portrait).sharpness, rel=0.1)


def test_sharpness_does_not_depend_on_exposure_or_size(portrait: np.ndarray) -> None:
    base = quality(portrait).sharpness
    assert quality((portrait * 0.4).astype(np.uint8)).sharpness == pytest.approx(base, rel=0.1)
    larger = cv2.resize(portrait, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_LANCZOS4)
    assert quality(larger).sharpness == pytest.approx(base, rel=0.15)


def test_exposure_is_measured(portrait: np.ndarray) -> None:
    normal, dark = quality(portrait), quality((portrait * 0.2).astype(np.uint8))
    burnt = quality(np.clip(portrait * 2.5, 0, 255).astype(np.uint8))
    assert dark.brightness < 0.15 < normal.brightness < 0.8 < burnt.brightness
    assert normal.clipped < 0.05 < 0.5 < burnt.clipped
    assert dark.contrast < normal.contrast
    assert normal.overall > max(dark.overall, burnt.overall)


def test_a_flat_face_has_no_sharpness(portrait: np.ndarray) -> None:
    (face,) = detect(portrait)
    assert measure_quality(np.full_like(portrait, 120), face).sharpness == 0.0


def test_roll_follows_the_picture(portrait: np.ndarray) -> None:
    base = quality(portrait).roll
    turn = cv2.getRotationMatrix2D((450, 240), -15, 1.0)
    turned = cv2.warpAffine(portrait, turn, portrait.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    assert quality(turned).roll - base == pytest.approx(15, abs=5)


def face_with_nose_at(x: float, *, roll: float = 0.0) -> Face:
    points = np.array([[-50, 0], [50, 0], [x, 40], [-35 + x / 3, 90], [35 + x / 3, 90]], float)
    angle = np.radians(roll)
    points = points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return Face((-90.0, -90.0, 90.0, 140.0), tuple((float(a), float(b)) for a, b in points), 0.9)


def test_yaw_grows_with_the_noses_shift_and_knows_its_side() -> None:
    assert estimate_yaw(face_with_nose_at(0)) == pytest.approx(0, abs=0.1)
    angles = [estimate_yaw(face_with_nose_at(x)) for x in (-60, -20, 20, 60)]
    assert angles == sorted(angles)
    assert angles[0] == pytest.approx(-angles[3])
    assert angles[3] > 35


def test_yaw_does_not_depend_on_roll() -> None:
    assert estimate_yaw(face_with_nose_at(30, roll=70)) == pytest.approx(
        estimate_yaw(face_with_nose_at(30)), abs=0.1
    )


def test_yaw_of_a_profile_and_of_broken_points(stranger: np.ndarray) -> None:
    assert quality(stranger).yaw > 40
    broken = dataclasses.replace(face_with_nose_at(0), landmarks=((0.0, 0.0),) * 5)
    assert estimate_yaw(broken) == 90.0


def test_overall_prefers_large_frontal_upright_faces() -> None:
    base = Quality(40.0, 0.55, 0.2, 0.0, 400.0, 0.0, 0.0)
    assert base.overall > 0.9
    for change in (
        {"sharpness": 10.0},
        {"face_px": 100.0},
        {"yaw": 40.0},
        {"roll": -40.0},
        {"brightness": 0.1},
    ):
        assert dataclasses.replace(base, **change).overall < base.overall - 0.05


def spots(face: Face, *places: tuple[float, float]) -> list[tuple[int, int]]:
    """Places given in spans from between the eyes, as whole pixels."""
    x, y = face.eye_center
    return [(round(x + face.span * a), round(y + face.span * b)) for a, b in places]


def masked(pixels: np.ndarray, face: Face, colour: tuple[int, int, int]) -> np.ndarray:
    """A face mask, from the bridge of the nose to below the chin."""
    shape = spots(
        face, (-0.95, 0.35), (0, 0.28), (0.95, 0.35), (0.85, 1.1), (0.4, 1.55), (-0.4, 1.55), (-0.85, 1.1)
    )
    return cv2.fillPoly(pixels.copy(), [np.array(shape)], colour)


def bearded(pixels: np.ndarray, face: Face, colour: tuple[int, int, int]) -> np.ndarray:
    """Hair from below the nose to the chin, with some grain."""
    shape = spots(
        face, (-0.85, 0.75), (-0.3, 0.78), (0.3, 0.78), (0.85, 0.75), (0.8, 1.2), (0, 1.7), (-0.8, 1.2)
    )
    return cv2.fillPoly(pixels.copy(), [np.array(shape)], colour)


def in_dark_glasses(pixels: np.ndarray, face: Face, colour: tuple[int, int, int]) -> np.ndarray:
    """Two lenses and a bridge."""
    out = pixels.copy()
    for middle in spots(face, (-0.5, 0.05), (0.5, 0.05)):
        cv2.ellipse(out, middle, (round(0.42 * face.span), round(0.3 * face.span)), 0, 0, 360, colour, -1)
    first, second = spots(face, (-0.2, -0.05), (0.2, -0.05))
    return cv2.line(out, first, second, colour, 6)


def lit(pixels: np.ndarray, by: float) -> np.ndarray:
    return np.clip(pixels * by, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("light", [0.45, 1.0, 1.15])
@pytest.mark.parametrize("colour", [(205, 220, 235), (110, 170, 210), (25, 25, 28)])
def test_a_mask_is_seen(portrait: np.ndarray, colour: tuple[int, int, int], light: float) -> None:
    found = quality(lit(masked(portrait, detect(portrait)[0], colour), light))
    assert (found.eyes_covered, found.mouth_covered) == (False, True)


@pytest.mark.parametrize("light", [0.45, 1.0, 1.15])
@pytest.mark.parametrize("colour", [(15, 15, 18), (60, 45, 35)])
def test_dark_glasses_are_seen(portrait: np.ndarray, colour: tuple[int, int, int], light: float) -> None:
    found = quality(lit(in_dark_glasses(portrait, detect(portrait)[0], colour), light))
    assert (found.eyes_covered, found.mouth_covered) == (True, False)


@pytest.mark.parametrize("colour", [(50, 35, 28), (150, 120, 95), (170, 170, 170)])
def test_a_beard_is_no_mask(portrait: np.ndarray, colour: tuple[int, int, int]) -> None:
    found = quality(bearded(portrait, detect(portrait)[0], colour))
    assert (found.eyes_covered, found.mouth_covered) == (False, False)


def test_a_bare_face_is_covered_in_no_light(portrait: np.ndarray, stranger: np.ndarray) -> None:
    warm, cold = portrait * np.array([1.1, 1.0, 0.7]), portrait * np.array([0.8, 0.95, 1.1])
    ramp = np.linspace(0.4, 1.2, portrait.shape[1])[None, :, None]
    for pixels in (portrait, stranger, warm, cold, portrait * 0.3, portrait * ramp, portrait * ramp[:, ::-1]):
        found = quality(lit(pixels, 1.0))
        assert (found.eyes_covered, found.mouth_covered) == (False, False)


def test_the_lights_side_is_known(portrait: np.ndarray) -> None:
    x, _ = detect(portrait)[0].eye_center
    ramp = np.interp(np.arange(portrait.shape[1]), [x - 80, x + 80], [0.5, 1.1])[None, :, None]
    from_left, from_right = quality(lit(portrait * (1.6 - ramp), 1.0)), quality(lit(portrait * ramp, 1.0))
    assert from_left.side_light < quality(portrait).side_light < from_right.side_light
    assert from_right.side_light - from_left.side_light > 0.2


def test_a_covered_face_is_a_poorer_photo(portrait: np.ndarray) -> None:
    base = Quality(40.0, 0.55, 0.2, 0.0, 400.0, 0.0, 0.0)
    for covered in ({"eyes_covered": True}, {"mouth_covered": True}):
        assert dataclasses.replace(base, **covered).overall == pytest.approx(base.overall / 2)
