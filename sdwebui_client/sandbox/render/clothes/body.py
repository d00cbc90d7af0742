"""Where neck, chest and sleeves of a drawn body are.

Body coordinates: origin at the base of the neck,
x to the picture's right, y down, unit one eye distance of the head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..cutout import Cutout
from ..head import HeadLayer
from ..ops import Canvas, curve, fill, flat, noise, over, shade, smoothstep
from ..pose import Point, Pose

Outline = npt.NDArray[np.float64]
RISE = 0.34
"""How far above the chin the neck goes out of sight, eye distances."""
HANGING = 0.95
"""Share of the picture's height below which a wrist belongs to an arm that hangs out of it."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body's measures in a picture."""

    shape: tuple[int, int]
    """(height, width) of the picture."""
    neck: Point
    unit: float
    """Pixels of one eye distance."""
    turn: float
    """-1..1: how far the front of the body is turned to the picture's left or right."""
    left: Point
    """Shoulder joints, body coordinates."""
    right: Point
    left_arm: tuple[Point | None, Point | None]
    """Elbow and wrist, body coordinates."""
    right_arm: tuple[Point | None, Point | None]
    jaw: Point
    """Where the neck goes up behind the jaw, body coordinates."""
    jaw_half: float
    """Half the breadth of the neck there."""
    neck_half: float
    """Half the breadth of the neck."""

    def px(self, points: list[Point] | Outline) -> Outline:
        """Carry body coordinates to pixels."""
        return np.asarray(np.asarray(points) * self.unit + np.asarray(self.neck), dtype=np.float64)

    def front(self, x: float, y: float, side: float = 1.0) -> Point:
        """Place a point of the garment's front; `side` -1 mirrors it.
        A turned body shifts it, most in the middle."""
        reach = max(1.0 - (x / 3.2) ** 2, 0.0)
        squeeze = 1.0 - 0.16 * self.turn * side
        return x * side * squeeze + 0.42 * self.turn * reach, y

    def area(self, points: list[Point], *, soft: float = 0.0, smooth: bool = True) -> Canvas:
        """Fill a closed outline given in body coordinates; `soft` in eye distances."""
        outline = curve(points, closed=True) if smooth else np.asarray(points, dtype=np.float64)
        return fill(self.shape, self.px(outline), soft * self.unit)


def make_body(cutout: Cutout, pose: Pose, head: HeadLayer) -> Body:
    """Measure the body that a pose, a person and the head as it was placed ask for."""
    shape = (head.alpha.shape[0], head.alpha.shape[1])
    unit = pose.eye_distance

    def of(point: Point | None) -> Point | None:
        return None if point is None else ((point[0] - pose.neck[0]) / unit, (point[1] - pose.neck[1]) / unit)

    def arm(joints: tuple[Point | None, Point | None]) -> tuple[Point | None, Point | None]:
        elbow, wrist = joints
        hangs_out = wrist is not None and wrist[1] > HANGING * shape[0]
        return of(elbow), None if hangs_out else of(wrist)

    left, right = of(pose.left_shoulder) or (-2.4, 0.2), of(pose.right_shoulder) or (2.4, 0.2)
    angle, turn = math.radians(pose.roll_deg), math.sin(math.radians(pose.yaw_deg))
    across, down, jaw_half = _behind_jaw(cutout, head, turn)
    jaw_x = pose.eyes[0] + (across * math.cos(angle) - down * math.sin(angle)) * unit
    jaw_y = pose.eyes[1] + (across * math.sin(angle) + down * math.cos(angle)) * unit
    return Body(
        shape=shape,
        neck=pose.neck,
        unit=unit,
        turn=turn,
        left=(min(left[0], -1.35), left[1]),
        right=(max(right[0], 1.35), right[1]),
        left_arm=arm(pose.left_arm),
        right_arm=arm(pose.right_arm),
        jaw=((jaw_x - pose.neck[0]) / unit, (jaw_y - pose.neck[1]) / unit),
        jaw_half=jaw_half,
        neck_half=cutout.neck_half,
    )


def _behind_jaw(cutout: Cutout, head: HeadLayer, turn: float) -> tuple[float, float, float]:
    """Return where the neck goes up behind the jaw, face coordinates, and half its breadth there.

    It must not stand out beside the jaw, so the face that was drawn is measured.
    """
    down = cutout.chin - RISE
    row = (np.abs(head.y - np.float32(down)) < 0.06) & (head.face > 0.5)
    breadth = head.x[row]
    if breadth.size < 8:
        return 0.0, down, cutout.neck_half * 0.9
    left, right = (float(edge) for edge in np.percentile(breadth, (2, 98)))
    half = max(min(cutout.neck_half, (right - left) / 2 - 0.05), 0.3)
    # A turned head stands before its neck: the neck moves to the back of the jaw.
    free = max((right - left) / 2 - 0.05 - half, 0.0)
    return (left + right) / 2 - free * max(-1.0, min(1.0, 3 * turn)), down, half


def trunk(body: Body, pad: float) -> list[Point]:
    """Outline of neck base, shoulders and chest, `pad` eye distances of cloth around it."""
    left, right = body.left, body.right
    half = body.neck_half + 0.08
    bottom = max((body.shape[0] - body.neck[1]) / body.unit + 1.5, 4.0)
    return [
        (-half + 0.1, -0.95),
        (-half - 0.35, -0.66 - pad * 0.3),
        (left[0] * 0.66, left[1] * 0.6 - 0.52 - pad * 0.6),
        (left[0] - 0.02, left[1] - 0.30 - pad),
        (left[0] - 0.44 - pad * 0.6, left[1] - 0.06),
        (left[0] - 0.42, left[1] + 1.0),
        (left[0] - 0.15, left[1] + 2.4),
        (left[0] - 0.05, 4.2),
        (left[0] - 0.05, bottom),
        (right[0] + 0.05, bottom),
        (right[0] + 0.05, 4.2),
        (right[0] + 0.15, right[1] + 2.4),
        (right[0] + 0.42, right[1] + 1.0),
        (right[0] + 0.44 + pad * 0.6, right[1] - 0.06),
        (right[0] + 0.02, right[1] - 0.30 - pad),
        (right[0] * 0.66, right[1] * 0.6 - 0.52 - pad * 0.6),
        (half + 0.35, -0.66 - pad * 0.3),
        (half - 0.1, -0.95),
    ]


def limb(start: Point, end: Point, start_half: float, end_half: float) -> list[Point]:
    """Outline of a tapering tube with round ends."""
    length = max(math.dist(start, end), 1e-3)
    along = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    turn = math.atan2(along[1], along[0])
    ring: list[Point] = []
    for centre, half, first in ((end, end_half, -90), (start, start_half, 90)):
        for degrees in range(first, first + 181, 30):
            angle = turn + math.radians(degrees)
            ring.append((centre[0] + math.cos(angle) * half, centre[1] + math.sin(angle) * half))
    return ring


@dataclass(frozen=True, slots=True)
class Sleeve:
    """One arm's cloth."""

    upper: list[Point]
    fore: list[Point]
    elbow: Point
    wrist: Point | None
    """None where the arm hangs out of the picture."""


def sleeves(body: Body, pad: float) -> tuple[Sleeve, Sleeve]:
    """Return the outlines of both arms; an arm the pose leaves out hangs down."""
    parts = []
    for joint, (elbow, wrist), side in ((body.left, body.left_arm, -1.0), (body.right, body.right_arm, 1.0)):
        bend = elbow or (joint[0] + 0.35 * side, joint[1] + 4.2)
        hand = wrist or (
            bend[0] - 0.15 * side,
            max(bend[1] + 3.5, (body.shape[0] - body.neck[1]) / body.unit + 1),
        )
        shoulder = (joint[0] - 0.02 * side, joint[1] + 0.30)
        parts.append(
            Sleeve(
                upper=limb(shoulder, bend, 0.58 + pad, 0.54 + pad),
                fore=limb(bend, hand, 0.54 + pad, (0.5 if wrist is None else 0.36) + pad),
                elbow=bend,
                wrist=wrist,
            )
        )
    return parts[0], parts[1]


def draw_neck(canvas: Canvas, body: Body, cutout: Cutout) -> tuple[Canvas, Canvas]:
    """Draw neck and the skin an open collar shows, lit from the left.

    Returns:
        The picture, and where the neck is.
    """
    half, jaw, top = body.neck_half, body.jaw, body.jaw_half
    waist = (jaw[0] * 0.45, min(jaw[1] * 0.5 - 0.25, -0.75))
    narrow = (top + half) * 0.5 * 0.97
    outline = [
        (jaw[0], jaw[1] - 0.3),
        (jaw[0] - top, jaw[1]),
        (waist[0] - narrow, waist[1]),
        (-half * 1.06, -0.55),
        (-half - 0.24, -0.36),
        (max(-1.15, body.left[0] * 0.62), 0.3),
        (0.0, 2.2),
        (min(1.15, body.right[0] * 0.62), 0.3),
        (half + 0.24, -0.36),
        (half * 1.06, -0.55),
        (waist[0] + narrow, waist[1]),
        (jaw[0] + top, jaw[1]),
    ]
    mask = body.area(outline, soft=0.012)
    columns = (np.arange(body.shape[1], dtype=np.float32)[None, :] - np.float32(body.neck[0])) / np.float32(
        body.unit
    )
    rows = (np.arange(body.shape[0], dtype=np.float32)[:, None] - np.float32(body.neck[1])) / np.float32(
        body.unit
    )
    skin = flat(body.shape, cutout.neck)
    lean = np.float32(jaw[0]) * np.clip(-rows / np.float32(max(-jaw[1], 0.3)), 0, 1)
    round_x = (columns - lean) / np.float32(half * 1.05)
    cylinder = 1.02 - 0.20 * smoothstep(0.40, 1.05, np.abs(round_x)) - 0.07 * smoothstep(-0.3, 1.0, round_x)
    inside = np.maximum(smoothstep(-0.35, 0.05, rows), cylinder)
    # Farther from the chin more of the light from above reaches the skin.
    inside = inside * (0.93 + 0.07 * smoothstep(float(jaw[1]) + 0.5, -0.1, rows))
    mottled = noise(np.random.default_rng(17), body.shape, max(body.unit * 0.3, 2.0)) * np.float32(0.012)
    skin = skin * np.asarray(inside + mottled, dtype=np.float32)[:, :, None]
    hollow = np.exp(-(((columns - 0.05 * body.turn) / 0.16) ** 2) - ((rows - 0.06) / 0.14) ** 2)
    skin = shade(skin, hollow.astype(np.float32), 0.10)
    for side in (-1.0, 1.0):
        tendon = np.abs(columns - lean - np.float32(side) * (np.float32(0.16) - rows * np.float32(0.40)))
        skin = shade(skin, smoothstep(0.14, 0.0, tendon) * smoothstep(0.1, -0.4, rows), 0.05)
    return over(canvas, skin, mask), mask
