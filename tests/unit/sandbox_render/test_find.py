"""Finding the face of an init image: the person's is found where it is, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from sdwebui_client.sandbox.render import ActiveLora, Scene, load_sandbox_lora, render
from sdwebui_client.sandbox.render.cutout import Cutout, cut_out
from sdwebui_client.sandbox.render.find import find_face
from sdwebui_client.sandbox.render.pose import default_pose

from .conftest import WriteLora


@pytest.fixture
def person(write_lora: WriteLora) -> Cutout:
    return cut_out(load_sandbox_lora(write_lora()))


@pytest.mark.parametrize("seed", range(6))
def test_the_persons_face_is_found_where_it_was_drawn(write_lora: WriteLora, seed: int) -> None:
    lora = write_lora()
    picture = render(Scene("txt2img", 512, 768, seed, "navy suit", loras=(ActiveLora(lora, 0.8),)))
    spot, pose = find_face(picture, cut_out(load_sandbox_lora(lora))), default_pose(512, 768)
    assert spot is not None
    assert (spot.x, spot.y) == pytest.approx(pose.eyes, abs=0.35 * pose.eye_distance)
    assert spot.eye_distance == pytest.approx(pose.eye_distance, rel=0.2)


@pytest.mark.parametrize("name", ["coffee", "chelsea", "brick", "grass", "moon", "coins", "text"])
def test_no_face_is_found_where_there_is_none(person: Cutout, name: str) -> None:
    pixels = getattr(data, name)()
    picture = np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels[:, :, :3]
    assert find_face(np.ascontiguousarray(picture), person) is None
