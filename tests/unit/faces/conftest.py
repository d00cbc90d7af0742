"""Pictures from the scikit-image wheel: a NASA portrait (public domain) and a photographer (CC0)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data


@pytest.fixture(scope="session")
def portrait() -> NDArray[np.uint8]:
    """One frontal face, about 230 px high, 1024 x 1024."""
    pixels = cv2.resize(data.astronaut(), None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)
    pixels.flags.writeable = False
    return pixels


@pytest.fixture(scope="session")
def stranger() -> NDArray[np.uint8]:
    """Another person, turned to the side, grey, about 250 px high."""
    grey = cv2.resize(data.camera(), None, fx=3, fy=3, interpolation=cv2.INTER_LANCZOS4)
    return np.repeat(grey[:, :, None], 3, axis=2)
