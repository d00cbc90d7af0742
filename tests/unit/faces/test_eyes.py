"""Eyes are found more exactly than by the detector, whatever the size and the tilt."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from faces import detect, locate_eyes

PHOTO = Path(__file__).resolve().parents[3] / "examples" / "photos" / "01-portrait.jpg"
# Pupils, set by eye.
EYES = np.array([[331.0, 376.0], [451.0, 383.0]])


@pytest.mark.parametrize(("scale", "turn_deg"), [(0.6, 0), (1.0, -12), (1.3, 9)])
def test_eyes_and_tilt_of_a_turned_photo(scale: float, turn_deg: float) -> None:
    matrix = cv2.getRotationMatrix2D((400, 500), -turn_deg, scale)
    pixels = np.asarray(Image.open(PHOTO).convert("RGB"))
    turned = cv2.warpAffine(pixels, matrix, (900, 1100), borderMode=cv2.BORDER_REPLICATE)
    truth = EYES @ matrix[:, :2].T + matrix[:, 2]
    apart = math.dist(*truth)
    face = detect(turned)[0]
    found = locate_eyes(turned, face)
    assert found.landmarks[2:] == face.landmarks[2:]
    assert math.dist(found.eye_center, truth.mean(axis=0)) < 0.06 * apart
    assert found.roll_deg == pytest.approx(3.3 + turn_deg, abs=2)
