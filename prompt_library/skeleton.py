"""Drawing a pose as the stick figure that OpenPose ControlNets were trained on. Pillow only.

Colours and their order are OpenPose's: 18 hues around the circle, joint i in colour i, limb i in colour i at
60 % brightness, limbs first and joints on top. Drawn without anti-aliasing, so that the pixels of a joint
carry exactly its colour and equal input gives equal pixels.
"""

from __future__ import annotations

import io
import math

from PIL import Image, ImageDraw

from .errors import RenderError
from .model import KEYPOINTS, Pose

COLOURS: tuple[tuple[int, int, int], ...] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""Colour of joint i and, darker, of limb i (RGB)."""

LIMBS: tuple[tuple[str, str], ...] = (
    ("neck", "right_shoulder"), ("neck", "left_shoulder"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("neck", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("neck", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("neck", "nose"),
    ("nose", "right_eye"), ("right_eye", "right_ear"), ("nose", "left_eye"), ("left_eye", "left_ear"),
)  # fmt: skip
"""Limb i joins these two keypoints."""

LIMB_BRIGHTNESS = 0.6
FRAME_ASPECT = 2 / 3
"""Width / height of the frame the library's coordinates refer to."""
_REFERENCE_WIDTH = 512
_JOINT_RADIUS = 4.0
_MIN_SIDE_PX, _MAX_SIDE_PX = 64, 4096
_ELLIPSE_POINTS = 48


def place(pose: Pose, width: int, height: int) -> tuple[tuple[float, float] | None, ...]:
    """Pixel positions of the 18 keypoints in a picture of this size.

    Coordinates refer to a 2:3 frame. In any other shape the height decides the scale and the figure stays
    centred, so that heads keep their share of the height and nobody is stretched: a wider picture shows more
    backdrop, a narrower one cuts the elbows. Points outside the picture become None.
    """
    frame_width = height * FRAME_ASPECT
    placed: list[tuple[float, float] | None] = []
    for point in pose.keypoints:
        if point is None:
            placed.append(None)
            continue
        x, y = width / 2 + (point[0] - 0.5) * frame_width, point[1] * height
        placed.append((x, y) if 0 <= x < width and 0 <= y < height else None)
    return tuple(placed)


def draw_skeleton(pose: Pose, width: int, height: int) -> Image.Image:
    """The stick figure as an RGB picture on black.

    Args:
        pose: The pose.
        width: Width in px, 64–4096.
        height: Height in px, 64–4096.

    Raises:
        RenderError: The size is out of range.
    """
    if not (_MIN_SIDE_PX <= width <= _MAX_SIDE_PX and _MIN_SIDE_PX <= height <= _MAX_SIDE_PX):
        raise RenderError(
            f"a skeleton of {width}x{height} px is not drawn; {_MIN_SIDE_PX}–{_MAX_SIDE_PX} px a side"
        )
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    points = dict(zip(KEYPOINTS, place(pose, width, height), strict=True))
    scale = min(width, height * FRAME_ASPECT) / _REFERENCE_WIDTH
    radius = max(2.0, _JOINT_RADIUS * scale)
    for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
        a, b = points[start], points[end]
        if a is not None and b is not None:
            r, g, blue = (int(channel * LIMB_BRIGHTNESS) for channel in colour)
            draw.polygon(_limb(a, b, radius), fill=(r, g, blue))
    for name, colour in zip(KEYPOINTS, COLOURS, strict=True):
        centre = points[name]
        if centre is not None:
            x, y = round(centre[0]), round(centre[1])
            reach = round(radius)
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
    return image


def render_skeleton(pose: Pose, width: int, height: int) -> bytes:
    """The stick figure as PNG bytes, ready to be a ControlNet image with module "none".

    Args:
        pose: The pose, e.g. `load_library().poses["front"]`.
        width: Width in px, 64–4096; that of the picture to be drawn.
        height: Height in px, 64–4096.

    Returns:
        PNG bytes; the same input gives the same pixels everywhere.

    Raises:
        RenderError: The size is out of range.
    """
    buffer = io.BytesIO()
    draw_skeleton(pose, width, height).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _limb(a: tuple[float, float], b: tuple[float, float], half_width: float) -> list[tuple[float, float]]:
    """Outline of an ellipse whose long axis runs from a to b."""
    centre_x, centre_y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    half_length = math.dist(a, b) / 2
    angle = math.atan2(b[1] - a[1], b[0] - a[0])
    cos, sin = math.cos(angle), math.sin(angle)
    outline = []
    for step in range(_ELLIPSE_POINTS):
        turn = 2 * math.pi * step / _ELLIPSE_POINTS
        along, across = half_length * math.cos(turn), half_width * math.sin(turn)
        outline.append((centre_x + along * cos - across * sin, centre_y + along * sin + across * cos))
    return outline
