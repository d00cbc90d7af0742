"""Reads a generation request into all its job needs; what the server refuses is refused in its words."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

from . import adetailer, arguments, controlnet, infotext, samplers, usdu
from .entries import extra_entries
from .errors import ApiError, Crash
from .limits import check_counts, check_size, whole
from .loras import LoraUse
from .pictures import decode_base64, to_rgb
from .render import Picture
from .state import Sandbox

_SEEDS = 4294967294


@dataclass(slots=True)
class GenerationPlan:
    """A request, resolved. Built inside the job, since what is loaded and set may change while it waits."""

    tab: str
    body: dict[str, Any]
    """The validated request, styles and infotext applied."""
    prompt: str
    negative_prompt: str
    seed: int
    subseed: int
    width: int
    height: int
    """As requested; pictures are floored to multiples of 8."""
    steps: int
    sampling: samplers.Sampling
    batch_size: int
    n_iter: int
    styles: list[str]
    loras: tuple[LoraUse, ...]
    detail: adetailer.Plan
    control: controlnet.Applied
    upscale: usdu.Upscale | None = None
    init: tuple[Picture, ...] = ()
    mask: Picture | None = None
    hires: tuple[int, int] | None = None
    denoising_strength: float | None = None
    entries: dict[str, Any] = field(default_factory=dict)
    """`extra_generation_params`."""

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of what is answered."""
        if self.upscale is not None:
            return self.upscale.width, self.upscale.height
        if self.detail.skip_img2img:
            return int(self.init[0].shape[1]), int(self.init[0].shape[0])
        if self.hires is not None:
            return self.hires
        return self.width // 8 * 8, self.height // 8 * 8

    @property
    def info_size(self) -> tuple[int, int]:
        """What `info` says: the request's numbers, or 128x128 with skip_img2img (recorded: p08b)."""
        if self.upscale is not None:
            return self.upscale.width, self.upscale.height
        return (128, 128) if self.detail.skip_img2img else (self.width, self.height)


def make_plan(
    sandbox: Sandbox,
    tab: str,
    body: dict[str, Any],
    calls: arguments.ScriptCalls,
    init: tuple[Picture, ...] = (),
    mask: Picture | None = None,
) -> GenerationPlan:
    """Resolve a request.

    Args:
        sandbox: the server.
        tab: `txt2img` or `img2img`.
        body: the validated request, its `infotext` applied.
        calls: what it asks the scripts to do.
        init: its init images.
        mask: its mask.

    Raises:
        Crash: whatever the server would trip over.
    """
    _check_prompts(sandbox, body)
    if tab == "img2img" and not init:
        raise _no_init(sandbox)
    prompt, negative, styles = _styled(sandbox, body)
    upscale = _upscale(sandbox, calls, body, init)
    width, height = whole(body, "width"), whole(body, "height")
    check_size(upscale.width if upscale else width, upscale.height if upscale else height)
    check_counts(body)
    _check_refiner(sandbox, body)
    detail = _detail_plan(sandbox, calls, tab)
    plan = GenerationPlan(
        tab=tab,
        body=body,
        prompt=prompt,
        negative_prompt=negative,
        seed=_seed(body.get("seed")),
        subseed=_seed(body.get("subseed")),
        width=width,
        height=height,
        steps=1 if detail.skip_img2img else whole(body, "steps"),
        sampling=_sampling(sandbox, body, detail),
        batch_size=whole(body, "batch_size"),
        n_iter=whole(body, "n_iter"),
        styles=styles,
        loras=sandbox.loras.used_by(prompt) if not body.get("disable_extra_networks") else (),
        detail=detail,
        control=controlnet.Applied({}),
        upscale=upscale,
        init=init,
        mask=mask,
        hires=_hires(sandbox, body) if tab == "txt2img" else None,
        denoising_strength=body.get("denoising_strength"),
    )
    plan.control = _control(sandbox, calls, plan)
    plan.entries = extra_entries(sandbox, plan)
    return plan


def read_init_images(tab: str, body: dict[str, Any]) -> tuple[Picture, ...]:
    """Decode the init images of an img2img request.

    Raises:
        ApiError: one cannot be read.
        Crash: one is no text.
    """
    if tab != "img2img":
        return ()
    images = []
    for item in body.get("init_images") or ():
        if not isinstance(item, str):
            raise Crash("AttributeError", f"'{type(item).__name__}' object has no attribute 'startswith'")
        images.append(to_rgb(decode_base64(item)))
    return tuple(images)


def _no_init(sandbox: Sandbox) -> Crash:
    if sandbox.flavour == "a1111":
        return Crash(
            "RuntimeError",
            "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [0]",
        )
    return Crash("IndexError", "Dimension out of range (expected to be in range of [-1, 0], but got 1)")


def _check_prompts(sandbox: Sandbox, body: dict[str, Any]) -> None:
    if body.get("infotext") and sandbox.flavour == "forge":
        raise Crash("TypeError", "isinstance() argument 2 cannot be a parameterized generic")
    if body.get("prompt") is None or body.get("negative_prompt") is None:
        raise Crash("AssertionError", "")


def _check_refiner(sandbox: Sandbox, body: dict[str, Any]) -> None:
    name = body.get("refiner_checkpoint")
    if name and name != "None" and sandbox.checkpoint(name) is None:
        raise Crash("Exception", f"Could not find checkpoint with name {name}")


def _seed(value: Any) -> int:
    """-1 and nothing at all draw one; every other number stands (recorded: e03q)."""
    return random.randrange(_SEEDS) if value is None or int(value) == -1 else int(value)


def _sampling(sandbox: Sandbox, body: dict[str, Any], detail: adetailer.Plan) -> samplers.Sampling:
    if detail.skip_img2img:
        return samplers.resolve(sandbox.catalogue, "Euler", None)
    name = body.get("sampler_name") or body.get("sampler_index")
    return samplers.resolve(sandbox.catalogue, name, body.get("scheduler"))


def _styled(sandbox: Sandbox, body: dict[str, Any]) -> tuple[str, str, list[str]]:
    """Merge styles into the prompts; an unknown one is ignored."""
    prompt, negative = str(body["prompt"]), str(body["negative_prompt"])
    known = {style["name"]: style for style in sandbox.catalogue.answer("/sdapi/v1/prompt-styles") or ()}
    styles = [str(name) for name in body.get("styles") or ()]
    for name in styles:
        style = known.get(name)
        if style is not None:
            prompt = _merged(prompt, style["prompt"] or "")
            negative = _merged(negative, style["negative_prompt"] or "")
    return prompt, negative, styles


def _merged(text: str, style: str) -> str:
    if "{prompt}" in style:
        return style.replace("{prompt}", text)
    return ", ".join(part for part in (text.strip(), style.strip()) if part)


def _detail_plan(sandbox: Sandbox, calls: arguments.ScriptCalls, tab: str) -> adetailer.Plan:
    schema = sandbox.catalogue.answer("/adetailer/v1/schema")
    if "adetailer" not in calls.alwayson or schema is None:
        return adetailer.Plan()
    return adetailer.plan(calls.alwayson["adetailer"], schema, img2img=tab == "img2img")


def _upscale(
    sandbox: Sandbox, calls: arguments.ScriptCalls, body: dict[str, Any], init: tuple[Picture, ...]
) -> usdu.Upscale | None:
    if calls.selected != usdu.NAME:
        return None
    names = sandbox.catalogue.names("/sdapi/v1/upscalers")
    size = (int(init[0].shape[1]), int(init[0].shape[0]))
    return usdu.read(calls.selected_args, names, size, (whole(body, "width"), whole(body, "height")))


def _control(sandbox: Sandbox, calls: arguments.ScriptCalls, plan: GenerationPlan) -> controlnet.Applied:
    args = calls.alwayson.get("controlnet", ())
    init = plan.init[0] if plan.init else None
    applied = controlnet.apply(
        sandbox.catalogue,
        args,
        (plan.width // 8 * 8, plan.height // 8 * 8),
        init,
        real_pose=sandbox.catalogue.portrait,
    )
    maps = applied.maps
    if plan.upscale is not None:
        maps = ()  # never returned (recorded: p09)
    elif sandbox.flavour == "forge" and maps:
        maps = _forge_maps(plan, maps)
    return controlnet.Applied(applied.entries, applied.controls, maps)


def _forge_maps(plan: GenerationPlan, maps: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Forge appends a map again for a hires pass and for each picture ADetailer works on (g01, p11j)."""
    again: list[Picture] = []
    if plan.hires is not None:
        again += [controlnet.fit(item, *plan.hires) for item in maps]
    if plan.detail.enabled:
        again += list(maps) * plan.batch_size * plan.n_iter
    return (*maps, *again)


def _hires(sandbox: Sandbox, body: dict[str, Any]) -> tuple[int, int] | None:
    if not body.get("enable_hr"):
        return None
    name = body.get("hr_upscaler")
    known = {
        *sandbox.catalogue.names("/sdapi/v1/upscalers"),
        *sandbox.catalogue.names("/sdapi/v1/latent-upscale-modes"),
    }
    if name is not None and name not in known:
        raise Crash("Exception", f"could not find upscaler named {name}")
    if sandbox.flavour == "forge" and body.get("hr_additional_modules") is None:
        raise Crash("TypeError", "argument of type 'NoneType' is not iterable")
    if body.get("denoising_strength") is None:
        raise Crash("TypeError", "'>' not supported between instances of 'NoneType' and 'int'")
    width, height = int(body.get("hr_resize_x") or 0), int(body.get("hr_resize_y") or 0)
    if not width and not height:
        scale = float(body.get("hr_scale") or 2.0)
        width, height = math.floor(int(body["width"]) * scale), math.floor(int(body["height"]) * scale)
    width = width or int(body["width"]) * height // int(body["height"])
    height = height or int(body["height"]) * width // int(body["width"])
    check_size(width, height)
    return width // 8 * 8, height // 8 * 8


_FROM_INFOTEXT = {
    "Prompt": "prompt",
    "Negative prompt": "negative_prompt",
    "Steps": "steps",
    "Sampler": "sampler_name",
    "Schedule type": "scheduler",
    "CFG scale": "cfg_scale",
    "Seed": "seed",
    "Size-1": "width",
    "Size-2": "height",
    "Denoising strength": "denoising_strength",
    "Hires checkpoint": "hr_checkpoint_name",
    "Hires sampler": "hr_sampler_name",
    "Hires schedule type": "hr_scheduler",
}


def with_infotext(body: dict[str, Any], given: frozenset[str]) -> dict[str, Any]:
    """Fill what the request left out from its `infotext` field (recorded: e10g)."""
    if not body.get("infotext"):
        return body
    values = infotext.DEFAULTS | infotext.parse(str(body["infotext"]))
    merged = {**body, "override_settings": body.get("override_settings") or {}}
    for name, key in _FROM_INFOTEXT.items():
        if key not in given and name in values:
            old = body.get(key)
            try:
                merged[key] = type(old)(values[name]) if isinstance(old, int | float) else values[name]
            except ValueError as error:
                raise ApiError(500, "Invalid infotext") from error
    return merged
