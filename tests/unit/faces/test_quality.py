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
