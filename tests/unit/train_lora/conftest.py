"""Photos for the tests: the example folder, and pictures spoiled here (nobody else's are kept)."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from train_lora import PhotoSet, load_photos

EXAMPLES = Path(__file__).parents[3] / "examples" / "photos"


@pytest.fixture(scope="session")
def examples() -> Path:
    return EXAMPLES


@pytest.fixture(scope="session")
def photo_set(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    """Four accepted photos: a whole one, a turned one, a PNG and a WebP."""
    folder = tmp_path_factory.mktemp("four")
    for name in ("01-portrait.jpg", "04-phone-upright.jpg", "06-overcast.png", "09-dim.webp"):
        shutil.copy(EXAMPLES / name, folder)
    return load_photos(folder)


@pytest.fixture(scope="session")
def portrait() -> Image.Image:
    """One frontal face, about 230 px high, 1024 x 1024 (NASA, public domain)."""
    return Image.fromarray(cv2.resize(data.astronaut(), None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4))


@pytest.fixture(scope="session")
def stranger() -> Image.Image:
    """Somebody else, turned to the side (the CC0 photographer of scikit-image)."""
    grey: NDArray[np.uint8] = cv2.resize(data.camera(), None, fx=3, fy=3, interpolation=cv2.INTER_LANCZOS4)
    return Image.fromarray(grey).convert("RGB")
