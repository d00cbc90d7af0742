"""The profile recipe's requests in SD.Next's own API (docs: SD.Next is another API).

txt2img and img2img go to the routes of that name with A1111's field names; ADetailer units become the
built-in detailer's fields; a request with ControlNet goes to /sdapi/v1/control, which takes its size, its
pictures and its batches under other names. What SD.Next would silently do by half is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _resolve as resolve
from .._checks import nearest_sides
from .._expect import Expectation, LoraLoaded, PictureCount, PictureSize, Reported, StylesApplied
from .._loras import lora_tags
from .._prepare import PATHS, Prepared
from ..capabilities import Capabilities, Problem, refuse, unknown
from ..needs import NO_TILES
from ..types.generation import GenerationRequest, Img2ImgRequest, Txt2ImgRequest
from ..units import ADetailer, Context, ControlNet, Script, Unit
from . import sdnext_units
from .sdnext_expect import ControlNetUsed, DetailerListed, ModelUsed, PictureFormat, SamplerUsed

CONTROL_PATH = "/sdapi/v1/control"
EXPLICIT = ("steps", "cfg_scale", "width", "height")
"""Sent always: SD.Next's own values for left-out fields differ (1024x1024, 20 steps, guidance 6)."""
CONTROL_FIELDS = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "seed": "seed",
    "subseed": "subseed",
    "steps": "steps",
    "cfg_scale": "cfg_scale",
    "sampler_name": "sampler_name",
    "denoising_strength": "denoising_strength",
    "batch_size": "batch_size",
    "n_iter": "batch_count",
    "width": "width_before",
    "height": "height_before",
    "send_images": "send_images",
}
"""Our field -> /control's. There `width` and `height` are ignored (recorded: c02g_width_height)."""


def prepare(
    endpoint: str,
    request: GenerationRequest,
    units: Sequence[Unit],
    script: Script | None,
    caps: Capabilities,
) -> Prepared:
    """Turn a request into what SD.Next needs; see `sdwebui_client._prepare.prepare`.

    Raises:
        CapabilityMissing: Anything SD.Next would refuse, ignore or do by half.
    """
    detailers = [unit for unit in units if isinstance(unit, ADetailer)]
    controls = [unit for unit in units if isinstance(unit, ControlNet)]
    context = Context(endpoint, _init_image(request))
    problems = _problems(request, script, caps, context)
    problems += [_no_script(unit) for unit in units if not isinstance(unit, ADetailer | ControlNet)]
    problems += sdnext_units.detailer_problems(detailers, caps)
    problems += sdnext_units.control_problems(controls, caps, context)
    if controls:
        problems += _control_field_problems(request)
    refuse(dict.fromkeys(problems), doing=f"{endpoint} (SD.Next)")
    payload = _control_payload(request, controls, caps) if controls else _payload(request)
    payload.update(sdnext_units.detailer_fields(detailers, caps))
    pictures = request.batch_size * request.n_iter if request.send_images else 0
    return Prepared(
        payload=payload,
        path=CONTROL_PATH if controls else PATHS[endpoint],
        expectations=tuple(_expectations(request, detailers, controls, caps, pictures)),
        endpoint=endpoint,
        pictures=pictures,
    )


def _init_image(request: GenerationRequest) -> Any:
    return request.init_images[0] if isinstance(request, Img2ImgRequest) else None


def _no_script(unit: Unit) -> Problem:
    return Problem(
        unit.script_name, "SD.Next answers 422 to always-on scripts of that kind", fix="leave it out"
    )


def _problems(
    request: GenerationRequest, script: Script | None, caps: Capabilities, context: Context
) -> list[Problem]:
    found: list[Any] = []
    if script is not None or request.script_name:
        name = script.script_name if script is not None else request.script_name
        detail = f'"{name}" is not run: SD.Next answers 200 with a plain picture, or with none'
        found.append(Problem("script", detail, fix=NO_TILES))
    for name in request.alwayson_scripts:
        detail = "SD.Next does not take A1111's always-on scripts"
        found.append(Problem(f"alwayson_scripts.{name}", detail, fix="give it as units="))
    if request.sampler_name is not None:
        found.append(resolve.sampler(caps, request.sampler_name))
    if request.scheduler is not None and _sigma(request.scheduler) is None:
        fix = "leave it out; some samplers carry their schedule"
        found.append(
            Problem("scheduler", f'"{request.scheduler}" has no known counterpart', ("Karras",), fix)
        )
    found += resolve.prompt_problems(caps, request.prompt, request.negative_prompt)
    found += [unknown("style", name, caps.styles) for name in request.styles or () if name not in caps.styles]
    found += _override_problems(request, caps)
    found += _field_problems(request, caps, context)
    return [item for item in found if isinstance(item, Problem)]


def _sigma(scheduler: str) -> str | None:
    """SD.Next ignores `scheduler` and takes `schedulers_sigma` (recorded: e01h, e01j)."""
    return {"karras": "karras", "automatic": ""}.get(scheduler.casefold())


def _override_problems(request: GenerationRequest, caps: Capabilities) -> list[Any]:
    found: list[Any] = []
    for key, value in (request.override_settings or {}).items():
        if key == "sd_model_checkpoint":
            found.append(resolve.checkpoint(caps, "" if value is None else str(value)))
        else:
            found.append(
                Problem(f"override_settings.{key}", "SD.Next ignores it", fix="set it with set_options")
            )
    return found


def _field_problems(request: GenerationRequest, caps: Capabilities, context: Context) -> list[Problem]:
    known = caps.fields(context.endpoint)
    found = [
        Problem(name, "SD.Next has no such field and would ignore it", fix="leave it out")
        for name in sorted(request.model_fields_set - known - {"scheduler", "override_settings"})
        if known and getattr(request, name) is not None
    ]
    if isinstance(request, Txt2ImgRequest) and request.enable_hr:
        found.append(Problem("enable_hr", "hires fix works differently here and was not measured"))
    if context.init_image is None:
        return found
    if "resize_mode" in request.model_fields_set:
        found.append(Problem("resize_mode", "means something else here", fix="resize the picture first"))
    for name, side in zip(("width", "height"), context.init_image.size, strict=True):
        asked = getattr(request, name)
        if name in request.model_fields_set and asked != side:
            detail = f"img2img keeps the init image's {side}, not {asked}"
            found.append(Problem(name, detail, fix="resize the picture first"))
        elif side % 8:
            detail = f"the init image's {side} pixels are no multiple of 8"
            found.append(Problem(name, detail, nearest_sides(side), "resize the picture first"))
    return found


def _control_field_problems(request: GenerationRequest) -> list[Problem]:
    known = {*CONTROL_FIELDS, "init_images", "scheduler", "override_settings"}
    found = [
        Problem(name, "is not known to work together with ControlNet on SD.Next", fix="leave it out")
        for name in sorted(request.model_fields_set - known)
        if getattr(request, name) is not None
    ]
    if isinstance(request, Img2ImgRequest) and len(request.init_images) > 1:
        found.append(Problem("init_images", "only one goes together with ControlNet"))
    return found


def _common(request: GenerationRequest) -> dict[str, Any]:
    payload = request.payload()
    for name in (*EXPLICIT, *(("denoising_strength",) if isinstance(request, Img2ImgRequest) else ())):
        payload.setdefault(name, getattr(request, name))
    init = _init_image(request)
    if init is not None:
        payload["width"], payload["height"] = init.size
    payload.pop("scheduler", None)
    if request.scheduler is not None and (sigma := _sigma(request.scheduler)):
        payload["schedulers_sigma"] = sigma
    return payload


def _payload(request: GenerationRequest) -> dict[str, Any]:
    return _common(request)


def _control_payload(
    request: GenerationRequest, controls: Sequence[ControlNet], caps: Capabilities
) -> dict[str, Any]:
    common = _common(request)
    payload = {theirs: common[ours] for ours, theirs in CONTROL_FIELDS.items() if ours in common}
    for name in ("schedulers_sigma", "override_settings"):
        if name in common:
            payload[name] = common[name]
    # Without it /control answers 500 "unexpected keyword argument 'xyz'" (recorded: p05t, h04).
    payload["xyz"] = {}
    init = _init_image(request)
    if init is not None:
        payload["init_control"] = [init]
        payload["input_type"] = 2
    payload["control"] = [sdnext_units.control_unit(unit, caps) for unit in controls]
    return payload


def _expectations(
    request: GenerationRequest,
    detailers: Sequence[ADetailer],
    controls: Sequence[ControlNet],
    caps: Capabilities,
    pictures: int,
) -> list[Expectation]:
    found: list[Expectation] = []
    init = _init_image(request)
    size = init.size if init is not None else (request.width, request.height)
    if pictures:
        found += [PictureCount(pictures), PictureSize((size,)), PictureFormat()]
    if request.sampler_name is not None:
        found.append(SamplerUsed(request.sampler_name))
    if request.scheduler is not None and (sigma := _sigma(request.scheduler)):
        accepted = frozenset({sigma})
        absent: Any = "unverified" if controls else "missing"
        found.append(Reported("scheduler", "Sampler sigma", accepted, where="infotext", absent=absent))
    checkpoint = (request.override_settings or {}).get("sd_model_checkpoint")
    if checkpoint is not None:
        found.append(ModelUsed(str(checkpoint)))
    if request.styles:
        found.append(StylesApplied(tuple(request.styles), request.prompt, request.negative_prompt))
    tags = {tag.name: tag for tag in lora_tags(request.prompt)}.values()
    found += [LoraLoaded(tag.name, tag.weight, key="LoRA networks") for tag in tags]
    found += [
        DetailerListed(index, sdnext_units.detector(unit.model, caps)) for index, unit in enumerate(detailers)
    ]
    found += [
        ControlNetUsed(index, sdnext_units.control_model(unit, caps), unit.module.casefold() == "none")
        for index, unit in enumerate(controls)
    ]
    return found
