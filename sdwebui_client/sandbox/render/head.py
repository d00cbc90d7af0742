"""Places a cut-out head in the picture:
size, tilt, a mild turn, and what the likeness makes of the features."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .cutout import Cutout, cut_out
from .identity import Likeness, displaced
from .ops import Canvas, blur
from .pose import Pose
from .stranger import estranged, stranger_of

MAX_TURN_DEG = 16.0
"""A single photo can be turned this far before its far side folds."""
SKULL = (1.35, 1.95, 1.25)
"""Half axes of the ellipsoid a head is taken for: across, down, deep, in eye distances."""
SKULL_CENTRE = 0.25
"""Its centre below the eyes."""
NOSE_RELIEF = 0.38
"""How far the nose stands out of the ellipsoid, in eye distances."""


@dataclass(frozen=True, eq=False, slots=True)
class HeadLayer:
    """A head drawn at its place in the picture, canvas-sized."""

    rgb: Canvas
    alpha: Canvas
    face: Canvas
    """The part of `alpha` that stands before any collar."""
    x: Canvas
    """Face coordinates of every pixel of the picture (upright with the head,
    in the picture's eye distances)."""
    y: Canvas
    turn_deg: float
    """Turn that was applied to the photo."""


def place_head(cutout: Cutout, pose: Pose, likeness: Likeness, shape: tuple[int, int]) -> HeadLayer:
    """Warp a head to a pose.

    Args:
        cutout: the person.
        pose: where it goes.
        likeness: how its features drift.
        shape: (height, width) of the picture.
    """
    turn = max(-MAX_TURN_DEG, min(MAX_TURN_DEG, (pose.yaw_deg - cutout.yaw_deg) * 0.75))
    x, y = _face_coordinates(pose, shape)
    top, left, bottom, right = _window(pose, shape)
    if top >= bottom or left >= right:
        nothing = np.zeros(shape, dtype=np.float32)
        return HeadLayer(np.zeros((*shape, 3), np.float32), nothing, nothing, x, y, turn)
    window = np.s_[top:bottom, left:right]
    source_x, source_y = _unturned(x[window], y[window], turn)
    source_x, source_y = displaced(source_x, source_y, likeness)
    rgb, mattes = _sampled(cutout, pose.eye_distance, source_x, source_y)
    stranger = stranger_of(likeness)
    if stranger is not None:
        other, _ = _sampled(cut_out(stranger), pose.eye_distance, source_x, source_y)
        rgb = estranged(rgb, other, source_x, source_y, pose.eye_distance, likeness)
    whole_rgb, whole_mattes = np.zeros((*shape, 3), np.float32), np.zeros((*shape, 2), np.float32)
    whole_rgb[window], whole_mattes[window] = rgb, mattes
    return HeadLayer(whole_rgb, whole_mattes[:, :, 0], whole_mattes[:, :, 1], x, y, turn)


def _face_coordinates(pose: Pose, shape: tuple[int, int]) -> tuple[Canvas, Canvas]:
    angle = math.radians(pose.roll_deg)
    cos, sin = math.cos(angle) / pose.eye_distance, math.sin(angle) / pose.eye_distance
    across = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(pose.eyes[0])
    down = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(pose.eyes[1])
    x = across * np.float32(cos) + down * np.float32(sin)
    return x, down * np.float32(cos) - across * np.float32(sin)


def _window(pose: Pose, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    reach = 3.4 * pose.eye_distance
    return (
        max(int(pose.eyes[1] - reach), 0),
        max(int(pose.eyes[0] - reach), 0),
        min(int(pose.eyes[1] + reach), shape[0]),
        min(int(pose.eyes[0] + reach), shape[1]),
    )


def _depth(x: Canvas, y: Canvas) -> Canvas:
    across, down, deep = SKULL
    rest = 1 - (x / np.float32(across)) ** 2 - ((y - np.float32(SKULL_CENTRE)) / np.float32(down)) ** 2
    # Square root flattened at the rim: an ellipsoid's edge is infinitely steep, and hair has no such edge.
    ball = np.float32(deep) * np.sqrt(np.maximum(rest, 0) + np.float32(0.06))
    nose = np.float32(NOSE_RELIEF) * np.exp(-((x / 0.22) ** 2) - ((y - 0.5) / 0.34) ** 2)
    return np.asarray(ball + nose, dtype=np.float32)


def _unturned(x: Canvas, y: Canvas, turn_deg: float) -> tuple[Canvas, Canvas]:
    """Find, for each place of the turned head,
    the place of the photo that turns there (fixed-point iteration)."""
    if abs(turn_deg) < 0.5:
        return x, y
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    pivot = np.float32(SKULL[2] * 0.85)
    source = x.copy()
    for _ in range(4):
        # The far side of the face would overtake itself; halving each step keeps the map one to one.
        wanted = (x - np.float32(sin) * (_depth(source, y) - pivot)) / np.float32(cos)
        source += (wanted - source) * np.float32(0.75)
    return source, y


def _sampled(cutout: Cutout, eye_distance: float, x: Canvas, y: Canvas) -> tuple[Canvas, Canvas]:
    rgb, unit, eyes = cutout.rgb, cutout.eye_distance, cutout.eyes
    mattes = np.dstack([cutout.alpha, cutout.face])
    shrink = eye_distance / unit
    if shrink < 0.8:
        size = (max(round(rgb.shape[1] * shrink), 8), max(round(rgb.shape[0] * shrink), 8))
        ratio = size[0] / rgb.shape[1]
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        mattes = np.asarray(cv2.resize(mattes, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        unit, eyes = unit * ratio, (eyes[0] * ratio, eyes[1] * ratio)
    angle = math.radians(cutout.roll_deg)
    cos, sin = np.float32(math.cos(angle) * unit), np.float32(math.sin(angle) * unit)
    columns, rows = x * cos - y * sin + np.float32(eyes[0]), x * sin + y * cos + np.float32(eyes[1])
    drawn = cv2.remap(rgb, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    matte = cv2.remap(mattes, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.clip(drawn, 0, 1).astype(np.float32), np.asarray(blur(matte, 0.5), dtype=np.float32)
