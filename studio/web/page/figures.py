"""Poses as small drawings: a calm figure made from the same keypoints that steer the picture."""

from __future__ import annotations

from functools import cache

from markupsafe import Markup

from prompt_library import KEYPOINTS, Pose, load_library
from prompt_library.skeleton import place

WIDTH, HEIGHT = 80, 104
"""Size of the drawing's own coordinates; the page scales it."""
_ARMS = (("right_shoulder", "right_elbow", "right_wrist"), ("left_shoulder", "left_elbow", "left_wrist"))
Point = tuple[float, float]
Points = dict[str, Point]


@cache
def pose_figure(name: str) -> Markup:
    """The pose as an SVG that takes its colours from the page; nothing of it is typed by a user."""
    points = _points(load_library().poses[name])
    arms = [_arm(points, arm) for arm in _ARMS]
    parts = Markup("").join([_body(points), _neck(points), _head(points), *arms])
    return Markup('<svg class="figure" viewBox="4 10 72 90" aria-hidden="true">{}</svg>').format(parts)


def _points(pose: Pose) -> Points:
    placed = place(pose, WIDTH, HEIGHT)
    return {name: point for name, point in zip(KEYPOINTS, placed, strict=True) if point is not None}


def _skull(points: Points) -> tuple[float, float, float]:
    """Middle and half width of the head. The neck's keypoint lies between the shoulders, below the chin."""
    nose, neck = points["nose"], points["neck"]
    radius = max(7.5, (neck[1] - nose[1]) * 0.62)
    return (nose[0] * 3 + neck[0]) / 4, nose[1] - radius * 0.14, radius


def _head(points: Points) -> Markup:
    if "nose" not in points or "neck" not in points:
        return Markup("")
    x, y, radius = _skull(points)
    nose = points["nose"]
    face = Markup('<ellipse class="face" cx="{:.1f}" cy="{:.1f}" rx="{:.1f}" ry="{:.1f}"/>').format(
        x, y, radius, radius * 1.3
    )
    # The hair lies behind where the nose does not point.
    turned = (nose[0] - x) * 0.9
    hair = Markup(
        '<path class="hair" d="M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}'
        'Q{:.1f} {:.1f} {:.1f} {:.1f}Z"/>'
    ).format(
        x - radius * 1.1, y - radius * 0.05,
        x - radius * 1.15, y - radius * 1.95, x + radius * 1.15, y - radius * 1.95,
        x + radius * 1.1, y - radius * 0.05,
        x + turned, y - radius * 1.3, x - radius * 1.1, y - radius * 0.05,
    )  # fmt: skip
    eyes = [points[name] for name in ("right_eye", "left_eye") if name in points]
    dots = [
        Markup('<circle class="eye" cx="{:.1f}" cy="{:.1f}" r="1.15"/>').format(dot[0], nose[1] - 2.2)
        for dot in eyes
    ]
    mouth = Markup('<path class="mouth" d="M{:.1f} {:.1f}q2.4 1.7 4.8 0"/>').format(
        nose[0] - 2.4, nose[1] + radius * 0.48
    )
    return face + hair + Markup("").join(dots) + mouth


def _neck(points: Points) -> Markup:
    if "nose" not in points or "neck" not in points:
        return Markup("")
    x, y, radius = _skull(points)
    neck = points["neck"]
    return Markup('<path class="neck" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(
        x, y + radius, neck[0], neck[1] + 2
    )


def _body(points: Points) -> Markup:
    right, left, neck = (points.get(name) for name in ("right_shoulder", "left_shoulder", "neck"))
    if neck is None or (right is None and left is None):
        return Markup("")
    # In profile one shoulder is hidden: it lies behind the neck.
    right, left = right or (neck[0] - 5, neck[1] + 2), left or (neck[0] + 5, neck[1] + 2)
    low_right = points.get("right_hip") or (right[0] + 4, HEIGHT + 6.0)
    low_left = points.get("left_hip") or (left[0] - 4, HEIGHT + 6.0)
    corners = [right, (neck[0], neck[1] - 1), left, low_left, low_right]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners) + "Z"
    return Markup('<path class="body" d="{}"/>').format(path)


def _arm(points: Points, arm: tuple[str, ...]) -> Markup:
    joints = [points[name] for name in arm if name in points]
    if len(joints) < 2:
        return Markup("")
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in joints)
    hand = points.get(arm[2])
    shown = Markup('<path class="edge" d="{}"/><path class="arm" d="{}"/>').format(path, path)
    if hand is not None:
        shown += Markup('<circle class="hand" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(*hand)
    return shown
