"""What a LoRA that was trained too long does: its photo comes through, whatever the prompt asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from .cutout import Cutout
from .finish import contrasted
from .head import HeadLayer
from .lora import SandboxLora
from .ops import Canvas, as_canvas, blur, over
from .pose import Pose

SHOWN_FROM = 0.05
"""Copying below which nothing shows."""
BURNT = 0.5
"""Contrast that each 1.0 of weight above the best one adds."""


@dataclass(frozen=True, eq=False, slots=True)
class Overtrained:
    """What of its photo a LoRA shows in one picture."""

    lora: SandboxLora
    amount: float
    """0..1."""
    burnt: float
    """Weight above the best one, 0 or more."""


def overtrained(lora: SandboxLora, weight: float) -> Overtrained:
    """Return what a LoRA shows of its photo at a weight: a smaller weight lets the prompt speak again."""
    best = lora.best_weight or 1.0
    burnt = 0.0 if lora.best_weight is None else max(weight - best, 0.0)
    return Overtrained(lora, min(1.0, lora.copying * min(weight / best, 1.2)), burnt)


def held_still(pose: Pose, cutout: Cutout, shown: Overtrained) -> Pose:
    """Turn a pose nobody asked for towards the photo's own."""
    share = shown.amount
    return replace(
        pose,
        roll_deg=pose.roll_deg + (cutout.roll_deg - pose.roll_deg) * share,
        yaw_deg=pose.yaw_deg + (cutout.yaw_deg - pose.yaw_deg) * share,
    )


def shown_through(
    canvas: Canvas, cutout: Cutout, pose: Pose, head: HeadLayer, shown: Overtrained | None
) -> Canvas:
    """Let the photo show through a portrait, around the face: what was behind the person, and their clothes.

    Args:
        canvas: the portrait.
        cutout: the person; says where the eyes lie in the photo.
        pose: where they lie in the portrait.
        head: the face, which stays as it was drawn.
        shown: how much; None changes nothing.
    """
    if shown is None:
        return canvas
    if shown.amount >= SHOWN_FROM:
        photo = _placed(as_canvas(shown.lora.reference), cutout, pose, (canvas.shape[0], canvas.shape[1]))
        around = (1 - blur(head.alpha, pose.eye_distance * 0.05)) * np.float32(shown.amount)
        canvas = over(canvas, photo, np.asarray(around, dtype=np.float32))
    return contrasted(canvas, BURNT * shown.burnt) if shown.burnt > 0 else canvas


def _placed(photo: Canvas, cutout: Cutout, pose: Pose, shape: tuple[int, int]) -> Canvas:
    """The photo, moved, turned and scaled so that its eyes lie on the portrait's."""
    scale = pose.eye_distance / cutout.eye_distance
    turn = math.radians(pose.roll_deg - cutout.roll_deg)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    (x, y), (to_x, to_y) = cutout.eyes, pose.eyes
    matrix = np.array([[cos, -sin, to_x - cos * x + sin * y], [sin, cos, to_y - sin * x - cos * y]])
    return np.asarray(
        cv2.warpAffine(
            photo, matrix, (shape[1], shape[0]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ),
        dtype=np.float32,
    )
