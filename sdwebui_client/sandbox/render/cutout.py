"""Cuts a person's head out of the reference photo:
a soft matte, clean edge colours, and where everything lies.

What is kept is the head down to the jaw, with its hair; neck and clothes of the photo stay behind, since the
picture gets its own.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from .jaw import Jaw, trace_jaw
from .lora import SandboxLora
from .ops import LUMA, Canvas, Colour, as_canvas, blur, luma, mixed, smoothstep
from .pose import yaw_from_points

NECK_TO_JAW = 0.82
"""Breadth of a neck over that of the face at the mouth."""


@dataclass(frozen=True, eq=False, slots=True)
class Cutout:
    """A head ready to be placed. Face coordinates:
    origin between the eyes, x along them, unit one eye distance."""

    rgb: Canvas
    """The photo, its edge pixels freed of the old background."""
    alpha: Canvas
    """0..1: the head and all its hair."""
    face: Canvas
    """0..1: the part of `alpha` that stands before any collar: without hair that hangs below the jaw."""
    eyes: tuple[float, float]
    """Midpoint between the eyes, px of `rgb`."""
    eye_distance: float
    """Pixels of `rgb`, as if seen from the front."""
    roll_deg: float
    yaw_deg: float
    mouth: float
    """From the eyes down to the mouth, face coordinates."""
    chin: float
    """From the eyes down to the chin, face coordinates."""
    skin: Colour
    """Median of the cheeks."""
    neck: Colour
    """Skin below the jaw: cheeks and jaw, a little shaded."""
    hair: Colour
    neck_half: float
    """Half the breadth of the neck, face coordinates."""


@dataclass(frozen=True, slots=True)
class _Photo:
    """What is cut out, known by its content: all checkpoints of a training carry the same photo."""

    sha256: str
    lora: SandboxLora = field(compare=False)


@lru_cache(maxsize=16)
def cut_out(lora: SandboxLora) -> Cutout:
    """Prepare a person's head; the result is kept while the same photo is drawn from, in whatever file."""
    seen = hashlib.sha256(repr((lora.reference.shape, lora.landmarks)).encode())
    seen.update(lora.reference.tobytes())
    seen.update(lora.mask.tobytes())
    return _prepared(_Photo(seen.hexdigest(), lora))


@lru_cache(maxsize=8)
def _prepared(photo: _Photo) -> Cutout:
    lora = photo.lora
    left, right, nose, mouth_left, mouth_right = lora.landmarks
    eyes = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    roll = math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))
    yaw = max(-35.0, min(35.0, yaw_from_points(left, right, nose)))
    mouth_at = math.dist(eyes, ((mouth_left[0] + mouth_right[0]) / 2, (mouth_left[1] + mouth_right[1]) / 2))
    # A face turned sideways or down shortens one of the two spans; the longer one tells the size.
    unit = max(math.dist(left, right) / math.cos(math.radians(yaw)), mouth_at / 1.25)
    rgb = _leveled(as_canvas(lora.reference))
    grid = _face_grid(rgb.shape[:2], eyes, unit, roll)
    matte = _matte(rgb, as_canvas(lora.mask), unit)
    skin = _median(rgb, _near(grid, 0.48, 0.62, 0.16) | _near(grid, -0.48, 0.62, 0.16), (0.75, 0.58, 0.5))
    hair = _median(rgb, _near(grid, 0.0, -1.75, 0.3) & (matte > 0.9), (0.2, 0.15, 0.12))
    skin_like, hair_like = _skin_like(rgb, skin), _hair_like(rgb, hair, unit)
    mouth = _face_point(
        (mouth_left[0] + mouth_right[0]) / 2, (mouth_left[1] + mouth_right[1]) / 2, eyes, unit, roll
    )
    jaw = trace_jaw(rgb, skin_like, matte, eyes, unit, roll, mouth)
    beyond = jaw.beyond(grid)
    head = _above_jaw(grid, jaw, beyond, skin_like, hair_like)
    # Close to the jaw brown hair and shaded skin of the neck look alike.
    locks = hair_like * np.maximum(1 - skin_like, smoothstep(0.25, 0.4, beyond))
    alpha = _largest_part(matte * np.maximum(head, _hanging_hair(locks, grid, jaw.chin, unit)))
    return Cutout(
        rgb=_free_edges(rgb, alpha, unit), alpha=alpha, face=np.minimum(alpha, head), eyes=eyes,
        eye_distance=unit, roll_deg=roll, yaw_deg=yaw, mouth=mouth_at / unit, chin=jaw.chin,
        skin=skin, neck=_neck_colour(rgb, skin, skin_like, grid, beyond), hair=hair,
        neck_half=min(max(NECK_TO_JAW * jaw.half(mouth[1]), 0.6), 0.85),
    )  # fmt: skip


def _leveled(rgb: Canvas) -> Canvas:
    """Stretch a dull exposure a little, at most by a fifth, leaving colours alone."""
    low, high = np.percentile(luma(rgb[::4, ::4]), (1, 99))
    gain = min(max(0.90 / max(high, 0.2), 0.9), 1.2)
    return np.asarray(np.clip((rgb - low * 0.15) * gain, 0, 1), dtype=np.float32)


def _face_grid(
    shape: tuple[int, ...], eyes: tuple[float, float], unit: float, roll: float
) -> tuple[Canvas, Canvas]:
    """Return each pixel's face coordinates (x, y)."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    across, down = (columns - eyes[0]) / unit, (rows - eyes[1]) / unit
    return (across * cos + down * sin).astype(np.float32), (down * cos - across * sin).astype(np.float32)


def _face_point(
    column: float, row: float, eyes: tuple[float, float], unit: float, roll: float
) -> tuple[float, float]:
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    across, down = (column - eyes[0]) / unit, (row - eyes[1]) / unit
    return across * cos + down * sin, down * cos - across * sin


def _near(
    grid: tuple[Canvas, Canvas], x: float, y: float, radius: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((grid[0] - x) ** 2 + (grid[1] - y) ** 2 < radius**2)


def _median(rgb: Canvas, where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], otherwise: Colour) -> Colour:
    if int(where.sum()) < 20:
        return otherwise
    red, green, blue = np.median(rgb[where], axis=0)
    return float(red), float(green), float(blue)


def _matte(rgb: Canvas, mask: Canvas, unit: float) -> Canvas:
    """Let the mask's edge follow the photo's: a guided filter (He, Sun, Tang 2010) in a band around it."""
    solid = cv2.GaussianBlur(mask, (0, 0), unit * 0.02)
    radius = max(round(unit * 0.06), 2)
    refined = _guided(rgb, np.asarray(solid, dtype=np.float32), radius, 2e-4)
    wide = 2 * max(round(unit * 0.09), 2) + 1
    inner = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide)))
    outer = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide)))
    refined = smoothstep(0.12, 0.9, refined)
    return np.asarray(np.clip(np.maximum(refined, inner) * outer, 0, 1), dtype=np.float32)


def _guided(guide: Canvas, plane: Canvas, radius: int, eps: float) -> Canvas:
    """Filter `plane` so that it follows edges of the colour picture `guide`."""
    size = (2 * radius + 1, 2 * radius + 1)

    def box(values: Canvas) -> Canvas:
        return np.asarray(cv2.boxFilter(values, -1, size), dtype=np.float32)

    mean_guide, mean_plane = box(guide), box(plane)
    cross = box(guide * plane[:, :, None]) - mean_guide * mean_plane[:, :, None]
    spread = np.empty((*plane.shape, 3, 3), dtype=np.float32)
    for row in range(3):
        for column in range(row, 3):
            both = (
                box(guide[:, :, row] * guide[:, :, column]) - mean_guide[:, :, row] * mean_guide[:, :, column]
            )
            spread[:, :, row, column] = spread[:, :, column, row] = both
    spread += np.eye(3, dtype=np.float32) * np.float32(eps)
    slope = np.linalg.solve(spread, cross[..., None])[..., 0]
    offset = mean_plane - (slope * mean_guide).sum(axis=2)
    filtered = (box(slope.astype(np.float32)) * guide).sum(axis=2) + box(offset)
    return np.asarray(np.clip(filtered, 0, 1), dtype=np.float32)


def _chroma_gap(rgb: Canvas, colour: Colour) -> Canvas:
    """Return how far each pixel's hue and saturation is from a colour's, whatever the light: 0 is equal."""
    total = rgb.sum(axis=2, keepdims=True) + 0.05
    wanted = np.asarray(colour, dtype=np.float32)
    return np.asarray(np.abs(rgb / total - wanted / (wanted.sum() + 0.05)).sum(axis=2), dtype=np.float32)


def _skin_like(rgb: Canvas, skin: Colour) -> Canvas:
    """Return 1 where a pixel has the hue of the cheeks, in light or shade."""
    soft = blur(rgb, 1.5)
    bright = luma(soft) / max(float(np.dot(skin, LUMA)), 0.05)
    alike = smoothstep(0.14, 0.07, _chroma_gap(soft, skin)) * smoothstep(0.3, 0.5, bright)
    return np.asarray(alike * smoothstep(1.5, 1.3, bright), dtype=np.float32)


def _hair_like(rgb: Canvas, hair: Colour, unit: float) -> Canvas:
    """Return 1 where a pixel has hue and brightness of the hair above the forehead, glints among it too."""
    away = np.abs(luma(blur(rgb, 1.0)) - np.float32(np.dot(hair, LUMA)))
    alike = smoothstep(0.16, 0.06, _chroma_gap(rgb, hair)) * smoothstep(0.34, 0.16, away)
    wide = 2 * round(0.07 * unit) + 1
    lock = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide))
    return np.asarray(cv2.morphologyEx(alike, cv2.MORPH_CLOSE, lock), dtype=np.float32)


def _neck_colour(
    rgb: Canvas, skin: Colour, skin_like: Canvas, grid: tuple[Canvas, Canvas], beyond: Canvas
) -> Colour:
    """Return the colour of lit skin below the jaw: the photo's own neck often lies in a collar's shade."""
    along_jaw = (np.abs(beyond + 0.22) < 0.1) & (grid[1] > 1.05) & (skin_like > 0.8)
    red, green, blue = mixed(skin, _median(rgb, along_jaw, skin), 0.6)
    return red * 0.98, green * 0.972, blue * 0.972


def _above_jaw(
    grid: tuple[Canvas, Canvas], jaw: Jaw, beyond: Canvas, skin_like: Canvas, hair_like: Canvas
) -> Canvas:
    """Return 1 where the head is: inside the jaw's line, and above the ear lobes.

    Beside the cheeks a high collar may rise; there only what looks like skin or hair is kept.
    """
    y = grid[1]
    inside = smoothstep(0.055, -0.015, beyond)
    closed = cv2.morphologyEx(np.maximum(skin_like, hair_like), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    known = blur(np.asarray(closed, dtype=np.float32), 2.0)
    lobes = jaw.centre[1]
    near = np.maximum(smoothstep(0.5, 0.3, beyond), hair_like)
    beside = smoothstep(lobes + 0.4, lobes + 0.2, y) * near * known
    top = smoothstep(lobes + 0.05, lobes - 0.15, y)
    return np.asarray(np.clip(np.maximum.reduce([inside, beside, top]), 0, 1), dtype=np.float32)


def _hanging_hair(hair_like: Canvas, grid: tuple[Canvas, Canvas], chin: float, unit: float) -> Canvas:
    """Return 1 where locks of hair, no mere threads, hang beside the neck."""
    x, y = grid
    sides = smoothstep(0.78, 0.95, np.abs(x)) * smoothstep(chin + 0.5, chin - 0.1, y)
    wide = 2 * round(0.09 * unit) + 1
    lock = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide))
    opened = cv2.morphologyEx(np.asarray(hair_like * sides, np.float32), cv2.MORPH_OPEN, lock)
    return blur(np.asarray(opened, dtype=np.float32), 2.0)


def _largest_part(alpha: Canvas) -> Canvas:
    """Drop specks that do not hang together with the head."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > 0.25).astype(np.uint8))
    if len(stats) < 2:
        return alpha
    head = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.float32)
    around = cv2.dilate(head, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    return np.asarray(alpha * blur(np.asarray(around, dtype=np.float32), 1.5), dtype=np.float32)


def _free_edges(rgb: Canvas, alpha: Canvas, unit: float) -> Canvas:
    """Replace edge colours, which hold some of the old background, by what lies just inside."""
    inside = smoothstep(0.9, 1.0, np.asarray(cv2.erode(alpha, np.ones((3, 3), np.uint8)), dtype=np.float32))
    spread = rgb * inside[:, :, None]
    weight = inside.copy()
    filled, known = spread, weight
    for sigma in (unit * 0.02, unit * 0.05, unit * 0.15, unit * 0.5):
        missing = (known < 0.05)[:, :, None]
        wider, total = blur(spread, sigma), blur(weight, sigma)
        filled = np.where(missing, wider, filled)
        known = np.where(missing[:, :, 0], total, known)
    inner = filled / np.maximum(known, 1e-3)[:, :, None]
    blend = inside[:, :, None]
    return np.clip(rgb * blend + inner * (1 - blend), 0, 1).astype(np.float32)
