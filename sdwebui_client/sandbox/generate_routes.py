"""POST /sdapi/v1/txt2img and /img2img."""

from __future__ import annotations

import random
import string
from typing import Any

from . import arguments
from .errors import ApiError
from .generation import Job
from .pictures import decode_base64, to_rgb
from .web import Call, Routes

_SCHEMAS = {"txt2img": "StableDiffusionProcessingTxt2Img", "img2img": "StableDiffusionProcessingImg2Img"}


def add(routes: Routes) -> None:
    """Add the routes."""
    routes.post("/sdapi/v1/txt2img", txt2img)
    routes.post("/sdapi/v1/img2img", img2img)


async def txt2img(call: Call) -> Any:
    """Draw from text."""
    return await _generate(call, "txt2img")


async def img2img(call: Call) -> Any:
    """Draw from a picture."""
    return await _generate(call, "img2img")


async def _generate(call: Call, tab: str) -> Any:
    """The checks come in the server's order: what fails before the task id is announced leaves no trace."""
    sandbox = call.sandbox
    raw = await call.json()
    body = call.validator.validate(raw, _SCHEMAS[tab])
    given = frozenset(raw)
    if tab == "img2img" and body.get("init_images") is None:
        raise ApiError(404, "Init image not found")
    mask = to_rgb(decode_base64(body["mask"])) if body.get("mask") else None
    calls = arguments.resolve(sandbox.catalogue, tab, body)
    task_id = body.get("force_task_id") or _new_task_id(tab)
    sandbox.tasks.add(task_id)
    sandbox.generations[tab] += 1
    job = Job(sandbox, tab, body, given, calls, task_id, mask, call.request.scope["state"].get("fault"))
    return await call.queued(job.run)


def _new_task_id(tab: str) -> str:
    return f"task({tab}-{''.join(random.choices(string.ascii_uppercase + string.digits, k=7))})"
