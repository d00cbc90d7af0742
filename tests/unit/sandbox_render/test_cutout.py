"""What is cut out of the reference photo: the head down to the jaw, nothing of the clothes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sdwebui_client.sandbox.render import load_sandbox_lora
from sdwebui_client.sandbox.render.cutout import Cutout, _face_grid, cut_out
from sdwebui_client.sandbox.render.jaw import trace_jaw
from sdwebui_client.sandbox.render.nobody import nobody
from sdwebui_client.sandbox.render.ops import luma

from .conftest import LANDMARKS, WriteLora

SIZE, UNIT, EYES = 400, 80.0, (200.0, 120.0)
SKIN, NECK, COLLAR = (0.8, 0.62, 0.52), (0.62, 0.46, 0.38), (0.05, 0.05, 0.06)


def drawing(chin: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A face of plain colours before a neck in a black collar: picture, skin plane, person plane."""
    picture = np.full((SIZE, SIZE, 3), 0.7, np.float32)
    person = np.zeros((SIZE, SIZE), np.float32)
    x, y = (round(value) for value in EYES)
    for plane, collar, neck, face in ((picture, COLLAR, NECK, SKIN), (person, 1.0, 1.0, 1.0)):
        cv2.rectangle(plane, (x - 120, y + round((chin + 0.22) * UNIT)), (x + 120, SIZE), collar, -1)
        cv2.rectangle(plane, (x - 52, y + 60), (x + 52, y + round((chin + 0.22) * UNIT)), neck, -1)
        cv2.ellipse(plane, (x, y), (72, round(chin * UNIT)), 0, 0, 360, face, -1)
    skin = (picture[:, :, 0] > 0.6).astype(np.float32) * person
    return cv2.GaussianBlur(picture, (0, 0), 1.2), skin, person


@pytest.mark.parametrize("chin", [1.6, 1.7, 1.8])
def test_the_chin_is_found_though_the_collar_is_plainer(chin: float) -> None:
    jaw = trace_jaw(*drawing(chin), EYES, UNIT, 0.0, (0.0, 0.92))
    assert jaw.chin == pytest.approx(chin, abs=0.07)


def test_the_jaw_against_the_backdrop_is_the_outline_of_the_person() -> None:
    jaw = trace_jaw(*drawing(1.7), EYES, UNIT, 0.0, (0.0, 0.92))
    assert jaw.half(0.95) == pytest.approx(0.9 * np.sqrt(1 - (0.95 / 1.7) ** 2), abs=0.07)
    grid = _face_grid((SIZE, SIZE), EYES, UNIT, 0.0)
    beyond = jaw.beyond(grid)
    assert beyond[round(EYES[1] + 1.2 * UNIT), round(EYES[0])] < -0.3
    assert beyond[round(EYES[1] + 2.0 * UNIT), round(EYES[0])] > 0.2


@pytest.fixture
def head(write_lora: WriteLora) -> Cutout:
    return cut_out(load_sandbox_lora(write_lora()))


def test_nothing_of_a_dark_collar_comes_along(head: Cutout) -> None:
    x, y = _face_grid(head.rgb.shape[:2], head.eyes, head.eye_distance, head.roll_deg)
    below_mouth = (y > head.mouth + 0.35) & (np.abs(x) < 0.7) & (head.alpha > 0.3)
    assert below_mouth.sum() > 500
    assert np.percentile(luma(head.rgb)[below_mouth], 1) > 0.3


def test_neck_and_clothes_stay_behind(head: Cutout) -> None:
    x, y = _face_grid(head.rgb.shape[:2], head.eyes, head.eye_distance, head.roll_deg)
    assert head.face[(y > head.chin + 0.2)].max() < 0.05
    assert head.alpha[(y > head.chin + 0.2) & (np.abs(x) < 0.7)].max() < 0.05
    assert head.alpha[(np.hypot(x, y - 0.4) < 0.8)].min() > 0.9


def test_the_neck_has_the_colour_of_the_face(head: Cutout) -> None:
    skin, neck = np.array(head.skin), np.array(head.neck)
    assert np.abs(neck / neck.sum() - skin / skin.sum()).max() < 0.03
    assert 0.75 < neck.sum() / skin.sum() < 1.05


def test_all_checkpoints_of_a_training_share_one_cutout(
    write_lora: WriteLora, portrait: tuple[np.ndarray, np.ndarray]
) -> None:
    first, second = (load_sandbox_lora(write_lora(name)) for name in ("step-200", "step-400"))
    assert first is not second
    assert cut_out(first) is cut_out(second)
    reference, mask = portrait
    narrower = cv2.erode(mask, np.ones((9, 9), np.uint8))
    other = write_lora("other", tensors={"sandbox.reference": reference, "sandbox.mask": narrower})
    assert cut_out(load_sandbox_lora(other)) is not cut_out(first)
    turned = write_lora("turned", sandbox_landmarks=str([[x + 9, y] for x, y in LANDMARKS]))
    assert cut_out(load_sandbox_lora(turned)).eyes != cut_out(first).eyes


@pytest.mark.parametrize("seed", range(4))
def test_a_drawn_faces_chin_is_where_it_was_drawn(seed: int) -> None:
    cutout = cut_out(nobody(seed, None))
    assert 1.65 < cutout.chin < 2.0
    assert 0.6 <= cutout.neck_half <= 0.85
