"""Faces by the YOLO weights a user already has for ADetailer, instead of CenterFace.

`SDWEBUI_FACE_YOLO` names the file, e.g. `models/adetailer/face_yolov8n.pt`; the package ultralytics
(AGPL-3.0) comes with the extra `[yolo]`. Such weights give boxes only. The five points that aligning a face
needs are still CenterFace's, looked for in each box's surroundings; a box in which it sees none is left out,
since a face without points could not be compared with anything. So YOLO decides what counts as a face and how
large it is, and nothing that CenterFace cannot place comes out.

A `.pt` file is a pickle: loading one can run whatever its maker put into it. Only the file the user named is
loaded, and ultralytics is told to rebuild classes it knows and no others (ULTRALYTICS_SAFE_LOAD;
utils/__init__.py at 8.4.190, older versions ignore it). Left to itself ultralytics also looks a missing file
up on GitHub, installs packages, and reports its use to its makers; all three are switched off.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import threading
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._models import require
from .errors import FacesError
from .face import Face

if TYPE_CHECKING:
    from collections.abc import Callable

    from .pixels import RGB

    Find = Callable[[RGB, float], list[Face]]

VARIABLE = "SDWEBUI_FACE_YOLO"
"""Environment variable that names the weights."""
_ENVIRONMENT = {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
}
_INPUT_PX = 640
_AROUND = 0.5
"""How much of a box's size is added on each side before CenterFace looks for the points."""
_POINTS_CONFIDENCE = 0.2
"""CenterFace's confidence for the points: YOLO has said already that a face is there."""
_SAME = 0.25
"""Intersection over union from which CenterFace's face is the one in the box."""
_UNREADABLE = (
    OSError,
    EOFError,
    KeyError,  # what 8.4.190 raises for a file of five letters
    ValueError,
    TypeError,
    RuntimeError,
    AttributeError,
    ImportError,
    pickle.UnpicklingError,
)
_predict = threading.Lock()


class WeightsRefused(FacesError):
    """The YOLO weights that were named cannot be used."""


def chosen_weights() -> Path | None:
    """The weights the environment names; None for CenterFace.

    Raises:
        WeightsRefused: There is no such file, or it is no `.pt`.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    path = Path(text).expanduser()
    # Said here, as ultralytics would look for a missing file on GitHub.
    if path.suffix != ".pt" or not path.is_file():
        raise WeightsRefused(
            f"{VARIABLE}: there is no weights file {path}.",
            "Name a .pt file such as face_yolov8n.pt, or unset the variable.",
        )
    return path.resolve()


def detector_identity() -> str:
    """What stands for the detector in use where results are kept: another one finds other faces.

    Raises:
        WeightsRefused: The environment names weights that are not there.
    """
    weights = chosen_weights()
    if weights is None:
        return "centerface"
    stat = weights.stat()
    return f"yolo {_sha256(str(weights), stat.st_mtime_ns, stat.st_size)[:16]}"


def detect_with(weights: Path, pixels: RGB, *, min_confidence: float, points: Find) -> list[Face]:
    """Find faces with YOLO weights.

    Args:
        weights: The `.pt` file.
        pixels: RGB.
        min_confidence: YOLO's confidence from which a box counts, above 0 to 1.
        points: Finds faces with their five points in a cut-out, given the least confidence.

    Returns:
        Faces with YOLO's box and confidence and the other detector's points, the largest first.

    Raises:
        ModelMissing: ultralytics is not installed.
        WeightsRefused: The file is no YOLO detection model, or not one for faces.
    """
    found = []
    for box, confidence in _boxes(weights, pixels, min_confidence):
        face = _placed(box, confidence, pixels, points)
        if face is not None:
            found.append(face)
    return sorted(found, key=lambda face: (-face.area, face.box))


def _boxes(
    weights: Path, pixels: RGB, min_confidence: float
) -> list[tuple[tuple[float, float, float, float], float]]:
    np = require("numpy", "numpy")
    stat = weights.stat()
    with _predict:
        model, classes = _load(str(weights), stat.st_mtime_ns, stat.st_size)
        answer = model.predict(
            # Arrays are taken for OpenCV's blue, green, red.
            source=np.ascontiguousarray(pixels[:, :, ::-1]),
            conf=min_confidence,
            imgsz=_INPUT_PX,
            classes=list(classes),
            # The GPU belongs to the WebUI; the CPU also gives the same answer every time.
            device="cpu",
            verbose=False,
        )[0].boxes
    corners, scores = answer.xyxy.tolist(), answer.conf.tolist()
    return [((x0, y0, x1, y1), float(s)) for (x0, y0, x1, y1), s in zip(corners, scores, strict=True)]


def _placed(
    box: tuple[float, float, float, float], confidence: float, pixels: RGB, points: Find
) -> Face | None:
    """The face in a box, with its points; None when there are none."""
    height, width = pixels.shape[:2]
    wide, high = (box[2] - box[0]) * _AROUND, (box[3] - box[1]) * _AROUND
    left, top = max(0, int(box[0] - wide)), max(0, int(box[1] - high))
    right, bottom = min(width, int(box[2] + wide) + 1), min(height, int(box[3] + high) + 1)
    if right - left < 2 or bottom - top < 2:
        return None
    inside = [
        replace(
            face,
            box=(face.box[0] + left, face.box[1] + top, face.box[2] + left, face.box[3] + top),
            landmarks=tuple((x + left, y + top) for x, y in face.landmarks),
        )
        for face in points(pixels[top:bottom, left:right], _POINTS_CONFIDENCE)
    ]
    best = max(inside, key=lambda face: _overlap(face.box, box), default=None)
    if best is None or _overlap(best.box, box) < _SAME:
        return None
    return Face(box=box, landmarks=best.landmarks, confidence=min(1.0, confidence))


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Intersection over union."""
    wide = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    high = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    whole = sum(areas) - wide * high
    return wide * high / whole if whole > 0 else 0.0


@lru_cache(maxsize=1)
def _load(path: str, _mtime_ns: int, _size: int) -> tuple[Any, tuple[int, ...]]:
    """The model and the numbers of its classes that are faces."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    ultralytics = require("ultralytics", "ultralytics", 'pip install -e ".[yolo]"')
    try:
        model = ultralytics.YOLO(path)
        task, names = model.task, dict(model.names)
    except _UNREADABLE as error:
        raise WeightsRefused(
            f"{VARIABLE}: {path} cannot be read as YOLO weights ({type(error).__name__}).",
            "Name a detection model of ultralytics, such as face_yolov8n.pt.",
        ) from error
    return model, _face_classes(path, task, names)


def _face_classes(path: str, task: str, names: dict[int, str]) -> tuple[int, ...]:
    faces = tuple(number for number, name in names.items() if "face" in str(name).casefold())
    if not faces and len(names) == 1 and str(next(iter(names.values()))).isdigit():
        faces = tuple(names)  # one class that nobody named
    if task not in ("detect", "segment") or not faces:
        listed = ", ".join(str(name) for name in list(names.values())[:5])
        raise WeightsRefused(
            f"{VARIABLE}: {path} does not find faces (task {task}; classes {listed}).",
            "Name weights for faces, such as face_yolov8n.pt.",
        )
    return faces


@lru_cache(maxsize=4)
def _sha256(path: str, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
