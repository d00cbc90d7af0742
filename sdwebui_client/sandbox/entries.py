"""`extra_generation_params`: what the parts of a request add to `info` and to the infotext, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .state import Sandbox

if TYPE_CHECKING:
    from .plan import GenerationPlan


def extra_entries(sandbox: Sandbox, plan: GenerationPlan) -> dict[str, Any]:
    """`extra_generation_params`, in the order its keys appear in an infotext."""
    version = str((sandbox.catalogue.answer("/adetailer/v1/version") or {}).get("version", ""))
    detail = plan.detail.entries(version)
    entries: dict[str, Any] = plan.upscale.entries() if plan.upscale is not None else {}
    # Forge runs its built-in ControlNet before the extensions.
    first, second = (
        (detail, plan.control.entries) if sandbox.flavour == "a1111" else (plan.control.entries, detail)
    )
    entries |= {**first, **second}
    if plan.upscale is not None:
        entries |= plan.upscale.inpaint_entries(float(plan.denoising_strength or 0.0))
    elif plan.tab == "img2img":
        entries["Denoising strength"] = plan.denoising_strength
        if plan.mask is not None:
            entries |= _mask_entries(plan.body)
    entries |= _hires_entries(sandbox, plan)
    if plan.sampling.schedule_type is not None:
        entries["Schedule type"] = plan.sampling.schedule_type
    if plan.loras:
        digests = [
            f"{use.tag}: {use.file.file_hash if sandbox.flavour == 'forge' else use.file.model_hash}"
            for use in plan.loras
        ]
        entries["Lora hashes"] = ", ".join(dict.fromkeys(digests))
    return {**entries, "Sandbox": "true"}


def _mask_entries(body: dict[str, Any]) -> dict[str, Any]:
    blur = body.get("mask_blur")
    entries: dict[str, Any] = {"Mask blur": body.get("mask_blur_x") if blur is None else blur}
    if body.get("inpaint_full_res"):
        entries |= {
            "Inpaint area": "Only masked",
            "Masked area padding": body.get("inpaint_full_res_padding"),
        }
    return entries


def _hires_entries(sandbox: Sandbox, plan: GenerationPlan) -> dict[str, Any]:
    if plan.hires is None:
        return {}
    body = plan.body
    entries: dict[str, Any] = {"Denoising strength": plan.denoising_strength}
    if sandbox.flavour == "forge":
        modules = body.get("hr_additional_modules") or ["Built-in"]
        entries |= {f"Hires Module {index + 1}": name for index, name in enumerate(modules)}
    entries |= {"Hires prompt": None, "Hires negative prompt": None}
    if sandbox.flavour in ("forge", "reforge"):
        entries["Hires CFG Scale"] = float(body.get("hr_cfg") or 1.0)
    if sandbox.flavour == "forge":
        entries["Hires Distilled CFG Scale"] = None
    entries["Hires schedule type"] = None
    if body.get("hr_resize_x") or body.get("hr_resize_y"):
        entries["Hires resize"] = f"{body.get('hr_resize_x')}x{body.get('hr_resize_y')}"
    else:
        entries["Hires upscale"] = float(body.get("hr_scale") or 2.0)
    if body.get("hr_second_pass_steps"):
        entries["Hires steps"] = body["hr_second_pass_steps"]
    if body.get("hr_upscaler") is not None:
        entries["Hires upscaler"] = body["hr_upscaler"]
    return entries
