"""Faces by the user's own YOLO weights: whose box, whose points, and what is refused.

The stand-in for ultralytics behaves as 8.4.190 did with an untrained yolov8n: `YOLO(path)` raises KeyError
for a file that is no archive, `predict` answers a list with one result whose boxes hold tensors.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import faces
from faces import Face, ModelMissing, WeightsRefused, detect, detector_identity, yolo
from faces.detect import _centerface_faces

Box = tuple[float, float, float, float]


class Tensor:
    """As much of a tensor as is read."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def tolist(self) -> list[Any]:
        return self._values


class Ultralytics(ModuleType):
    """A stand-in for the package."""

    def __init__(self) -> None:
        super().__init__("ultralytics")
        self.found: list[tuple[Box, float]] = []
        self.names: dict[int, str] = {0: "face"}
        self.task = "detect"
        self.loaded: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.environment: dict[str, str] = {}

    def YOLO(self, path: str) -> Any:
        self.loaded.append(path)
        self.environment = dict(os.environ)
        if Path(path).read_bytes() == b"hello":
            raise KeyError(101)
        return SimpleNamespace(task=self.task, names=self.names, predict=self._predict)

    def _predict(self, **asked: Any) -> list[Any]:
        self.asked.append(asked)
        sure = [(box, score) for box, score in self.found if score >= asked["conf"]]
        boxes = SimpleNamespace(
            xyxy=Tensor([list(box) for box, _ in sure]), conf=Tensor([score for _, score in sure])
        )
        return [SimpleNamespace(boxes=boxes)]


@pytest.fixture
def ultralytics(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ultralytics]:
    for name in yolo._ENVIRONMENT:
        # Set and taken away again, so that what the code puts there does not stay.
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    package = Ultralytics()
    monkeypatch.setitem(sys.modules, "ultralytics", package)
    yolo._load.cache_clear()
    yield package
    yolo._load.cache_clear()


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "face_yolov8n.pt"
    path.write_bytes(b"weights")
    monkeypatch.setenv(yolo.VARIABLE, str(path))
    return path


def test_without_the_variable_nothing_changes(
    portrait: Any, ultralytics: Ultralytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(yolo.VARIABLE, raising=False)
    assert detect(portrait) == _centerface_faces(portrait, 0.5)
    assert ultralytics.loaded == []
    assert detector_identity() == "centerface"


def test_box_and_confidence_are_yolos_and_the_points_centerfaces(
    portrait: Any, ultralytics: Ultralytics, weights: Path
) -> None:
    own = _centerface_faces(portrait, 0.5)[0]
    box = (own.box[0] + 8, own.box[1] + 12, own.box[2] - 8, own.box[3] - 4)
    ultralytics.found = [(box, 0.83)]
    (face,) = detect(portrait)
    assert face.box == box
    assert face.confidence == 0.83
    for (x, y), (u, v) in zip(face.landmarks, own.landmarks, strict=True):
        assert abs(x - u) < 0.12 * own.span
        assert abs(y - v) < 0.12 * own.span
    assert len(faces.embed(portrait, face)) == faces.EMBEDDING_SIZE


def test_a_box_without_a_face_in_it_is_left_out(
    portrait: Any, ultralytics: Ultralytics, weights: Path
) -> None:
    height, width = portrait.shape[:2]
    ultralytics.found = [
        ((0.0, height - 200.0, 180.0, float(height)), 0.9),
        ((width - 1.0, 0.0, float(width), 1.0), 0.9),
    ]
    assert detect(portrait) == []


def test_a_tiny_box_on_a_large_face_is_not_that_face(
    portrait: Any, ultralytics: Ultralytics, weights: Path
) -> None:
    own = _centerface_faces(portrait, 0.5)[0]
    x, y = own.center
    ultralytics.found = [((x - 15, y - 15, x + 15, y + 15), 0.9)]
    assert detect(portrait) == []


def test_what_ultralytics_is_asked(portrait: Any, ultralytics: Ultralytics, weights: Path) -> None:
    ultralytics.names = {0: "person", 1: "Face"}
    detect(portrait, min_confidence=0.35)
    detect(portrait)
    first, second = ultralytics.asked
    assert (first["conf"], second["conf"]) == (0.35, 0.5)
    assert first["classes"] == [1]
    assert first["device"] == "cpu"
    assert np.array_equal(first["source"], portrait[:, :, ::-1])
    assert ultralytics.loaded == [str(weights)], "loaded once"


def test_ultralytics_is_kept_from_the_network_and_from_unknown_classes(
    portrait: Any, ultralytics: Ultralytics, weights: Path
) -> None:
    detect(portrait)
    assert ultralytics.environment["YOLO_OFFLINE"] == "true"
    assert ultralytics.environment["YOLO_AUTOINSTALL"] == "false"
    assert ultralytics.environment["ULTRALYTICS_SAFE_LOAD"] == "true"


def test_faces_come_the_largest_first(ultralytics: Ultralytics, weights: Path) -> None:
    ultralytics.found = [((0.0, 0.0, 20.0, 20.0), 0.9), ((30.0, 0.0, 90.0, 80.0), 0.6)]
    pixels = np.zeros((100, 100, 3), np.uint8)

    def points(crop: Any, confidence: float) -> list[Face]:
        assert confidence < 0.5
        high, wide = crop.shape[:2]
        share = 0.25 if wide * high > 1200 else 0.0
        return [Face((share * wide, 0.0, (1 - share) * wide, 0.7 * high), ((1.0, 2.0),) * 5, 0.4)]

    found = yolo.detect_with(weights, pixels, min_confidence=0.5, points=points)
    assert [face.box[2] for face in found] == [90.0, 20.0]
    assert found[0].landmarks[0] == (1.0, 2.0), "its surroundings begin at the picture's edge"


@pytest.mark.parametrize("name", ["gone.pt", "weights.onnx", "folder.pt"])
def test_a_file_that_is_not_there_is_never_handed_on(
    name: str, tmp_path: Path, portrait: Any, ultralytics: Ultralytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "weights.onnx").touch()
    monkeypatch.setenv(yolo.VARIABLE, str(tmp_path / name))
    with pytest.raises(WeightsRefused, match=yolo.VARIABLE) as caught:
        detect(portrait)
    assert "face_yolov8n.pt" in caught.value.hint
    assert ultralytics.loaded == []


def test_a_damaged_file_is_refused_in_words(portrait: Any, ultralytics: Ultralytics, weights: Path) -> None:
    weights.write_bytes(b"hello")
    with pytest.raises(WeightsRefused, match="cannot be read as YOLO weights"):
        detect(portrait)


@pytest.mark.parametrize(
    ("task", "names"), [("detect", {0: "person"}), ("detect", {0: "0", 1: "1"}), ("classify", {0: "face"})]
)
def test_weights_for_something_else_are_refused(
    task: str, names: dict[int, str], portrait: Any, ultralytics: Ultralytics, weights: Path
) -> None:
    ultralytics.task, ultralytics.names = task, names
    with pytest.raises(WeightsRefused, match="does not find faces"):
        detect(portrait)


def test_one_class_that_nobody_named_may_be_faces(
    portrait: Any, ultralytics: Ultralytics, weights: Path
) -> None:
    ultralytics.names = {0: "0"}
    assert detect(portrait) == []
    assert ultralytics.asked[0]["classes"] == [0]


def test_without_the_extra_it_says_what_to_install(
    portrait: Any, weights: Path, ultralytics: Ultralytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics", None)

    def missing(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'ultralytics'", name="ultralytics")

    monkeypatch.setattr(faces._models.importlib, "import_module", lambda name: missing(name))
    with pytest.raises(ModelMissing, match="ultralytics") as caught:
        yolo._load(str(weights), 0, 0)
    assert "[yolo]" in caught.value.hint
    assert "setup.sh" not in caught.value.hint


def test_other_weights_are_another_detector(weights: Path) -> None:
    before = detector_identity()
    weights.write_bytes(b"other weights")
    assert before.startswith("yolo ")
    assert detector_identity() != before
