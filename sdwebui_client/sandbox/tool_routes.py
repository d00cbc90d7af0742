"""Extras (upscaling), png-info, interrogate, and the routes that stop the server."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from starlette.responses import PlainTextResponse, Response

from . import infotext
from .errors import ApiError, Crash
from .limits import check_size
from .pictures import decode_base64, encode, read_infotext, to_rgb
from .render import Picture
from .state import Sandbox
from .web import Call, Routes


def add(routes: Routes, sandbox: Sandbox) -> None:
    """Add the routes."""
    routes.post("/sdapi/v1/extra-single-image", extra_single)
    routes.post("/sdapi/v1/extra-batch-images", extra_batch)
    routes.post("/sdapi/v1/png-info", png_info)
    routes.post("/sdapi/v1/interrogate", interrogate)
    if sandbox.settings.server_stop:
        routes.post("/sdapi/v1/server-stop", server_stop)
        routes.post("/sdapi/v1/server-restart", server_restart)
        routes.post("/sdapi/v1/server-kill", server_restart)


async def extra_single(call: Call) -> dict[str, Any]:
    """Upscale one picture."""
    body = await call.body("ExtrasSingleImageRequest")
    picture = to_rgb(decode_base64(body.get("image") or ""))
    call.sandbox.generations["extra-single-image"] += 1
    return dict(await call.queued(lambda: _extra_single(call.sandbox, body, picture)))


def _extra_single(sandbox: Sandbox, body: dict[str, Any], picture: Picture) -> dict[str, Any]:
    result = _upscaled(sandbox, body, picture)
    return {"html_info": _html_info(body), "image": _encoded(sandbox, result)}


async def extra_batch(call: Call) -> dict[str, Any]:
    """Upscale several pictures alike."""
    body = await call.body("ExtrasBatchImagesRequest")
    pictures = [
        to_rgb(decode_base64(str((item or {}).get("data", "")))) for item in body.get("imageList") or ()
    ]
    call.sandbox.generations["extra-batch-images"] += 1
    return dict(await call.queued(lambda: _extra_batch(call.sandbox, body, pictures)))


def _extra_batch(sandbox: Sandbox, body: dict[str, Any], pictures: list[Picture]) -> dict[str, Any]:
    results = [_upscaled(sandbox, body, picture) for picture in pictures]
    return {"html_info": _html_info(body), "images": [_encoded(sandbox, result) for result in results]}


def _encoded(sandbox: Sandbox, picture: Picture) -> str:
    return encode(picture, None, image_format=str(sandbox.options.get("samples_format") or "png"))


def _upscaled(sandbox: Sandbox, body: dict[str, Any], picture: Picture) -> Picture:
    """Resize by Lanczos whatever the upscaler is called; there are no upscaling networks here."""
    first, second = body.get("upscaler_1") or "None", body.get("upscaler_2") or "None"
    known = sandbox.catalogue.names("/sdapi/v1/upscalers")
    for name in (first, second):
        if name not in known:
            raise Crash("AssertionError", f"could not find upscaler named {name}")
    if first == "None":
        return picture
    height, width = picture.shape[:2]
    width, height = _extras_size(body, width, height)
    check_size(width, height)
    method = cv2.INTER_NEAREST if first == "Nearest" else cv2.INTER_LANCZOS4
    if width < picture.shape[1]:
        method = cv2.INTER_AREA
    resized = np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.uint8)
    return _cropped(body, resized)


def _extras_size(body: dict[str, Any], width: int, height: int) -> tuple[int, int]:
    """By a factor, or so that the picture covers the asked size (recorded: p15d)."""
    if body.get("resize_mode") != 1:
        factor = float(body.get("upscaling_resize") or 1.0)
        return int(width * factor), int(height * factor)
    factor = max(int(body["upscaling_resize_w"]) / width, int(body["upscaling_resize_h"]) / height)
    return round(width * factor), round(height * factor)


def _cropped(body: dict[str, Any], picture: Picture) -> Picture:
    if body.get("resize_mode") != 1 or not body.get("upscaling_crop"):
        return picture
    width, height = int(body["upscaling_resize_w"]), int(body["upscaling_resize_h"])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[max(top, 0) : max(top, 0) + height, max(left, 0) : max(left, 0) + width].copy()


def _html_info(body: dict[str, Any]) -> str:
    entries: dict[str, Any] = {}
    first, second = body.get("upscaler_1") or "None", body.get("upscaler_2") or "None"
    if first != "None":
        if body.get("resize_mode") == 1:
            entries["Postprocess upscale to"] = f"{body['upscaling_resize_w']}x{body['upscaling_resize_h']}"
        else:
            entries["Postprocess upscale by"] = body.get("upscaling_resize")
        entries["Postprocess upscaler"] = first
        if second != "None":
            entries["Postprocess upscaler 2"] = second
    if body.get("gfpgan_visibility"):
        entries["GFPGAN visibility"] = body["gfpgan_visibility"]
    if body.get("codeformer_visibility"):
        entries["CodeFormer visibility"] = body["codeformer_visibility"]
        entries["CodeFormer weight"] = body.get("codeformer_weight")
    return f"<p>{', '.join(f'{name}: {value}' for name, value in entries.items())}</p>"


async def png_info(call: Call) -> dict[str, Any]:
    """Read the generation parameters out of a picture."""
    body = await call.body("PNGInfoRequest")
    image = decode_base64(str(body["image"]).strip())
    text = read_infotext(image)
    values = infotext.parse(text)
    defaults = infotext.DEFAULTS
    if call.sandbox.flavour == "forge":
        defaults = {**defaults, "Hires VAE/TE": ["Use same choices"]}
        values.pop("Model", None)  # recorded: only its hash is given
    return {"info": text, "items": {}, "parameters": {**defaults, **values}}


async def interrogate(call: Call) -> dict[str, str]:
    """Fails as recorded: the captioning weights are not there."""
    body = await call.body("InterrogateRequest")
    if body.get("image") is None:
        raise ApiError(404, "Image not found")
    decode_base64(str(body["image"]))
    if body.get("model") == "clip":
        return {"caption": "<error>"}
    if body.get("model") == "deepdanbooru":
        raise Crash("IndexError", "list index out of range")
    raise ApiError(404, "Model not found")


async def server_stop(call: Call) -> Response:
    """End the server's process; a sandbox inside another program only stops serving."""
    call.sandbox.stop_soon()
    return PlainTextResponse("Stopping.")


async def server_restart(call: Call) -> Response:
    """Restart: gone for a moment, back with an empty queue."""
    call.sandbox.restart(0.5)
    return PlainTextResponse("Restarting.")
