"""Finding faces with CenterFace, decoded here (or with the user's own YOLO weights, see `yolo`).

The network (Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019) answers
four maps at a quarter of its input's size. For a cell (row, column) with a score above the threshold:

    height, width = 4 * exp(scale[0]), 4 * exp(scale[1])
    centre_y      = 4 * (row    + offset[0] + 0.5)
    centre_x      = 4 * (column + offset[1] + 0.5)
    point_y[i]    = top  + height * landmarks[2 i]
    point_x[i]    = left + width  * landmarks[2 i + 1]

in pixels of the input. Overlapping boxes of one face are then thinned to the surest one.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ._models import centerface, require
from .face import Face
from .pixels import to_rgb
from .yolo import chosen_weights, detect_with

if TYPE_CHECKING:
    from .pixels import RGB, ImageLike

INPUT_PX = 640
"""Side of the square the picture is fitted into. Fixed: with OpenCV 5.0.0 boxes are garbage as soon as one
network sees a second input shape."""
STRIDE = 4
_OUTPUTS = ("537", "538", "539", "540")
_OVERLAP = 0.3
"""Intersection over union above which two boxes are the same face."""
_PASSES = (1.0, 0.5)
"""Sizes tried in turn, as a share of the square, until a face is found: one that fills the picture is
larger than what the network has learnt, and is found in the smaller copy."""

_forward = threading.Lock()


def detect(image: ImageLike, *, min_confidence: float = 0.5) -> list[Face]:
    """Find the faces of a picture, the largest first.

    Args:
        image: A Pillow picture (EXIF orientation already applied) or an RGB array of uint8.
        min_confidence: Detector's confidence from which a face counts, 0..1.

    Returns:
        Faces in the picture's own pixels; empty when there is none.

    Raises:
        ModelMissing: OpenCV or the CenterFace weights are not installed.
        PixelsRefused: Not a picture.
        WeightsRefused: SDWEBUI_FACE_YOLO names weights that cannot be used.
        ValueError: ``min_confidence`` is outside 0..1.

    Example:
        >>> from PIL import Image
        >>> detect(Image.new("RGB", (64, 64)))
        []
    """
    if not 0.0 < min_confidence <= 1.0:
        raise ValueError(f"min_confidence must be above 0 and at most 1, got {min_confidence}")
    pixels = to_rgb(image)
    weights = chosen_weights()
    if weights is not None:
        return detect_with(weights, pixels, min_confidence=min_confidence, points=_centerface_faces)
    return _centerface_faces(pixels, min_confidence)


def _centerface_faces(pixels: RGB, min_confidence: float) -> list[Face]:
    for share in _PASSES:
        faces = _detect_at(pixels, share, min_confidence)
        if faces:
            return faces
    return []


def _detect_at(pixels: RGB, share: float, min_confidence: float) -> list[Face]:
    cv2, np = require("cv2", "opencv-python-headless"), require("numpy", "numpy")
    height, width = pixels.shape[:2]
    scale = INPUT_PX * share / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((INPUT_PX, INPUT_PX, 3), np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(pixels, size, interpolation=shrink)
    blob = cv2.dnn.blobFromImage(canvas, 1.0, (INPUT_PX, INPUT_PX), (0, 0, 0), swapRB=False, crop=False)
    network = centerface()
    with _forward:
        network.setInput(blob)
        maps = [np.array(answer[0]) for answer in network.forward(_OUTPUTS)]
    factors = size[0] / width, size[1] / height
    return decode(*maps, min_confidence=min_confidence, scale=factors)


def decode(
    heatmap: Any,
    scales: Any,
    offsets: Any,
    landmarks: Any,
    *,
    min_confidence: float,
    scale: tuple[float, float],
) -> list[Face]:
    """Turn CenterFace's four maps into faces (the formula stands at the top of this file).

    Args:
        heatmap: (1, h, w) scores.
        scales: (2, h, w) logarithms of height and width.
        offsets: (2, h, w) shifts of the centre, y and x.
        landmarks: (10, h, w) five points, y before x, as shares of the box.
        min_confidence: Score from which a cell counts.
        scale: Network pixels for one picture pixel, along x and y.
    """
    np = require("numpy", "numpy")
    rows, columns = np.nonzero(heatmap[0] >= min_confidence)
    if rows.size == 0:
        return []
    scores = heatmap[0, rows, columns]
    heights, widths = np.exp(scales[:, rows, columns]) * STRIDE
    top = (rows + offsets[0, rows, columns] + 0.5) * STRIDE - heights / 2
    left = (columns + offsets[1, rows, columns] + 0.5) * STRIDE - widths / 2
    boxes = np.stack([left, top, left + widths, top + heights], axis=1)
    points = landmarks[:, rows, columns]
    ys, xs = top + heights * points[0::2], left + widths * points[1::2]
    factors = np.array([scale[0], scale[1]], np.float64)
    faces = [
        Face(
            box=_four(boxes[i].astype(np.float64) / np.tile(factors, 2)),
            landmarks=tuple(
                (float(x / factors[0]), float(y / factors[1]))
                for x, y in zip(xs[:, i], ys[:, i], strict=True)
            ),
            confidence=min(1.0, float(scores[i])),
        )
        for i in _thin(boxes, scores)
    ]
    return sorted(faces, key=lambda face: (-face.area, face.box))


def _four(values: Any) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(value) for value in values)
    return x0, y0, x1, y1


def _thin(boxes: Any, scores: Any) -> list[int]:
    """Indices of the boxes that stay after greedy non-maximum suppression, the surest first."""
    np = require("numpy", "numpy")
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        order = rest[shared / (areas[best] + areas[rest] - shared) <= _OVERLAP]
    return kept
