from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage import data

SCRIPT = Path(__file__).parents[3] / "scripts" / "make_example_photos.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_example_photos", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["make_example_photos"] = module
    spec.loader.exec_module(module)
    return module


def test_the_committed_photos_are_what_the_script_makes(script: ModuleType, examples: Path) -> None:
    portrait = script.backdrop_above(data.astronaut())
    assert {shot.name for shot in script.SHOTS} == {path.name for path in examples.iterdir()} - {"SOURCE.md"}
    for seed in (3, 5, 8):
        shot = script.SHOTS[seed]
        made = ImageOps.exif_transpose(Image.open(io.BytesIO(script.make(shot, portrait, seed))))
        kept = ImageOps.exif_transpose(Image.open(examples / shot.name))
        assert made.size == kept.size == shot.size
        # Encoders differ between package versions in the last digit; the pictures do not.
        difference = np.abs(np.asarray(made.convert("RGB"), float) - np.asarray(kept.convert("RGB"), float))
        assert difference.mean() < 1.5
