"""SD.Next's API, recorded at 058a7f0c: other routes, other words, other silences."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.responses import JSONResponse, Response

from . import catalogue_routes, progress_routes
from .errors import ApiError, Complaint, Crash, Invalid
from .pictures import decode_base64, preview_png, read_infotext, to_rgb
from .plan import read_init_images
from .sdnext_job import ControlUnit, SdNextJob
from .state import Sandbox
from .web import Call, Handler, Routes

_SCHEMAS = {
    "txt2img": "StableDiffusionProcessingTxt2Img",
    "img2img": "StableDiffusionProcessingImg2Img",
    "control": "StableDiffusionProcessingTxt2Img",
}
"""/control's own schema is not in the recorded document; what it shares with txt2img is checked."""
_CONTROL_ONLY: dict[str, Any] = {
    "batch_count": 1,
    "control": None,
    "height_before": 0,
    "init_control": None,
    "input_type": 0,
    "width_before": 0,
}
_OWN = ("/sdapi/v1/options", "/sdapi/v1/sd-models", "/sdapi/v1/checkpoint", "/sdapi/v1/schedulers")


def add(routes: Routes, sandbox: Sandbox) -> None:
    """Add the routes."""
    for path in sandbox.catalogue.answers:
        if "?" not in path and path not in _OWN:
            routes.get(path, catalogue_routes.listing(path))
    routes.get("/sdapi/v1/options", catalogue_routes.get_options)
    routes.post("/sdapi/v1/options", set_options)
    routes.get("/sdapi/v1/sd-models", sd_models)
    routes.get("/sdapi/v1/checkpoint", get_checkpoint)
    routes.post("/sdapi/v1/checkpoint", set_checkpoint)
    routes.get("/sdapi/v1/schedulers", schedulers)
    routes.get("/sdapi/v1/loras", catalogue_routes.loras)
    routes.post("/sdapi/v1/refresh-loras", refresh_loras)
    for name in ("refresh-checkpoints", "refresh-vae", "unload-checkpoint", "reload-checkpoint"):
        routes.post(f"/sdapi/v1/{name}", _silent(_nothing))
    routes.post("/sdapi/v1/interrupt", _silent(progress_routes.interrupt))
    routes.post("/sdapi/v1/skip", _silent(progress_routes.skip))
    routes.get("/sdapi/v1/progress", progress)
    routes.get("/sdapi/v1/status", status)
    for tab in _SCHEMAS:
        routes.post(f"/sdapi/v1/{tab}", _generation(tab))
    routes.post("/sdapi/v1/png-info", png_info)
    routes.post("/sdapi/v1/extra-single-image", extra_single)


async def _nothing(call: Call) -> None:
    await call.queued(lambda: None)


def _silent(handler: Handler) -> Handler:
    """204 without a body."""

    async def silent(call: Call) -> Response:
        await handler(call)
        return Response(status_code=204)

    return silent


async def set_options(call: Call) -> dict[str, Any]:
    """Set options; unknown ones are reported false, a missing checkpoint unloads the model (p13d)."""
    values = call.validator.validate_object(await call.json())
    sandbox = call.sandbox
    updated = []
    for key, value in values.items():
        known = key in sandbox.options or key in ("sd_model_checkpoint", "samples_format")
        if known:
            sandbox.options.saved[key] = value
        if key == "sd_model_checkpoint":
            sandbox.loaded = sandbox.checkpoint(value)
        updated.append({key: known})
    return {"updated": updated}


async def sd_models(call: Call) -> list[dict[str, Any]]:
    """The checkpoints: folders of the diffusers kind, without hashes."""
    return [
        {
            "title": item.model_name,
            "model_name": item.model_name,
            "type": "diffusers",
            "hash": None,
            "sha256": None,
            "filename": item.filename,
            "config": None,
        }
        for item in call.sandbox.catalogue.checkpoints
    ]


async def get_checkpoint(call: Call) -> dict[str, Any]:
    """What is loaded."""
    loaded = call.sandbox.loaded
    if loaded is None:
        return {"type": None, "class": None}
    recorded = dict(call.sandbox.catalogue.answer("/sdapi/v1/checkpoint"))
    names = {"checkpoint": loaded.filename, "title": loaded.model_name, "name": loaded.model_name}
    return {**recorded, **names, "filename": loaded.filename}


async def set_checkpoint(call: Call) -> dict[str, Any]:
    """Load a checkpoint, given in the query."""
    found = call.sandbox.checkpoint(call.query.get("sd_model_checkpoint"))
    call.sandbox.loaded = found
    if found is None:
        return {"ok": False}
    call.sandbox.options.saved["sd_model_checkpoint"] = found.model_name
    return {"ok": True}


async def schedulers(call: Call) -> Response:
    """A defect of that commit: 500, with the list in its body."""
    catalogue = call.sandbox.catalogue
    return JSONResponse(catalogue.answer("/sdapi/v1/schedulers"), catalogue.statuses["/sdapi/v1/schedulers"])


async def refresh_loras(call: Call) -> dict[str, Any]:
    """Look at the LoRA folder again; the list comes back by name."""
    await asyncio.to_thread(call.sandbox.loras.refresh)
    return {
        file.name: {
            "name": file.name,
            "alias": file.alias,
            "fullname": file.name,
            "filename": str(file.path),
            "metadata": file.metadata,
            "is_safetensors": True,
            "hash": file.model_hash,
            "shorthash": file.model_hash[:8],
            "sd_version": "sd1",
        }
        for file in call.sandbox.loras.files
    }


async def progress(call: Call) -> dict[str, Any]:
    """How far the running step of a job is; it falls back to 0 with every step (recorded: j01)."""
    now = call.sandbox.progress
    state = now.state()
    del state["stopping_generation"]
    fraction = round(now.fraction(), 2)
    elapsed = time.monotonic() - now.started
    answer = {
        "id": call.sandbox.tasks.current or "",
        "progress": fraction,
        "eta_relative": 0.0,
        "state": state,
    }
    if fraction > 0:
        answer["eta_relative"] = round(elapsed / fraction - elapsed, 2)
    make = now.preview
    skipped = call.query.get("skip_current_image", "").lower() in ("true", "1")
    image = None if make is None or skipped else preview_png(await asyncio.to_thread(make))
    return {**answer, "current_image": image, "textinfo": now.textinfo}


async def status(call: Call) -> dict[str, Any]:
    """The same in SD.Next's own words."""
    sandbox, now = call.sandbox, call.sandbox.progress
    running = bool(now.job)
    return {
        "status": "running" if running else "idle",
        "task": "generate" if running else "",
        "current": now.job,
        "id": sandbox.tasks.current or "",
        "job": now.job_no,
        "jobs": max(now.job_count, 0),
        "total": sum(sandbox.generations.values()),
        "timestamp": now.job_timestamp if running else None,
        "step": now.sampling_step,
        "steps": now.sampling_steps,
        "queued": len(sandbox.tasks.pending),
        "uptime": round(time.monotonic() - sandbox.started),
        "elapsed": round(time.monotonic() - now.started, 2) if running else 0.0,
        "eta": None,
        "progress": round(now.fraction(), 2),
    }


async def png_info(call: Call) -> dict[str, Any]:
    """Read the infotext of a picture."""
    body = await call.body("ReqImageInfo")
    text = read_infotext(decode_base64(str(body["image"])))
    return {"info": text, "items": {"parameters": text} if text else {}, "parameters": {}}


async def extra_single(_call: Call) -> None:
    """A defect of that commit."""
    raise Crash("ValidationError", "1 validation error for ResProcessImage\nhtml_info")


def _generation(tab: str) -> Handler:
    async def generate(call: Call) -> Any:
        return await _generate(call, tab)

    return generate


async def _generate(call: Call, tab: str) -> Any:
    sandbox = call.sandbox
    raw = await call.json()
    checked = (
        {k: v for k, v in raw.items() if k != "xyz"} if tab == "control" and isinstance(raw, dict) else raw
    )
    body = call.validator.validate(checked, _SCHEMAS[tab])
    if tab == "img2img" and body.get("init_images") is None:
        return JSONResponse({"error": "Init image is none"}, 400)
    _check_scripts(sandbox, tab, body)
    samplers = {entry["name"].lower() for entry in sandbox.catalogue.answer("/sdapi/v1/samplers")}
    sampler = raw.get("sampler_name")
    if sampler and str(sampler).lower() not in samplers | {"default"} and tab != "control":
        raise ApiError(404, "Sampler not found")
    if tab == "control":
        _check_control(raw)
        body |= {key: raw.get(key, default) for key, default in _CONTROL_ONLY.items()}
    else:
        _check_body(body)
    if body.get("mask"):
        decode_base64(str(body["mask"]))
    init = read_init_images(tab, {"init_images": [item for item in body.get("init_images") or () if item]})
    units: tuple[ControlUnit, ...] = ()
    if tab == "control":
        init = tuple(to_rgb(decode_base64(item)) for item in body.get("init_control") or ())
        units = _units(sandbox, body)
    sandbox.generations[tab] += 1
    job = SdNextJob(sandbox, tab, body, init, units, call.request.scope["state"].get("fault"))
    return await call.queued(job.run)


def _check_body(body: dict[str, Any]) -> None:
    if body.get("prompt") is None:
        raise Crash("AssertionError", "")
    if body.get("seed") is None:
        text = "int() argument must be a string, a bytes-like object or a real number, not 'NoneType'"
        raise Crash("TypeError", text)
    if min(int(body.get("batch_size") or 0), int(body.get("n_iter") or 0)) < 1:
        raise Crash("IndexError", "list index out of range")


def _check_control(raw: dict[str, Any]) -> None:
    """Two defects of that commit: pictures cannot be sent as text, and `xyz` must be there (h01, h02)."""
    for key in ("inputs", "inits"):
        if raw.get(key):
            loc = ("body", key, 0)
            message = "Input should be an instance of Image"
            raise Invalid(
                Complaint(loc, message, "is_instance_of", raw[key][0], {"class": "Image"}, url=False)
            )
    if "xyz" not in raw:
        raise Crash("TypeError", "control_run() got an unexpected keyword argument 'xyz'")


def _check_scripts(sandbox: Sandbox, tab: str, body: dict[str, Any]) -> None:
    names = {name.lower() for name in sandbox.catalogue.answer("/sdapi/v1/scripts").get(tab, ())}
    for name, entry in (body.get("alwayson_scripts") or {}).items():
        if entry is None:
            raise Crash("TypeError", "argument of type 'NoneType' is not iterable")
        if not isinstance(entry, dict):
            continue
        if str(name).lower() in names:
            raise ApiError(422, f"Selectable script cannot be in always on params: {name}")
        raise ApiError(422, f"Always on script not found: {name}")


def _units(sandbox: Sandbox, body: dict[str, Any]) -> tuple[ControlUnit, ...]:
    units = []
    for given in body.get("control") or ():
        override = given.get("override")
        # A unit without a picture takes the one of the request before (a defect of that commit; c20c).
        picture = to_rgb(decode_base64(override)) if isinstance(override, str) else sandbox.last_control
        sandbox.last_control = picture
        units.append(
            ControlUnit(
                process=str(given.get("process") or "None"),
                model=str(given.get("model") or "None"),
                strength=float(given.get("strength", 1.0)),
                start=float(given.get("start", 0.0)),
                end=float(given.get("end", 1.0)),
                picture=picture,
            )
        )
    return tuple(units)
