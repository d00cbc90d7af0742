"""What is wrong with a request's own fields on this server, before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _resolve as resolve
from ._near import near
from .capabilities import Capabilities, Problem, unknown
from .flavours import rules_for
from .types.generation import GenerationRequest, Img2ImgRequest, Txt2ImgRequest
from .units import Context, UltimateSDUpscale
from .units.generic import TYPED, alwayson_problems

SAME = frozenset({"", "None", "Use same sampler", "Use same scheduler", "Use same checkpoint"})
# Recorded (p19): the server keeps these for everybody when they are not yet in its config.json.
STICKY = ("samples_format", "return_grid")


def field_problems(request: GenerationRequest, caps: Capabilities, context: Context) -> list[Problem]:
    """Return every problem of the fields, units and script left aside."""
    found: list[Any] = []
    if request.sampler_name is not None:
        found.append(resolve.sampler(caps, request.sampler_name))
    if request.scheduler is not None:
        found.append(resolve.scheduler(caps, request.scheduler))
    found += resolve.prompt_problems(caps, request.prompt, request.negative_prompt)
    if request.disable_extra_networks and "<lora:" in request.prompt:
        found.append(Problem("lora", "disable_extra_networks makes the server ignore the tags of the prompt"))
    found += [unknown("style", name, caps.styles) for name in request.styles or () if name not in caps.styles]
    found += _unknown_fields(request, caps, context.endpoint)
    found += _refiner_problems(request, caps)
    found += override_problems(request.override_settings or {}, caps)
    found += _raw_script_problems(request, caps, context.endpoint)
    if request.infotext is not None and not rules_for(caps.flavour).infotext_field_works:
        found.append(
            Problem(
                "infotext", f"{rules_for(caps.flavour).title} answers 500", fix="send the fields themselves"
            )
        )
    if isinstance(request, Txt2ImgRequest) and request.enable_hr:
        found += _hires_problems(request, caps)
    if isinstance(request, Img2ImgRequest):
        found += _init_problems(request)
    return [item for item in found if isinstance(item, Problem)]


def _unknown_fields(request: GenerationRequest, caps: Capabilities, endpoint: str) -> list[Problem]:
    known = caps.fields(endpoint)
    if not known:
        return []
    title = rules_for(caps.flavour).title
    return [
        Problem(name, f"{title} has no such field and would ignore it", fix="leave it out")
        for name in sorted(request.model_fields_set - known)
        # None says nothing, so nothing is lost.
        if getattr(request, name) is not None
    ]


def _refiner_problems(request: GenerationRequest, caps: Capabilities) -> list[Any]:
    if request.refiner_checkpoint in (None, *SAME):
        return []
    found: list[Any] = [resolve.checkpoint(caps, str(request.refiner_checkpoint), what="refiner_checkpoint")]
    if request.refiner_switch_at is None:
        found.append(
            Problem(
                "refiner_switch_at", "is not set, so the refiner would not run", fix="set it, such as 0.8"
            )
        )
    return found


def _hires_problems(request: Txt2ImgRequest, caps: Capabilities) -> list[Any]:
    found: list[Any] = []
    if request.hr_upscaler is not None:
        found.append(resolve.hires_upscaler(caps, request.hr_upscaler))
    if request.hr_sampler_name not in (None, *SAME):
        found.append(resolve.sampler(caps, str(request.hr_sampler_name), what="hr_sampler_name"))
    if request.hr_scheduler not in (None, *SAME):
        found.append(resolve.scheduler(caps, str(request.hr_scheduler), what="hr_scheduler"))
    if request.hr_checkpoint_name not in (None, *SAME):
        found.append(resolve.checkpoint(caps, str(request.hr_checkpoint_name), what="hr_checkpoint_name"))
    found += resolve.prompt_problems(caps, request.hr_prompt, request.hr_negative_prompt, where="hr_prompt ")
    for side, value in zip(("width", "height"), hires_size(request), strict=True):
        if value % 8:
            what = f"{side} after hires fix"
            found.append(
                Problem(
                    what,
                    f"{value} is no multiple of 8",
                    nearest_sides(value),
                    "set hr_resize_x and hr_resize_y",
                )
            )
    return found


def hires_size(request: Txt2ImgRequest) -> tuple[int, int]:
    """Return (width, height) after hires fix, pixels (modules/processing.py
    calculate_target_resolution@v1.10.1)."""
    if not request.hr_resize_x and not request.hr_resize_y:
        return int(request.width * request.hr_scale), int(request.height * request.hr_scale)
    if not request.hr_resize_y:
        return request.hr_resize_x, request.hr_resize_x * request.height // request.width
    if not request.hr_resize_x:
        return request.hr_resize_y * request.width // request.height, request.hr_resize_y
    return request.hr_resize_x, request.hr_resize_y


def nearest_sides(value: int) -> tuple[str, ...]:
    """Return the multiples of 8 below and above, at least 8."""
    low = max(8, value // 8 * 8)
    return (str(low), str(low + 8)) if value > 8 else ("8",)


def _init_problems(request: Img2ImgRequest) -> list[Problem]:
    found = []
    count = len(request.init_images)
    if count not in (1, request.batch_size):
        found.append(
            Problem(
                "init_images",
                f"{count} pictures for a batch of {request.batch_size}",
                fix="send one, or one each",
            )
        )
    taken = request.init_images[0].size
    for name, side in zip(("width", "height"), taken, strict=True):
        if name not in request.model_fields_set and side % 8:
            detail = f"the init image's {side} pixels are no multiple of 8"
            found.append(Problem(name, detail, nearest_sides(side), f"resize the picture or set {name}"))
    return found


def override_problems(settings: Mapping[str, Any], caps: Capabilities) -> list[Problem]:
    """Return what is wrong with override_settings: keys that fail, names that would be ignored, settings
    that would stick."""
    rules = rules_for(caps.flavour)
    found: list[Any] = []
    for key, value in settings.items():
        if caps.option_keys and key not in caps.option_keys:
            found.append(
                Problem(
                    f"override_settings.{key}",
                    "no such setting: the server answers 500",
                    near(key, caps.option_keys),
                )
            )
        elif key in STICKY and caps.options.get(key) != value:
            fix = "set it once with set_options"
            found.append(
                Problem(f"override_settings.{key}", "the server would keep it for everybody", fix=fix)
            )
        elif key == "sd_model_checkpoint":
            found.append(resolve.checkpoint(caps, "" if value is None else str(value)))
        elif key == "sd_vae":
            found.append(_vae_problem(str(value), caps))
        elif key == "forge_additional_modules" and rules.vae_setting == key:
            found += _module_problems(value, caps)
    return [item for item in found if isinstance(item, Problem)]


def _vae_problem(value: str, caps: Capabilities) -> Problem | None:
    rules = rules_for(caps.flavour)
    if rules.vae_setting != "sd_vae":
        fix = f'use override_settings["{rules.vae_setting}"] = ["{value}"]'
        return Problem("sd_vae", f"{rules.title} ignores it", near(value, caps.modules), fix)
    if value in (*caps.vaes, "Automatic", "None"):
        return None
    return unknown("sd_vae", value, caps.vaes, fix="copy the file into models/VAE and refresh")


def _module_problems(value: Any, caps: Capabilities) -> list[Problem]:
    if not isinstance(value, list):
        return [Problem("forge_additional_modules", "must be a list of file names")]
    # A full path works as well (recorded: g03_ov_forge_modules_path), so the file name is what counts.
    names = [str(item).replace("\\", "/").rpartition("/")[2] for item in value]
    return [
        unknown("forge_additional_modules", name, caps.modules) for name in names if name not in caps.modules
    ]


def _raw_script_problems(request: GenerationRequest, caps: Capabilities, endpoint: str) -> list[Any]:
    found: list[Any] = []
    for name, body in request.alwayson_scripts.items():
        found += alwayson_problems(caps, name, endpoint)
        if name.lower() in TYPED:
            fix = f"give it as units=[{TYPED[name.lower()]}(…)]"
            found.append(
                Problem(
                    f"alwayson_scripts.{name}",
                    "raw arguments fail silently when anything is wrong with them",
                    fix=fix,
                )
            )
        elif not (isinstance(body, dict) and isinstance(body.get("args"), list)):
            found.append(
                Problem(f"alwayson_scripts.{name}", 'is not {"args": […]}, so the server would ignore it')
            )
    if request.script_name and request.script_name.lower() == UltimateSDUpscale.SCRIPT.lower():
        found.append(
            Problem(
                "script_name", "its 18 arguments go by position", fix="give it as script=UltimateSDUpscale(…)"
            )
        )
    elif request.script_name:
        found.append(resolve.script(caps, endpoint, request.script_name))
    elif request.script_args:
        found.append(Problem("script_args", "without script_name the server ignores them"))
    return found
