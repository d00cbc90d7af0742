"""What the three stages that draw have in common:
from resolved parameters to a request, from an answer to `Made`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sdwebui_client import (
    ADetailer,
    CancelToken,
    Capabilities,
    ControlNet,
    EncodedImage,
    GenerationResult,
    Img2ImgRequest,
    Progress,
    Txt2ImgRequest,
    UltimateSDUpscale,
    WebUI,
)
from sdwebui_client.flavours import rules_for

from ..engine import Made
from ..errors import StageError
from ..presets import ADetailerParams, ADetailerUnitParams, ControlNetParams, Preset
from ..provenance import summarise_request
from ..texts import Drawing, Texts

_CLIP_SKIP = "CLIP_stop_at_last_layers"
Pictures = Mapping[str, EncodedImage]
"""The pictures that go into a stage by their names: "skeleton", "image"."""


@dataclass(frozen=True)
class Job:
    """One request with its units, ready for a server."""

    endpoint: str
    """"txt2img" or "img2img"."""
    request: Txt2ImgRequest | Img2ImgRequest
    units: tuple[ADetailer | ControlNet, ...] = ()
    script: UltimateSDUpscale | None = None


def drawing_params(
    preset: Preset, stage: Drawing, texts: Texts, *, pose: str, tone: str | None, seed: int
) -> dict[str, Any]:
    """The parameters that every drawing stage has, resolved.

    Args:
        preset: The whole preset.
        stage: The stage's block in it.
        texts: Renders its prompts.
        pose: Name of the pose.
        tone: Name of the tone; None before there is one.
        seed: 0..2**32-1, drawn beforehand.
    """
    prompt = texts.main(stage, pose=pose, tone=tone)
    return {
        "prompt": prompt.positive,
        "negative_prompt": prompt.negative,
        "seed": seed,
        "steps": stage.steps,
        "cfg_scale": stage.cfg_scale,
        "sampler_name": stage.sampler_name,
        "scheduler": stage.scheduler,
        "checkpoint": preset.checkpoint,
        "vae": preset.vae,
        "clip_skip": preset.clip_skip,
    }


def controlnet_params(params: ControlNetParams | None) -> dict[str, Any] | None:
    """A ControlNet block as plain JSON."""
    return params.model_dump(mode="json") if params is not None else None


def adetailer_params(
    params: ADetailerParams | None, stage: Drawing, texts: Texts, *, pose: str, tone: str | None
) -> list[dict[str, Any]]:
    """The ADetailer passes with their prompts rendered, face first.

    Without a LoRA of the person the face pass is left out: it sees the prompt only, not the photos that an
    IP-Adapter is shown, and would paint somebody else over the face.
    """
    if params is None:
        return []
    found = []
    if params.face is not None and texts.knows_person:
        found.append(_pass(params.face, texts.face(stage, params.face, pose=pose, tone=tone)))
    if params.hand is not None:
        found.append(_pass(params.hand, texts.hand(stage, params.hand, pose=pose, tone=tone)))
    return found


def _pass(unit: ADetailerUnitParams, prompt: Any) -> dict[str, Any]:
    return {
        **unit.model_dump(mode="json"),
        "prompt": prompt.positive,
        "negative_prompt": prompt.negative,
    }


def request_fields(params: Mapping[str, Any], caps: Capabilities) -> dict[str, Any]:
    """Fields of the request that every drawing stage sets.

    Raises:
        StageError: The preset names a VAE and this server cannot be told to use one.
    """
    names = ("prompt", "negative_prompt", "seed", "steps", "cfg_scale", "sampler_name", "scheduler")
    fields = {name: params[name] for name in names}
    overrides: dict[str, Any] = {}
    if params["clip_skip"] != 1 or _CLIP_SKIP in caps.option_keys:
        # Sent even when it is 1: the server's own setting may be another.
        overrides[_CLIP_SKIP] = params["clip_skip"]
    if params["checkpoint"] is not None:
        overrides["sd_model_checkpoint"] = params["checkpoint"]
    if params["vae"] is not None:
        setting = rules_for(caps.flavour).vae_setting
        if not setting:
            raise StageError(
                f"the preset asks for the VAE {params['vae']}, which {caps.flavour} cannot be told per job",
                hint="Choose it in the WebUI and write `vae: null`.",
            )
        overrides[setting] = [params["vae"]] if setting == "forge_additional_modules" else params["vae"]
    return {**fields, "override_settings": overrides, "override_settings_restore_afterwards": True}


def adetailer_units(params: list[dict[str, Any]]) -> tuple[ADetailer, ...]:
    """ADetailer passes as the client's units."""
    rename = {"inpaint_width": "width", "inpaint_height": "height"}
    return tuple(
        ADetailer(**{rename.get(name, name): value for name, value in unit.items() if value is not None})
        for unit in params
    )


def controlnet_unit(params: Mapping[str, Any], picture: EncodedImage | None) -> ControlNet:
    """A ControlNet block as the client's unit."""
    fields = {name: value for name, value in params.items() if value is not None}
    if fields.get("processor_res", 0) < 0:
        # -1 = the server's own, which is what leaving it out means.
        del fields["processor_res"]
    if picture is not None:
        fields["image"] = picture
    return ControlNet(**fields)


def run_job(
    webui: WebUI,
    job: Job,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    cancel: CancelToken | None = None,
) -> Made:
    """Have a server do a job.

    Returns:
        The picture as the server sent it, and what the server reported.
    """
    options: dict[str, Any] = {"units": job.units, "on_progress": on_progress, "cancel": cancel}
    if job.script is not None:
        options["script"] = job.script
    if isinstance(job.request, Img2ImgRequest):
        result = webui.img2img(job.request, **options)
    else:
        result = webui.txt2img(job.request, **options)
    return made_of(result, webui.capabilities())


def made_of(result: GenerationResult, caps: Capabilities) -> Made:
    """Keep of a result what a stage keeps: nothing that differs when the same job runs again."""
    # The last of several: the tile upscale's seam fix answers the picture before and after it.
    picture = result.images[-1]
    width, height = picture.size
    info = result.info
    return Made(
        outputs={"image": picture.data},
        payload={
            "endpoint": result.endpoint,
            "request": summarise_request(result.request),
            "seed": info.seed,
            "model_name": info.sd_model_name,
            "model_hash": info.sd_model_hash,
            "infotext": info.infotexts[-1] if info.infotexts else "",
            "width": width,
            "height": height,
            "evidence": [
                {"effect": effect.name, "status": effect.status, "evidence": effect.evidence}
                for effect in result.verified.effects
            ],
            "server": {
                "flavour": str(caps.flavour),
                "version": info.version or caps.version,
                "sandbox": caps.sandbox,
                "fingerprint": caps.fingerprint,
            },
        },
    )
