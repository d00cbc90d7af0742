"""Reads a pose back from the skeleton picture ControlNet OpenPose is given,
and works out where the head goes.

A skeleton shows 18 joints (COCO order) as dots in 18 colours on limbs of 0.6 brightness: the drawing
convention of OpenPose's COCO model that ControlNet was trained on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .scene import Picture

Point: TypeAlias = tuple[float, float]

NOSE, NECK, R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST = range(8)
R_EYE, L_EYE, R_EAR, L_EAR = 14, 15, 16, 17
JOINTS = 18
JOINT_COLOURS = np.array(
    [
        [255, 0, 0], [255, 85, 0], [255, 170, 0], [255, 255, 0], [170, 255, 0], [85, 255, 0],
        [0, 255, 0], [0, 255, 85], [0, 255, 170], [0, 255, 255], [0, 170, 255], [0, 85, 255],
        [0, 0, 255], [85, 0, 255], [170, 0, 255], [255, 0, 255], [255, 0, 170], [255, 0, 85],
    ],
    dtype=np.int32,
)  # fmt: skip
COLOUR_TOLERANCE = 41
"""Per channel; two joint colours are 85 apart in one channel."""

NOSE_DEPTH = 0.55
"""How far the nose tip stands before the eyes, in eye distances: what its shift tells about the turn."""
NECK_BELOW_EYES = 2.8
"""From the eyes to the base of the neck, in eye distances, of an adult looking straight ahead."""
LEAN = 0.75
"""How far the head may stand beside the neck, in eye distances."""
HEAD_ROOM = 1.08
"""A head is drawn a little larger than the bare joints say:
portraits flatter by it, and eyes of skeletons stand close."""
SHOULDER_HALF = 2.3
"""From the neck to a shoulder joint, in eye distances."""
FACE_WIDTHS = 2.15
"""The breadth of a face in eye distances."""
MAX_YAW_DEG = 32.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Where head and shoulders go, in pixels of the picture. "Left" and "right" are the picture's sides."""

    eyes: Point
    """Midpoint between the eyes."""
    eye_distance: float
    """Between the pupils if the head looked straight at the camera."""
    roll_deg: float
    """Head tilt, positive clockwise in the picture."""
    yaw_deg: float
    """Head turn, positive towards the picture's right."""
    neck: Point
    left_shoulder: Point
    right_shoulder: Point
    left_arm: tuple[Point | None, Point | None] = (None, None)
    """Elbow and wrist on the picture's left, where the pose shows them."""
    right_arm: tuple[Point | None, Point | None] = (None, None)


def read_joints(skeleton: Picture) -> tuple[Point | None, ...]:
    """Find the 18 joints in a skeleton picture.

    Returns:
        One point (pixels of the skeleton picture) a joint, None where its colour is not there.
    """
    lively = (skeleton.max(axis=2) > 200) & (skeleton.min(axis=2) < 60)
    rows, columns = np.nonzero(lively)
    colours = skeleton[rows, columns].astype(np.int32)
    joints: list[Point | None] = []
    for wanted in JOINT_COLOURS:
        hit = (np.abs(colours - wanted) <= COLOUR_TOLERANCE).all(axis=1)
        if int(hit.sum()) < 3:
            joints.append(None)
            continue
        joints.append((float(np.median(columns[hit])), float(np.median(rows[hit]))))
    return tuple(joints)


def fitted(
    joints: tuple[Point | None, ...], source: tuple[int, int], target: tuple[int, int]
) -> tuple[Point | None, ...]:
    """Carry joints from a control map to a picture as "Crop and Resize" does: cover, then cut the middle.

    Args:
        joints: points in the map.
        source: (width, height) of the map.
        target: (width, height) of the picture.
    """
    scale = max(target[0] / source[0], target[1] / source[1])
    left = (target[0] - source[0] * scale) / 2
    top = (target[1] - source[1] * scale) / 2
    return tuple(
        None if joint is None else (joint[0] * scale + left, joint[1] * scale + top) for joint in joints
    )


def default_pose(width: int, height: int) -> Pose:
    """Return a centred head-and-shoulders pose: the face about 40 % of the width, eyes in the upper third."""
    distance = min(width * 0.4, height * 0.3) / FACE_WIDTHS
    middle, eyes = width / 2, height * 0.40
    neck = eyes + NECK_BELOW_EYES * distance
    half = SHOULDER_HALF * distance
    shoulder = neck + 0.35 * distance
    return Pose(
        eyes=(middle, eyes),
        eye_distance=distance,
        roll_deg=0.0,
        yaw_deg=0.0,
        neck=(middle, neck),
        left_shoulder=(middle - half, shoulder),
        right_shoulder=(middle + half, shoulder),
    )


def pose_from_skeleton(skeleton: Picture, width: int, height: int) -> Pose | None:
    """Work out the pose a skeleton picture shows, or None when it shows no head.

    Args:
        skeleton: the control map, any size.
        width: of the picture to draw, px.
        height: of the picture to draw, px.
    """
    found = read_joints(skeleton)
    joints = fitted(found, (skeleton.shape[1], skeleton.shape[0]), (width, height))
    nose, neck = joints[NOSE], joints[NECK]
    if nose is None or (neck is None and (joints[R_EYE] is None or joints[L_EYE] is None)):
        return None
    yaw = _yaw(joints, nose)
    distance = _eye_distance(joints, nose, yaw)
    eyes, roll = _eyes(joints, nose, distance, yaw)
    return _with_body(joints, eyes, distance, roll, yaw)


def _apart(first: Point, second: Point) -> float:
    return math.hypot(second[0] - first[0], second[1] - first[1])


def _middle(first: Point, second: Point) -> Point:
    return (first[0] + second[0]) / 2, (first[1] + second[1]) / 2


def yaw_from_points(left_eye: Point, right_eye: Point, nose: Point) -> float:
    """Estimate the turn of a head in degrees from the nose's shift between the eyes."""
    span = max(_apart(left_eye, right_eye), 1e-6)
    axis = ((right_eye[0] - left_eye[0]) / span, (right_eye[1] - left_eye[1]) / span)
    middle = _middle(left_eye, right_eye)
    shift = (nose[0] - middle[0]) * axis[0] + (nose[1] - middle[1]) * axis[1]
    return math.degrees(math.atan2(shift, NOSE_DEPTH * span))


def _yaw(joints: tuple[Point | None, ...], nose: Point) -> float:
    right, left = joints[R_EYE], joints[L_EYE]
    if right is not None and left is not None:
        yaw = yaw_from_points(right, left, nose)
    elif right is None and left is None:
        yaw = 0.0
    else:
        yaw = MAX_YAW_DEG if left is None else -MAX_YAW_DEG
    return max(-MAX_YAW_DEG, min(MAX_YAW_DEG, yaw))


def _eye_distance(joints: tuple[Point | None, ...], nose: Point, yaw: float) -> float:
    """Return the head's size; hand-drawn skeletons disagree with themselves,
    so eyes and neck both have a say."""
    says: list[tuple[float, float]] = []
    right, left, neck = joints[R_EYE], joints[L_EYE], joints[NECK]
    if right is not None and left is not None:
        says.append((_apart(right, left) / math.cos(math.radians(yaw)) * HEAD_ROOM, 3.0))
    if neck is not None:
        says.append((abs(neck[1] - nose[1]) / (NECK_BELOW_EYES - 0.6) * HEAD_ROOM, 1.5))
    total = sum(weight for _, weight in says)
    return math.exp(sum(math.log(max(size, 2.0)) * weight for size, weight in says) / total)


def _eyes(joints: tuple[Point | None, ...], nose: Point, distance: float, yaw: float) -> tuple[Point, float]:
    right, left = joints[R_EYE], joints[L_EYE]
    if right is not None and left is not None:
        roll = math.degrees(math.atan2(left[1] - right[1], left[0] - right[0]))
        return _middle(right, left), max(-25.0, min(25.0, roll))
    shift = NOSE_DEPTH * math.sin(math.radians(yaw))
    return (nose[0] - shift * distance, nose[1] - 0.6 * distance), 0.0


def _with_body(
    joints: tuple[Point | None, ...], eyes: Point, distance: float, roll: float, yaw: float
) -> Pose:
    chin = eyes[1] + 1.8 * distance
    neck = joints[NECK] or (eyes[0], eyes[1] + NECK_BELOW_EYES * distance)
    # Heads are never drawn in full profile, so they cannot stand as far before the neck as a profile's does.
    reach = LEAN * distance
    eyes = (min(max(eyes[0], neck[0] - reach), neck[0] + reach), eyes[1])
    low, high = chin + 0.72 * distance, chin + 1.0 * distance
    drop = min(max(neck[1], low), high) - neck[1]
    half = SHOULDER_HALF * distance
    left = joints[R_SHOULDER] or (neck[0] - half, neck[1] + 0.3 * distance)
    right = joints[L_SHOULDER] or (neck[0] + half, neck[1] + 0.3 * distance)
    return Pose(
        eyes=eyes,
        eye_distance=distance,
        roll_deg=roll,
        yaw_deg=yaw,
        neck=(neck[0], neck[1] + drop),
        left_shoulder=(left[0], left[1] + drop),
        right_shoulder=(right[0], right[1] + drop),
        left_arm=(joints[R_ELBOW], joints[R_WRIST]),
        right_arm=(joints[L_ELBOW], joints[L_WRIST]),
    )
