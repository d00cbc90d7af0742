from __future__ import annotations

import math

import numpy as np
import pytest

from faces import Face, crop_upright, detect, map_points, upright_matrix


def face(left_eye: tuple[float, float], right_eye: tuple[float, float]) -> Face:
    nose = ((left_eye[0] + right_eye[0]) / 2, (left_eye[1] + right_eye[1]) / 2 + 10)
    return Face((0.0, 0.0, 100.0, 100.0), (left_eye, right_eye, nose, nose, nose), 1.0)


@pytest.mark.parametrize("angle", [0, 30, 90, -135])
def test_the_eyes_land_where_asked(angle: float) -> None:
    step = 40 * math.cos(math.radians(angle)), 40 * math.sin(math.radians(angle))
    tilted = face((100 - step[0], 80 - step[1]), (100 + step[0], 80 + step[1]))
    matrix = upright_matrix(tilted, eyes_at=(50.0, 40.0), span_px=20.0)
    left, right = map_points(tilted.landmarks[:2], matrix)
    assert left == pytest.approx((40, 40))
    assert right == pytest.approx((60, 40))


def test_the_tilt_stays_when_asked() -> None:
    tilted = face((100, 80), (140, 110))
    left, right = map_points(
        tilted.landmarks[:2], upright_matrix(tilted, eyes_at=(50.0, 40.0), span_px=25.0, level=False)
    )
    assert math.degrees(math.atan2(right[1] - left[1], right[0] - left[0])) == pytest.approx(tilted.roll_deg)


def test_a_crop_found_again_has_the_asked_geometry(portrait: np.ndarray) -> None:
    (found,) = detect(portrait)
    crop = crop_upright(portrait, found, size=(400, 500), eyes_at=(200.0, 220.0), span_px=70.0)
    (again,) = detect(crop)
    assert crop.shape == (500, 400, 3)
    assert again.eye_center == pytest.approx((200, 220), abs=5)
    assert again.span == pytest.approx(70, rel=0.1)
    assert abs(again.roll_deg) < 5


def test_beyond_the_edge_there_is_no_black(portrait: np.ndarray) -> None:
    (found,) = detect(portrait)
    crop = crop_upright(
        np.maximum(portrait, 40), found, size=(300, 300), eyes_at=(150.0, 280.0), span_px=20.0
    )
    assert crop.min() >= 40


def test_making_small_does_not_alias() -> None:
    stripes = np.zeros((1000, 1000, 3), np.uint8)
    stripes[:, ::2] = 255
    found = face((300.0, 500.0), (700.0, 500.0))
    crop = crop_upright(stripes, found, size=(80, 80), eyes_at=(40.0, 40.0), span_px=40.0)
    assert crop[20:60, 20:60].std() < 12


def test_span_does_not_shrink_when_the_head_turns() -> None:
    frontal = Face((0, 0, 1, 1), ((0.0, 0.0), (100.0, 0.0), (50.0, 50.0), (15.0, 90.0), (85.0, 90.0)), 1.0)
    turned = Face((0, 0, 1, 1), ((0.0, 0.0), (40.0, 0.0), (45.0, 50.0), (5.0, 90.0), (35.0, 90.0)), 1.0)
    assert turned.span == pytest.approx(frontal.span, rel=0.05)
