"""Cuts a person's head out of the reference photo: a soft matte, clean edge colours, and where everything
lies.

What is kept is the head with its hair and the skin of the neck; the clothes of the photo stay behind, since
the picture gets clothes of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .lora import SandboxLora
from .ops import LUMA, Canvas, Colour, as_canvas, blur, luma, smoothstep
from .pose import yaw_from_points

CHIN_TO_MOUTH = 2.0
"""Eyes to chin over eyes to mouth: a drawing rule, mouth half way down. The NASA portrait measures 2.02."""


@dataclass(frozen=True, eq=False, slots=True)
class Cutout:
    """A head ready to be placed. Face coordinates: origin between the eyes, x along them, unit one eye
    distance."""

    rgb: Canvas
    """The photo, its edge pixels freed of the old background."""
    alpha: Canvas
    """0..1: the head and the skin of the neck."""
    face: Canvas
    """0..1: the part of `alpha` that stands before any collar: the head down to the jaw."""
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
    """Median of the neck where it shows, otherwise a shaded `skin`."""
    hair: Colour
    neck_half: float
    """Half the breadth of the neck, face coordinates."""


@lru_cache(maxsize=8)
def cut_out(lora: SandboxLora) -> Cutout:
    """Prepare a person's head; the result is kept while the same file is used."""
    left, right, nose, mouth_left, mouth_right = lora.landmarks
    eyes = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    roll = math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))
    yaw = max(-35.0, min(35.0, yaw_from_points(left, right, nose)))
    mouth_at = math.dist(eyes, ((mouth_left[0] + mouth_right[0]) / 2, (mouth_left[1] + mouth_right[1]) / 2))
    # A face turned sideways or down shortens one of the two spans; the longer one tells the size.
    unit = max(math.dist(left, right) / math.cos(math.radians(yaw)), mouth_at / 1.25)
    rgb = _leveled(as_canvas(lora.reference))
    grid = _face_grid(rgb.shape[:2], eyes, unit, roll)
    chin = CHIN_TO_MOUTH * mouth_at / unit
    matte = _matte(rgb, as_canvas(lora.mask), unit)
    skin = _median(rgb, _near(grid, 0.48, 0.62, 0.16) | _near(grid, -0.48, 0.62, 0.16), (0.75, 0.58, 0.5))
    hair = _median(rgb, _near(grid, 0.0, -1.75, 0.3) & (matte > 0.9), (0.2, 0.15, 0.12))
    skin_like = _skin_like(rgb, skin)
    neck_skin = _neck_skin(skin_like * matte, grid, chin)
    neck = _neck_colour(rgb, neck_skin, skin)
    hair_like = _hair_like(rgb, hair)
    above = _above_jaw(grid, chin, np.maximum(skin_like, hair_like))
    alpha = _without_clothes(matte, neck_skin, hair_like, grid, chin, above)
    return Cutout(
        rgb=_free_edges(rgb, alpha, unit), alpha=alpha, face=np.minimum(alpha, above), eyes=eyes,
        eye_distance=unit, roll_deg=roll, yaw_deg=yaw,
        mouth=mouth_at / unit, chin=chin, skin=skin, neck=neck, hair=hair,
        neck_half=_neck_half(neck_skin, grid, chin),
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


def _hair_like(rgb: Canvas, hair: Colour) -> Canvas:
    """Return 1 where a pixel has hue and brightness of the hair above the forehead."""
    away = np.abs(luma(blur(rgb, 1.0)) - np.float32(np.dot(hair, LUMA)))
    return np.asarray(
        smoothstep(0.16, 0.06, _chroma_gap(rgb, hair)) * smoothstep(0.34, 0.16, away), np.float32
    )


def _neck_skin(skin_like: Canvas, grid: tuple[Canvas, Canvas], chin: float) -> Canvas:
    """Return where the neck's skin shows, 0..1."""
    x, y = grid
    place = smoothstep(chin - 0.75, chin - 0.55, y) * smoothstep(1.15, 1.0, np.abs(x))
    opened = cv2.morphologyEx(skin_like * place, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return blur(np.asarray(opened, dtype=np.float32), 1.5)


def _neck_colour(rgb: Canvas, neck_skin: Canvas, skin: Colour) -> Colour:
    shaded = (skin[0] * 0.8, skin[1] * 0.76, skin[2] * 0.74)
    red, green, blue = _median(rgb, neck_skin > 0.8, shaded)
    limit = 0.62
    return max(red, skin[0] * limit), max(green, skin[1] * limit), max(blue, skin[2] * limit)


def _above_jaw(grid: tuple[Canvas, Canvas], chin: float, person_like: Canvas) -> Canvas:
    """Return 1 above the jaw: a curve from the ear lobes (about half way down the face) to the chin.

    Beside the jaw a high collar may rise; there only what looks like skin or hair is kept.
    """
    across = np.abs(grid[0])
    jaw = chin - (chin - 0.9) * np.clip(across, 0, 1) ** 2.2
    above = smoothstep(0.14, 0.03, np.asarray(grid[1] - jaw, dtype=np.float32))
    # Faces narrow towards the chin: 0.96 eye distances at the ears, 0.65 at the mouth's corners and below.
    outside = np.asarray(across + 0.36 * np.clip(grid[1] - 0.6, 0, 1.1), dtype=np.float32)
    beside = smoothstep(0.88, 1.02, outside) * smoothstep(0.62, 0.8, grid[1])
    known = blur(np.asarray(cv2.morphologyEx(person_like, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))), 2.0)
    return np.asarray(above * (1 - beside * (1 - known)), dtype=np.float32)


def _neck_half(neck_skin: Canvas, grid: tuple[Canvas, Canvas], chin: float) -> float:
    """Measure the neck just below the chin, within what necks are."""
    row = np.abs(grid[1] - chin - 0.08) < 0.06
    spread = grid[0][row & (neck_skin > 0.5)]
    if spread.size < 30:
        return 0.82
    half = float(np.percentile(spread, 97) - np.percentile(spread, 3)) / 2
    return min(max(half * 1.04, 0.72), 0.98)


def _without_clothes(
    matte: Canvas,
    neck_skin: Canvas,
    hair_like: Canvas,
    grid: tuple[Canvas, Canvas],
    chin: float,
    above: Canvas,
) -> Canvas:
    """Keep the head above the jaw; below it only skin of the neck and hair at its sides."""
    x, y = grid
    sides = smoothstep(0.72, 0.92, np.abs(x)) * smoothstep(chin + 0.5, chin - 0.1, y)
    hanging = cv2.morphologyEx(
        np.asarray(hair_like * sides, np.float32), cv2.MORPH_OPEN, np.ones((7, 7), np.uint8)
    )
    throat = np.minimum(neck_skin, blur(neck_skin, 6.0)) ** 2 * smoothstep(chin + 0.30, chin + 0.04, y)
    kept = np.maximum(above, np.maximum(throat, blur(np.asarray(hanging, dtype=np.float32), 2.0)))
    return _largest_part(np.asarray(matte * np.clip(kept, 0, 1), dtype=np.float32))


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
