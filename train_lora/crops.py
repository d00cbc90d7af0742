"""What of a photo a training picture shows, and at which size: arithmetic on numbers, no pixels but in `cut`.

Sizes are those sd-scripts sorts pictures into ("buckets", library/model_util.py@v0.10.1,
make_bucket_resolutions): multiples of 64 px with at most resolution² pixels. A picture that has such a size
already is trained as it is, neither cut nor scaled again.

A picture is measured in *spans* (`faces.Face.span`, about the distance between the eyes) and in its *side*,
the square root of its width times its height, so that one rule serves every shape.

- Shape: the photo's own, between 2:3 and 3:2.
- Content: head and shoulders, where the photo holds them; else as much as it holds. The box is moved and
  shrunk rather than filled up with edges.
- A face that would have to be enlarged more than `max_upscale` gets a wider box, until it is 0.6 times as
  large in the picture as wished; from there the picture gets a smaller size (down to 256 px), and at the
  smallest the box gets as wide as it must. A photo with too few pixels gets a smaller size at once.
- A head tilted by more than 20 degrees is set upright; a lesser tilt stays, as variety.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from faces import Face, crop_upright

if TYPE_CHECKING:
    from PIL import Image

Kind = Literal["face", "half-body"]
Size = tuple[int, int]

STEP_PX = 64
SMALLEST_PX = 256
"""Resolution below which no picture goes to keep a small face large."""
MAX_ASPECT = 1.5
TILT_DEG = 20.0
SPAN_SHARE: dict[Kind, float] = {"face": 0.18, "half-body": 0.105}
"""The face's span as a share of the picture's side: head and shoulders; head to about the waist."""
_EYES_DOWN: dict[Kind, float] = {"face": 0.42, "half-body": 0.3}
"""From the upper edge to the eyes, as a share of the side: room above the hair."""
_SPAN_CLOSE = 0.22
"""Share from which a picture is a close-up."""
_SPAN_LEAST = 0.6
"""How much smaller than wished a face may become before the picture gets smaller instead."""
_BODY_SPANS = 5.5
"""What a half-body picture shows below the eyes at least: about to the lower ribs (a head and shoulders
picture ends 3 spans below them)."""
_BODY_WIDER = 1.4
"""How much more a half-body picture shows than the same photo's face picture, at least."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One training picture, planned."""

    kind: Kind
    framing: str
    """In words for captions: "close-up", "head and shoulders" or "upper body"."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom in the photo's pixels. Within the photo, except of a head set upright, where
    it is turned around the eyes and what lies outside repeats the photo's edge."""
    size: Size
    """Width and height of the picture, pixels."""
    upright: bool = False
    """Whether the head is turned upright."""

    @property
    def scale(self) -> float:
        """Picture pixels for one photo pixel; above 1 the photo is enlarged."""
        return self.size[0] / (self.box[2] - self.box[0])


def bucket_sizes(resolution: int) -> tuple[Size, ...]:
    """Sizes of pictures with about resolution² pixels, none narrower than 1:2, the widest last.

    Args:
        resolution: Side of the square one, a multiple of 64, at least 64.

    Raises:
        ValueError: It is no such number.
    """
    if resolution < STEP_PX or resolution % STEP_PX:
        raise ValueError(f"resolution is a multiple of {STEP_PX}, got {resolution}")
    tall = [
        (width, resolution * resolution // width // STEP_PX * STEP_PX)
        for width in range(STEP_PX, resolution + 1, STEP_PX)
    ]
    fitting = {(width, height) for width, height in tall if height <= 2 * width}
    both = fitting | {(height, width) for width, height in fitting}
    return tuple(sorted(both, key=lambda size: (size[0] / size[1], size)))


def plan_crop(image_size: Size, face: Face, *, resolution: int = 512, max_upscale: float = 2.0) -> Crop:
    """Plan the head and shoulders picture of a photo.

    Args:
        image_size: Width and height of the photo, pixels.
        face: The face, in the photo's pixels.
        resolution: Side of a square picture, pixels; other shapes have about as many.
        max_upscale: How much the photo may be enlarged, 1 or more.

    Raises:
        ValueError: An impossible resolution or `max_upscale`, or a photo too small for the smallest picture.
    """
    if abs(face.roll_deg) > TILT_DEG:
        return _plan_upright(image_size, face, resolution, max_upscale)
    return _plan(image_size, face, "face", _aspect(image_size), resolution, max_upscale)


def plan_half_body(
    image_size: Size, face: Face, *, resolution: int = 512, max_upscale: float = 2.0
) -> Crop | None:
    """Plan a picture of head and upper body; None where the photo does not hold clearly more than a face.

    Only the room below the face is known, not what is in it: a table before the person passes for a body.

    Raises:
        ValueError: As `plan_crop`.
    """
    if abs(face.roll_deg) > TILT_DEG:
        return None
    near = plan_crop(image_size, face, resolution=resolution, max_upscale=max_upscale)
    # A body is taller than wide: the sides of a wide photo would only add background.
    crop = _plan(image_size, face, "half-body", min(1.0, _aspect(image_size)), resolution, max_upscale)
    below = (crop.box[3] - face.eye_center[1]) / max(face.span, 1e-6)
    wider = _side(crop.box) / _side(near.box)
    return crop if below >= _BODY_SPANS and wider >= _BODY_WIDER else None


def cut(image: Image.Image, face: Face, crop: Crop) -> Image.Image:
    """Cut a planned picture out of its photo."""
    from PIL import Image as Pillow

    if not crop.upright:
        return image.resize(crop.size, Pillow.Resampling.LANCZOS, box=crop.box)
    x, y = face.eye_center
    eyes_at = (x - crop.box[0]) * crop.scale, (y - crop.box[1]) * crop.scale
    return Pillow.fromarray(
        crop_upright(image, face, size=crop.size, eyes_at=eyes_at, span_px=face.span * crop.scale)
    )


def _plan(
    image_size: Size, face: Face, kind: Kind, aspect: float, resolution: int, max_upscale: float
) -> Crop:
    size, side = _choose(image_size, face, SPAN_SHARE[kind], aspect, resolution, max_upscale)
    unit = math.sqrt(size[0] * size[1])
    width, height = side * size[0] / unit, side * size[1] / unit
    x, y = face.eye_center
    left = _place(x - width / 2, width, (face.box[0], face.box[2]), image_size[0])
    top = _place(y - _EYES_DOWN[kind] * side, height, (face.box[1], face.box[3]), image_size[1])
    box = left, top, min(left + width, float(image_size[0])), min(top + height, float(image_size[1]))
    if kind == "half-body":
        return Crop(kind, "upper body", box, size)
    return Crop(kind, "close-up" if face.span / side > _SPAN_CLOSE else "head and shoulders", box, size)


def _plan_upright(image_size: Size, face: Face, resolution: int, max_upscale: float) -> Crop:
    size, side = _choose(image_size, face, _SPAN_CLOSE, 1.0, resolution, max_upscale)
    x, y = face.eye_center
    left, top = x - side / 2, y - _EYES_DOWN["face"] * side
    return Crop("face", "close-up", (left, top, left + side, top + side), size, upright=True)


def _choose(
    image_size: Size, face: Face, share: float, aspect: float, resolution: int, max_upscale: float
) -> tuple[Size, float]:
    """The picture's size, and the side of its box in the photo."""
    if max_upscale < 1.0:
        raise ValueError(f"max_upscale is 1 or more, got {max_upscale}")
    wanted = face.span / share
    smallest: tuple[Size, float] | None = None
    for smaller in range(resolution, 0, -STEP_PX):
        size = _nearest_size(smaller, aspect)
        unit = math.sqrt(size[0] * size[1])
        largest = min(image_size[0] / size[0], image_size[1] / size[1]) * unit
        least = unit / max_upscale
        if least > largest:
            continue
        if smallest is not None and smaller < SMALLEST_PX:
            break
        smallest = size, min(max(wanted, least), largest)
        if least <= wanted / _SPAN_LEAST:
            break
    if smallest is None:
        raise ValueError(f"a photo of {image_size[0]} x {image_size[1]} pixels is too small to train on")
    return smallest


def _nearest_size(resolution: int, aspect: float) -> Size:
    return min(bucket_sizes(resolution), key=lambda size: (abs(math.log(size[0] / size[1] / aspect)), size))


def _aspect(image_size: Size) -> float:
    return min(max(image_size[0] / image_size[1], 1 / MAX_ASPECT), MAX_ASPECT)


def _place(start: float, length: float, face: tuple[float, float], limit: int) -> float:
    """Where a box begins along one axis: as wished, but around the face and within the photo."""
    if face[1] - face[0] <= length:
        start = min(max(start, face[1] - length), face[0])
    return min(max(0.0, start), max(0.0, limit - length))


def _side(box: tuple[float, float, float, float]) -> float:
    return math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
