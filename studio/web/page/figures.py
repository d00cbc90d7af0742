"""Poses as small drawings: a calm figure made from the same keypoints that steer the picture."""

from __future__ import annotations

from functools import cache

from markupsafe import Markup

from prompt_library import Pose, load_library
from prompt_library.skeleton import place

WIDTH, HEIGHT = 80, 104
"""Size of the drawing's own coordinates; the page scales it."""
_LIMBS = (
    ("right_shoulder", "right_elbow", "right_wrist"),
    ("left_shoulder", "left_elbow", "left_wrist"),
)
Point = tuple[float, float]


@cache
def pose_figure(name: str) -> Markup:
    """The pose as an SVG in the colour of the text around it; nothing of it is typed by a user."""
    points = _points(load_library().poses[name])
    parts = [_body(points), *(_arm(points, limb) for limb in _LIMBS), _head(points), _gaze(points)]
    return Markup('<svg class="figure" viewBox="0 0 {} {}" aria-hidden="true">{}</svg>').format(  # noqa: S704  constants
        WIDTH, HEIGHT, Markup("").join(part for part in parts if part)
    )


def _points(pose: Pose) -> dict[str, Point]:
    from prompt_library import KEYPOINTS

    placed = place(pose, WIDTH, HEIGHT)
    return {name: point for name, point in zip(KEYPOINTS, placed, strict=True) if point is not None}


def _head(points: dict[str, Point]) -> Markup:
    nose, neck = points.get("nose"), points.get("neck")
    if nose is None or neck is None:
        return Markup("")
    radius = max(7.0, (neck[1] - nose[1]) * 0.62)
    return Markup('<ellipse class="head" cx="{:.1f}" cy="{:.1f}" rx="{:.1f}" ry="{:.1f}"/>').format(
        (nose[0] * 2 + neck[0]) / 3, nose[1] - radius * 0.12, radius * 0.82, radius * 1.08
    )


def _gaze(points: dict[str, Point]) -> Markup:
    """Eyes and nose tell where the face looks."""
    dots = [points[name] for name in ("right_eye", "left_eye") if name in points]
    marks = [Markup('<circle class="gaze" cx="{:.1f}" cy="{:.1f}" r="1.3"/>').format(*dot) for dot in dots]
    nose = points.get("nose")
    if nose is not None:
        marks.append(
            Markup('<path class="gaze-line" d="M{:.1f} {:.1f}v3.4"/>').format(nose[0], nose[1] - 2.6)
        )
    return Markup("").join(marks)


def _body(points: dict[str, Point]) -> Markup:
    right, left, neck = (points.get(name) for name in ("right_shoulder", "left_shoulder", "neck"))
    if right is None or left is None or neck is None:
        return Markup("")
    hips = [points.get(name) for name in ("right_hip", "left_hip")]
    low_right = hips[0] or (right[0] + 3, HEIGHT + 4.0)
    low_left = hips[1] or (left[0] - 3, HEIGHT + 4.0)
    return Markup(
        '<path class="body" d="M{:.1f} {:.1f}Q{:.1f} {:.1f} {:.1f} {:.1f}'
        'Q{:.1f} {:.1f} {:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}Z"/>'
    ).format(
        *right, (right[0] + neck[0]) / 2, neck[1] + 2, neck[0], neck[1] - 4,
        (left[0] + neck[0]) / 2, neck[1] + 2, *left, *low_left, *low_right,
    )  # fmt: skip


def _arm(points: dict[str, Point], limb: tuple[str, ...]) -> Markup:
    joints = [points[name] for name in limb if name in points]
    if len(joints) < 2:
        return Markup("")
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in joints)
    return Markup('<path class="arm" d="{}"/>').format(path)
