"""The pose is read back from the skeleton picture, whoever drew it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from prompt_library import load_library
from prompt_library.skeleton import draw_skeleton, place
from sdwebui_client.sandbox.render.pose import (
    JOINT_COLOURS,
    default_pose,
    fitted,
    pose_from_skeleton,
    read_joints,
    yaw_from_points,
)

POSES = load_library().poses


@pytest.mark.parametrize("name", sorted(POSES))
@pytest.mark.parametrize("size", [(512, 768), (832, 1216), (640, 640)])
def test_joints_come_back_where_they_were_drawn(name: str, size: tuple[int, int]) -> None:
    drawn = place(POSES[name], *size)
    found = read_joints(np.asarray(draw_skeleton(POSES[name], *size)))
    for wanted, got in zip(drawn, found, strict=True):
        if wanted is None:
            assert got is None
        elif got is not None:
            assert math.dist(wanted, got) < size[0] / 100
    # One joint may hide another; not more than one does.
    assert sum(w is not None and g is None for w, g in zip(drawn, found, strict=True)) <= 1


def test_a_blurred_and_shrunk_skeleton_is_still_read() -> None:
    skeleton = np.asarray(draw_skeleton(POSES["front"], 768, 1152))
    small = cv2.resize(cv2.GaussianBlur(skeleton, (0, 0), 0.8), (512, 768), interpolation=cv2.INTER_AREA)
    pose = pose_from_skeleton(small, 512, 768)
    assert pose is not None
    assert pose.eyes[0] == pytest.approx(256, abs=4)
    assert pose.yaw_deg == pytest.approx(0, abs=3)


def test_turned_and_tilted_heads_are_seen() -> None:
    def read(name: str) -> tuple[float, float]:
        pose = pose_from_skeleton(np.asarray(draw_skeleton(POSES[name], 512, 768)), 512, 768)
        assert pose is not None
        return pose.yaw_deg, pose.roll_deg

    assert read("three_quarter_left")[0] < -12
    assert read("three_quarter_right")[0] > 12
    assert read("head_tilt")[1] > 4
    assert read("front") == pytest.approx((0, 0), abs=2)


def test_a_control_map_of_another_shape_is_cropped_and_resized() -> None:
    assert fitted(((50.0, 50.0), None), (100, 100), (200, 400)) == ((100.0, 200.0), None)
    assert fitted(((0.0, 0.0),), (100, 100), (200, 400)) == ((-100.0, 0.0),)


@pytest.mark.parametrize("picture", ["black", "noise", "white"])
def test_a_picture_that_is_no_skeleton_gives_no_pose(picture: str) -> None:
    pixels = np.zeros((128, 96, 3), np.uint8)
    if picture == "white":
        pixels[:] = 255
    if picture == "noise":
        pixels[:] = np.random.default_rng(0).integers(90, 160, pixels.shape)
    assert pose_from_skeleton(pixels, 96, 128) is None


def test_nose_and_neck_are_enough() -> None:
    pixels = np.zeros((300, 200, 3), np.uint8)
    for joint, at in ((0, (100, 100)), (1, (100, 180))):
        cv2.circle(pixels, at, 4, [int(channel) for channel in JOINT_COLOURS[joint]], -1)
    pose = pose_from_skeleton(pixels, 200, 300)
    assert pose is not None
    assert pose.eyes[1] < 100 < pose.neck[1]
    assert pose.left_shoulder[0] < 100 < pose.right_shoulder[0]


def test_yaw_follows_the_nose() -> None:
    assert yaw_from_points((0, 0), (10, 0), (5, 6)) == 0
    assert yaw_from_points((0, 0), (10, 0), (7, 6)) > 10
    assert yaw_from_points((0, 0), (10, 0), (3, 6)) < -10


@pytest.mark.parametrize("size", [(512, 768), (1024, 512), (64, 64)])
def test_the_usual_pose_lies_inside_the_picture(size: tuple[int, int]) -> None:
    pose = default_pose(*size)
    crown, chin = pose.eyes[1] - 2.1 * pose.eye_distance, pose.eyes[1] + 1.8 * pose.eye_distance
    assert crown > 0
    assert chin < size[1]
    assert pose.left_shoulder[0] < pose.neck[0] < pose.right_shoulder[0]
