from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from faces import Face, PixelsRefused, detect
from faces.detect import decode


def test_finds_the_face_with_its_points_in_order(portrait: np.ndarray) -> None:
    (face,) = detect(portrait)
    left_eye, right_eye, nose, mouth_left, mouth_right = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert mouth_left[0] < mouth_right[0]
    assert left_eye[1] < nose[1] < mouth_left[1]
    assert 200 < face.height < 270
    assert 150 < face.width < 220
    assert face.box[0] < left_eye[0] < right_eye[0] < face.box[2]
    assert 0.85 < face.confidence <= 1.0


def test_where_the_eyes_are_was_measured_by_hand(portrait: np.ndarray) -> None:
    (face,) = detect(portrait)
    # Pupils in the 512 px original: (201, 100) and (246, 102), read off the picture.
    assert face.landmarks[0] == pytest.approx((402, 200), abs=10)
    assert face.landmarks[1] == pytest.approx((492, 204), abs=10)


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_size_of_the_picture_does_not_matter(portrait: np.ndarray, factor: float) -> None:
    (base,) = detect(portrait)
    (face,) = detect(cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
    assert np.allclose(np.array(face.box) / factor, base.box, atol=8)


def test_wide_and_tall_pictures_keep_their_proportions(portrait: np.ndarray) -> None:
    wide = cv2.copyMakeBorder(portrait, 0, 0, 500, 900, cv2.BORDER_CONSTANT, value=(90, 90, 90))
    tall = cv2.copyMakeBorder(portrait, 700, 300, 0, 0, cv2.BORDER_CONSTANT, value=(90, 90, 90))
    (base,), (in_wide,), (in_tall,) = detect(portrait), detect(wide), detect(tall)
    assert in_wide.eye_center == pytest.approx((base.eye_center[0] + 500, base.eye_center[1]), abs=8)
    assert in_tall.eye_center == pytest.approx((base.eye_center[0], base.eye_center[1] + 700), abs=8)
    assert in_wide.height / in_wide.width == pytest.approx(base.height / base.width, rel=0.1)


def test_a_face_that_fills_the_picture_is_found(portrait: np.ndarray) -> None:
    close = portrait[110:360, 340:560]
    (face,) = detect(close)
    assert face.height > 0.75 * close.shape[0]


def test_faces_come_largest_first(portrait: np.ndarray) -> None:
    small = cv2.resize(portrait, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    canvas = np.full((1024, 1600, 3), 128, np.uint8)
    canvas[:512, :512] = small
    canvas[:, 576:] = portrait
    first, second = detect(canvas)
    assert first.height == pytest.approx(2 * second.height, rel=0.15)
    assert first.center[0] > second.center[0]


@pytest.mark.parametrize("name", ["cat", "coffee", "rocket", "moon", "brick"])
def test_finds_nothing_where_nobody_is(name: str) -> None:
    assert detect(getattr(data, name)()) == []


def test_pillow_and_arrays_give_the_same(portrait: np.ndarray) -> None:
    assert detect(Image.fromarray(portrait)) == detect(portrait)


def test_one_after_the_other_in_different_shapes_stays_right(portrait: np.ndarray) -> None:
    before = detect(portrait)
    detect(portrait[:, :600])
    detect(np.zeros((40, 900, 3), np.uint8))
    assert detect(portrait) == before


def test_several_threads_get_the_same_answer(portrait: np.ndarray) -> None:
    expected = detect(portrait)
    answers: list[list[Face]] = []
    threads = [threading.Thread(target=lambda: answers.append(detect(portrait))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 4


@pytest.mark.parametrize("bad", [0.0, -1.0, 1.5, float("nan")])
def test_refuses_impossible_confidence(bad: float) -> None:
    with pytest.raises(ValueError, match="min_confidence"):
        detect(np.zeros((9, 9, 3), np.uint8), min_confidence=bad)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5, 2), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros(5, np.uint8),
    ],
)
def test_refuses_what_is_no_picture(array: np.ndarray) -> None:
    with pytest.raises(PixelsRefused):
        detect(array)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 4000, 3), (4000, 1, 3), (2, 2)])
def test_strange_shapes_hold_no_face(shape: tuple[int, ...]) -> None:
    assert detect(np.full(shape, 200, np.uint8)) == []


def maps(cells: dict[tuple[int, int], float]) -> tuple[np.ndarray, ...]:
    heat = np.zeros((1, 8, 8), np.float32)
    for (row, column), score in cells.items():
        heat[0, row, column] = score
    scales = np.full((2, 8, 8), np.log(4.0), np.float32)
    offsets = np.zeros((2, 8, 8), np.float32)
    return heat, scales, offsets, np.full((10, 8, 8), 0.5, np.float32)


def test_decoding_follows_the_formula() -> None:
    heat, scales, offsets, points = maps({(2, 3): 0.9})
    scales[0] = np.log(6.0)  # height 24, width 16
    offsets[0], offsets[1] = 0.25, -0.5
    points[0], points[1] = 0.25, 0.75  # left eye: y a quarter down, x three quarters along
    (face,) = decode(heat, scales, offsets, points, min_confidence=0.5, scale=(1.0, 1.0))
    center_x, center_y = 4 * (3 - 0.5 + 0.5), 4 * (2 + 0.25 + 0.5)
    assert face.box == pytest.approx((center_x - 8, center_y - 12, center_x + 8, center_y + 12))
    assert face.landmarks[0] == pytest.approx((center_x - 8 + 12, center_y - 12 + 6))
    assert face.confidence == pytest.approx(0.9)


def test_decoding_goes_back_to_the_pictures_pixels() -> None:
    once = decode(*maps({(2, 3): 0.9}), min_confidence=0.5, scale=(1.0, 1.0))[0]
    scaled = decode(*maps({(2, 3): 0.9}), min_confidence=0.5, scale=(0.5, 0.25))[0]
    assert scaled.box == pytest.approx([once.box[0] * 2, once.box[1] * 4, once.box[2] * 2, once.box[3] * 4])


def test_neighbouring_cells_are_one_face_and_far_ones_two() -> None:
    near = decode(*maps({(2, 3): 0.9, (2, 4): 0.8}), min_confidence=0.5, scale=(1.0, 1.0))
    far = decode(*maps({(1, 1): 0.9, (6, 6): 0.8}), min_confidence=0.5, scale=(1.0, 1.0))
    assert [face.confidence for face in near] == pytest.approx([0.9])
    assert len(far) == 2
    assert decode(*maps({(1, 1): 0.4}), min_confidence=0.5, scale=(1.0, 1.0)) == []
