"""From a resolved request to what the renderer draws."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from . import adetailer
from .loras import LoraUse
from .plan import GenerationPlan
from .render import ActiveLora, Detailer, Picture, Scene, render
from .render.scene import SceneKind
from .state import Sandbox

MIN_SIDE = 64
"""Smaller pictures are drawn at this size and shrunk."""


def running_units(sandbox: Sandbox, plan: GenerationPlan) -> list[adetailer.Unit]:
    """The units whose detector is there: an unknown one changes nothing (recorded: e08)."""
    known = (
        set(sandbox.catalogue.answer("/adetailer/v1/ad_model")["ad_model"]) if plan.detail.units else set()
    )
    return [unit for unit in plan.detail.units if unit.runs and unit.model in known]


def make_scene(sandbox: Sandbox, plan: GenerationPlan, index: int) -> Scene:
    """Describe picture number `index` of a request for the renderer."""
    width, height = plan.picture_size
    kind: SceneKind = "txt2img" if plan.tab == "txt2img" else "img2img"
    if plan.upscale is not None:
        kind = "upscale"
    denoising = 0.0 if plan.detail.skip_img2img else float(plan.denoising_strength or 0.0)
    mask = None
    if plan.mask is not None:
        mask = np.asarray(cv2.cvtColor(plan.mask, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        if plan.body.get("inpainting_mask_invert"):
            mask = np.asarray(255 - mask, dtype=np.uint8)
    return Scene(
        kind=kind,
        width=width,
        height=height,
        seed=plan.seed + index if not plan.body.get("subseed_strength") else plan.seed,
        prompt=plan.prompt,
        negative_prompt=plan.negative_prompt,
        loras=_active(plan.loras),
        controls=plan.control.controls,
        details=_details(sandbox, plan),
        init_image=plan.init[index % len(plan.init)] if plan.init else None,
        mask=mask,
        denoising_strength=min(max(denoising, 0.0), 1.0),
        steps=int(plan.body.get("steps") or 1),
    )


def _details(sandbox: Sandbox, plan: GenerationPlan) -> tuple[Detailer, ...]:
    if not plan.detail.enabled:
        return ()
    return tuple(
        Detailer(
            target=adetailer.target(unit.model),
            denoising_strength=unit.denoising_strength,
            loras=_active(_unit_loras(sandbox, plan, unit)),
        )
        for unit in running_units(sandbox, plan)
    )


def _unit_loras(sandbox: Sandbox, plan: GenerationPlan, unit: adetailer.Unit) -> tuple[LoraUse, ...]:
    """A unit without a prompt takes the picture's; [PROMPT] stands for it."""
    if not unit.prompt.strip():
        return plan.loras
    own = sandbox.loras.used_by(unit.prompt)
    return (*plan.loras, *own) if "[PROMPT]" in unit.prompt else own


def _active(uses: tuple[LoraUse, ...]) -> tuple[ActiveLora, ...]:
    return tuple(ActiveLora(use.file.path, use.weight) for use in uses)


def drawable(scene: Scene) -> Scene:
    if min(scene.width, scene.height) >= MIN_SIDE:
        return scene
    factor = MIN_SIDE / min(scene.width, scene.height)
    return replace(scene, width=math.ceil(scene.width * factor), height=math.ceil(scene.height * factor))


def draw(scene: Scene) -> Picture:
    """Draw a scene at any size."""
    picture = render(drawable(scene))
    if picture.shape[:2] != (scene.height, scene.width):
        size = (scene.width, scene.height)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return picture
