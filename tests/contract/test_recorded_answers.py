"""Every recorded good answer can be read by the method that asks for it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from sdwebui_client import EncodedImage, WebUI
from sdwebui_client.errors import EffectMissing
from sdwebui_client.images import EncodedImage as Picture
from tests.recorded import FLAVOURS, Recording, recordings

URL = "http://gpu:7860"
PIXEL = Picture.from_base64(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ARGUMENTS: dict[str, dict[str, Any]] = {
    "set_options": {"options": {"samples_format": "png"}},
    "png_info": {"image": PIXEL},
    "interrogate": {"image": PIXEL},
    "extra_single_image": {"image": PIXEL},
    "extra_batch_images": {"imageList": [{"data": PIXEL, "name": "a.png"}, {"data": PIXEL, "name": "b.png"}]},
    "controlnet_detect": {"controlnet_input_images": [PIXEL]},
    "controlnet_render_openpose_json": {"poses": [{"people": [], "canvas_width": 8, "canvas_height": 8}]},
    "internal_progress": {"task_id": "task(x)"},
}
GENERATIONS = {"txt2img", "img2img"}
METHODS = {
    method.__route__: name
    for name, method in inspect.getmembers(WebUI, inspect.isfunction)
    if hasattr(method, "__route__")
}


def cases() -> Iterator[Any]:
    for flavour in FLAVOURS:
        for name, case in recordings(flavour).items():
            if not case.is_exchange or case.raw["response"].get("status", 999) >= 300:
                continue
            method = METHODS.get((case.method, case.path.split("?")[0]))
            if method and method not in GENERATIONS:
                yield pytest.param(method, case, id=f"{flavour}-{name}")


def with_pictures(body: Any) -> str:
    """The recording's `<base64 …>` stand-ins as a real, if tiny, picture."""
    return re.sub(r'"<base64[^"]*>"', f'"{PIXEL.to_base64()}"', json.dumps(body))


@pytest.mark.parametrize(("method", "case"), list(cases()))
def test_recorded_answer(method: str, case: Recording) -> None:
    body = b"" if case.status == 204 else with_pictures(case.body).encode()
    with responses.RequestsMock() as wire:
        wire.add(case.method, URL + case.path.split("?")[0], body=body, status=case.status)
        with WebUI(URL) as webui:
            if case.body == {"caption": "<error>"}:
                with pytest.raises(EffectMissing):
                    getattr(webui, method)(**ARGUMENTS[method])
                return
            answer = getattr(webui, method)(**ARGUMENTS.get(method, {}))
    if method.startswith(("extra_", "controlnet_detect", "controlnet_render")):
        pictures = [answer.image] if hasattr(answer, "image") else answer.images
        assert all(isinstance(picture, EncodedImage) for picture in pictures)
    if isinstance(case.body, list):
        assert len(answer) == len(case.body)


def test_the_recordings_exercise_nearly_every_method() -> None:
    exercised = {param.values[0] for param in cases()}
    silent = set(METHODS.values()) - exercised - GENERATIONS
    # Never recorded with a good answer: the two end the server, reload is only on Forge with a body.
    assert silent <= {"server_kill", "server_restart"}
