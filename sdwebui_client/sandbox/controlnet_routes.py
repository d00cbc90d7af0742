"""POST /controlnet/detect and render_openpose_json; the lists are in `catalogue_routes`."""

from __future__ import annotations

from typing import Any

from . import controlnet, skeleton
from .errors import ApiError, Crash
from .limits import check_size
from .pictures import decode_base64, encode, to_rgb
from .state import Sandbox
from .web import Call, Routes

DETECT = "Body_detect_controlnet_detect_post"
MAX_CANVASES = 16


def add(routes: Routes, sandbox: Sandbox) -> None:
    """Add the routes where the extension is installed."""
    if not sandbox.catalogue.has("controlnet") or sandbox.flavour == "sdnext":
        return
    routes.post("/controlnet/detect", detect, extension=True)
    if sandbox.flavour == "a1111":
        routes.post("/controlnet/render_openpose_json", render_openpose_json, extension=True)


async def detect(call: Call) -> dict[str, Any]:
    """Run a preprocessor on pictures."""
    body = await call.body(DETECT)
    module = body["controlnet_module"]
    listing = call.sandbox.catalogue.answer("/controlnet/module_list")
    if module not in listing["module_list"] and module not in _shown_names(call.sandbox):
        raise ApiError(422, "Module not available")
    images = body["controlnet_input_images"]
    if not images:
        raise ApiError(422, "No image selected")
    pictures = [to_rgb(decode_base64(image)) for image in images]
    return dict(await call.queued(lambda: _detect(call.sandbox, body, pictures)))


def _shown_names(sandbox: Sandbox) -> set[str]:
    """The interface's names of the preprocessors, which A1111 takes as well."""
    listing = sandbox.catalogue.answer("/controlnet/module_list?alias_names=true") or {}
    return set(listing.get("module_list", ())) if sandbox.flavour == "a1111" else set()


def _detect(sandbox: Sandbox, body: dict[str, Any], pictures: list[Any]) -> dict[str, Any]:
    resolution = int(body["controlnet_processor_res"])
    low, high = float(body["controlnet_threshold_a"]), float(body["controlnet_threshold_b"])
    resolution = resolution if resolution > 0 else 512
    pose = sandbox.catalogue.portrait
    module = body["controlnet_module"]
    try:
        found = [
            controlnet.preprocess(module, item, resolution, low, high, real_pose=pose) for item in pictures
        ]
    except Crash as error:
        raise error if sandbox.flavour == "a1111" else Crash("ConnectionError", error.text) from error
    sandbox.generations["detect"] += len(found)
    return {"images": [encode(item, None) for item in found], "info": "Success"}


async def render_openpose_json(call: Call) -> dict[str, Any]:
    """Draw poses given as OpenPose JSON, a canvas each."""
    canvases = await call.json()
    if not isinstance(canvases, list) or not canvases or len(canvases) > MAX_CANVASES:
        return {"info": "No pose data detected."}
    images = []
    for canvas in canvases:
        width, height = int(canvas["canvas_width"]), int(canvas["canvas_height"])
        check_size(width, height)
        people = [_points(person.get("pose_keypoints_2d") or []) for person in canvas.get("people") or ()]
        images.append(encode(skeleton.draw(people, width, height), None))
    return {"images": images, "info": "Success"}


def _points(flat: list[float]) -> list[skeleton.Point]:
    """x, y, confidence by threes; a confidence of 0 is a point not seen."""
    points: list[skeleton.Point] = [
        (float(flat[i]), float(flat[i + 1])) if flat[i + 2] > 0 else None for i in range(0, len(flat) - 2, 3)
    ]
    return (points + [None] * 18)[:18]
