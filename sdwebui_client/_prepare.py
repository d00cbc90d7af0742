"""A request, its units and its script -> the payload this server needs
and the effects its answer must show. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import _resolve as resolve
from ._checks import SAME, field_problems, hires_size
from ._expect import Expectation, LoraLoaded, PictureCount, PictureSize, Reported, StylesApplied, Unverifiable
from ._loras import lora_tags
from .capabilities import Capabilities, Flavour, Problem, refuse
from .flavours import rules_for
from .types.generation import GenerationRequest, Img2ImgRequest, Txt2ImgRequest
from .units import ADetailer, Context, Script, UltimateSDUpscale, Unit
from .units.adetailer import any_skip

PATHS = {"txt2img": "/sdapi/v1/txt2img", "img2img": "/sdapi/v1/img2img"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to send where, and what to look for in the answer."""

    payload: dict[str, Any] = field(repr=False)
    """The JSON body; pictures in it are `EncodedImage`, which the transport turns into base64."""
    path: str
    """Where to POST it."""
    expectations: tuple[Expectation, ...]
    """Every effect the request asks for."""
    endpoint: str = "txt2img"
    """ "txt2img" or "img2img"."""
    pictures: int | None = 1
    """Pictures that must come back; None when a script decides."""
    final: int | None = None
    """Position of the picture that is the result when a script returns several on the way to it."""


def prepare(
    endpoint: str,
    request: GenerationRequest,
    units: Sequence[Unit],
    script: Script | None,
    caps: Capabilities,
) -> Prepared:
    """Turn a request into what this server needs.

    Args:
        endpoint: "txt2img" or "img2img".
        request: The typed request; only fields that were set are sent.
        units: Always-on units, in the order they run.
        script: The selectable script, at most one.
        caps: The server's capabilities.

    Returns:
        The payload, its path and what the answer must show.

    Raises:
        CapabilityMissing: Anything the server would refuse, ignore or replace; all of it at once.
    """
    if caps.flavour is Flavour.SDNEXT:
        from .flavours.sdnext_requests import prepare as prepare_sdnext

        return prepare_sdnext(endpoint, request, units, script, caps)
    context = make_context(endpoint, request, script)
    groups = group_units(units)
    refuse(_problems(request, groups, script, caps, context), doing=endpoint)
    return assemble(request, groups, script, caps, context)


def assemble(
    request: GenerationRequest,
    groups: dict[str, list[Unit]],
    script: Script | None,
    caps: Capabilities,
    context: Context,
) -> Prepared:
    """Return the payload and the expectations without asking whether the server can do it.

    Raises:
        ValueError: A script's arguments cannot be rendered for this server.
    """
    pictures = _picture_count(request, script)
    return Prepared(
        payload=_payload(request, groups, script, caps),
        path=PATHS[context.endpoint],
        expectations=tuple(_expectations(request, groups, script, caps, context, pictures)),
        endpoint=context.endpoint,
        pictures=pictures,
        final=1 if isinstance(script, UltimateSDUpscale) and pictures == 2 else None,
    )


def make_context(endpoint: str, request: GenerationRequest, script: Script | None) -> Context:
    """Return what units must know about the request they are part of."""
    return Context(
        endpoint=endpoint,
        init_image=request.init_images[0] if isinstance(request, Img2ImgRequest) else None,
        upscaling=isinstance(script, UltimateSDUpscale),
        main_loras=frozenset(tag.name for tag in lora_tags(request.prompt)),
    )


def group_units(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    """Return the units by script, order kept."""
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        groups.setdefault(unit.script_name, []).append(unit)
    return groups


def _problems(
    request: GenerationRequest,
    groups: dict[str, list[Unit]],
    script: Script | None,
    caps: Capabilities,
    context: Context,
) -> list[Problem]:
    found = field_problems(request, caps, context)
    for name, units in groups.items():
        for index, unit in enumerate(units):
            found += unit.problems(caps, context=context, index=index)
        found += type(units[0]).group_problems(units, caps, context=context)
        if name.lower() in {key.lower() for key in request.alwayson_scripts}:
            found.append(Problem(name, "is given both as a unit and in alwayson_scripts"))
    if script is not None:
        found += script.problems(caps, context=context)
        if request.script_name:
            found.append(Problem("script", "is given both as script= and in script_name"))
    if context.upscaling and request.batch_size * request.n_iter > 1:
        found.append(
            Problem(
                "batch_size, n_iter",
                "the tile upscale silently makes one picture only",
                fix="send them one by one",
            )
        )
    found += _skip_problems(request, groups, context)
    # A missing extension is one problem however many of its units are asked for.
    return list(dict.fromkeys(found))


def _skip_problems(
    request: GenerationRequest, groups: dict[str, list[Unit]], context: Context
) -> list[Problem]:
    if not _skips(groups) or context.init_image is None:
        return []
    asked = (request.width, request.height)
    own = context.init_image.size
    if {"width", "height"} & request.model_fields_set and asked != own:
        detail = f"skip_img2img keeps the picture's own {own[0]}x{own[1]}, not {asked[0]}x{asked[1]}"
        return [Problem("width, height", detail, fix="leave them out")]
    return []


def _skips(groups: dict[str, list[Unit]]) -> bool:
    return any(any_skip([unit for unit in units if isinstance(unit, ADetailer)]) for units in groups.values())


def _payload(
    request: GenerationRequest, groups: dict[str, list[Unit]], script: Script | None, caps: Capabilities
) -> dict[str, Any]:
    payload = request.payload()
    if isinstance(request, Img2ImgRequest):
        # Left out, the server draws 512x512 whatever the picture's size (recorded: p07c).
        width, height = request.init_images[0].size
        payload.setdefault("width", width)
        payload.setdefault("height", height)
    if rules_for(caps.flavour).hires_modules and payload.get("enable_hr"):
        # Without it Forge answers 500 "argument of type 'NoneType' is not iterable" (recorded: g01).
        payload.setdefault("hr_additional_modules", ["Use same choices"])
    if groups:
        scripts = dict(payload.get("alwayson_scripts") or {})
        for name, units in groups.items():
            scripts[name] = {"args": type(units[0]).script_args(units, caps)}
        payload["alwayson_scripts"] = scripts
    if script is not None:
        payload["script_name"] = script.script_name
        payload["script_args"] = script.render_args(caps)
    return payload


def _picture_count(request: GenerationRequest, script: Script | None) -> int | None:
    if not request.send_images:
        return 0
    count = request.batch_size * request.n_iter
    if script is not None:
        return script.pictures(count)
    # x/y/z plot and its like return as many as they please (recorded: e11b).
    return None if request.script_name else count


def _expectations(
    request: GenerationRequest,
    groups: dict[str, list[Unit]],
    script: Script | None,
    caps: Capabilities,
    context: Context,
    pictures: int | None,
) -> list[Expectation]:
    found: list[Expectation] = []
    if pictures:
        found.append(PictureCount(pictures))
    found += _model_expectations(request, caps)
    if request.infotext is not None:
        found.append(Unverifiable("infotext", "its settings replace fields of the request"))
    elif not _skips(groups):
        found += _sampling_expectations(request, caps)
    size = _size(request, context)
    if script is not None:
        found += script.expectations(caps, context=context, size=size)
    elif pictures and request.infotext is None:
        own = context.init_image.size if _skips(groups) and context.init_image else size
        found.append(PictureSize((own,)))
    hashes = caps.options.get("lora_add_hashes_to_infotext") is not False
    found += [LoraLoaded(tag.name, tag.weight, hashes) for tag in _unique_tags(request.prompt)]
    found += _other_expectations(request)
    for units in groups.values():
        for index, unit in enumerate(units):
            found += unit.expectations(caps, context=context, index=index, peers=units)
    found += [Unverifiable(name, "sent raw; no sign of it is known") for name in request.alwayson_scripts]
    return found


def _unique_tags(prompt: str) -> list[Any]:
    return list({tag.name: tag for tag in lora_tags(prompt)}.values())


def _size(request: GenerationRequest, context: Context) -> tuple[int, int]:
    if isinstance(request, Txt2ImgRequest) and request.enable_hr:
        return hires_size(request)
    width, height = request.width, request.height
    if context.init_image is not None:
        own = context.init_image.size
        width = width if "width" in request.model_fields_set else own[0]
        height = height if "height" in request.model_fields_set else own[1]
    return width, height


def _sampling_expectations(request: GenerationRequest, caps: Capabilities) -> list[Expectation]:
    found: list[Expectation] = []
    if request.sampler_name is not None:
        found.append(Reported("sampler", "sampler_name", frozenset({request.sampler_name})))
    if request.scheduler is not None:
        found_label = resolve.scheduler(caps, request.scheduler)
        label = request.scheduler if isinstance(found_label, Problem) else found_label
        # "Automatic" becomes the sampler's own schedule,
        # which is then what the infotext shows (recorded: e01i).
        if label.casefold() != "automatic":
            found.append(Reported("scheduler", "Schedule type", frozenset({label}), where="infotext"))
    return found


def _model_expectations(request: GenerationRequest, caps: Capabilities) -> list[Expectation]:
    found: list[Expectation] = []
    settings = request.override_settings or {}
    for key, value in settings.items():
        if key == "sd_model_checkpoint":
            found += _checkpoint_expectations(caps, str(value))
        elif key == "sd_vae" and value not in ("Automatic", "None"):
            found.append(Reported(f"VAE {value}", "sd_vae_name", frozenset({str(value)})))
        elif key == "forge_additional_modules":
            found += _module_expectations(value)
        elif key == "CLIP_stop_at_last_layers":
            accepted = frozenset({str(value), str(int(value))})
            if value != 1:
                found.append(Reported("CLIP skip", "Clip skip", accepted, where="infotext"))
        elif key not in ("sd_vae",):
            found.append(
                Unverifiable(
                    f"override_settings.{key}", "no sign of it is known; the server may keep it afterwards"
                )
            )
    return found


def _checkpoint_expectations(caps: Capabilities, text: str) -> list[Expectation]:
    entry = resolve.checkpoint(caps, text)
    if isinstance(entry, Problem):
        return [Reported("checkpoint", "sd_model_name", frozenset({text}))]
    found: list[Expectation] = [
        Reported("checkpoint", "sd_model_name", frozenset({entry.model_name, entry.stem}))
    ]
    if entry.hash:
        found.append(
            Reported("checkpoint hash", "sd_model_hash", frozenset({entry.hash}), absent="unverified")
        )
    return found


def _module_expectations(value: list[str]) -> list[Expectation]:
    found: list[Expectation] = []
    for number, item in enumerate(value, start=1):
        base = str(item).replace("\\", "/").rpartition("/")[2]
        accepted = frozenset({base, base.rpartition(".")[0]})
        found.append(Reported(f"module {base}", f"Module {number}", accepted, where="infotext"))
    return found


def _other_expectations(request: GenerationRequest) -> list[Expectation]:
    found: list[Expectation] = []
    if request.styles:
        found.append(StylesApplied(tuple(request.styles), request.prompt, request.negative_prompt))
    if request.restore_faces:
        found.append(
            Unverifiable(
                "restore_faces", "without the restorer's weights the picture stays as it is, silently"
            )
        )
    if request.refiner_checkpoint not in (None, *SAME):
        found.append(Unverifiable("refiner", "the answer does not say whether it took over"))
    if isinstance(request, Txt2ImgRequest) and request.enable_hr and request.hr_upscaler:
        accepted = frozenset({request.hr_upscaler})
        found.append(Reported("hires upscaler", "Hires upscaler", accepted, where="infotext"))
    return found
