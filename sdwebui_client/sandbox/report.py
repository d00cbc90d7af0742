"""The answer around the pictures: `info`, infotexts, the echo of the request."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np

from . import infotext
from .catalogue import Checkpoint
from .pictures import encode
from .plan import GenerationPlan
from .render import Picture
from .state import Sandbox


class Report:
    """The answer around the pictures: `info`, infotexts, the echo of the request.

    Made while override_settings are in force;
    pictures are encoded after they were restored, as the server does.
    """

    def __init__(self, sandbox: Sandbox, plan: GenerationPlan, checkpoint: Checkpoint) -> None:
        self._sandbox = sandbox
        self._plan = plan
        self._checkpoint = checkpoint
        self._timestamp = sandbox.progress.job_timestamp
        self._clip_skip = _as_int(sandbox.options.get("CLIP_stop_at_last_layers"))
        self._ensd = _as_int(sandbox.options.get("eta_noise_seed_delta")) or None
        self._grid = bool(sandbox.options.get("return_grid"))
        vae = sandbox.options.get("sd_vae")
        # Forge takes its VAE from forge_additional_modules; sd_vae does nothing there.
        self._vae = vae if vae in sandbox.catalogue.vaes and sandbox.flavour != "forge" else None
        self._forge_modules = self._modules()
        # Forge writes the infotext a second time, into an alpha channel of pictures it saves.
        self._alpha = (
            sandbox.flavour in ("forge", "reforge")
            and sandbox.options.get("stealth_pnginfo_option") != "None"
        )
        self._count = plan.batch_size * plan.n_iter

    def infotext(self, index: int) -> str:
        """The infotext of picture number `index`."""
        plan, body = self._plan, self._plan.body
        width, height = plan.info_size
        entries: dict[str, Any] = {
            "Steps": plan.steps,
            "Sampler": plan.sampling.sampler,
            "Schedule type": plan.sampling.scheduler,
            "CFG scale": body.get("cfg_scale"),
            "Seed": self._seed(plan.seed, index),
            "Face restoration": self._face_restoration(),
            "Size": f"{width}x{height}",
            "Model hash": self._checkpoint.short_hash or None,
            "Model": self._checkpoint.model_name,
            "VAE hash": self._vae_hash(),
            "VAE": self._vae,
            "Denoising strength": None,
            "Clip skip": self._clip_skip if self._clip_skip > 1 else None,
            "ENSD": self._ensd,
        }
        entries |= plan.entries
        entries |= {"Version": self._sandbox.version, **self._forge_modules}
        return infotext.compose(plan.prompt, plan.negative_prompt, entries)

    def _denoising(self) -> float | None:
        """A seams fix leaves its own value behind (recorded: p09e)."""
        upscale = self._plan.upscale
        if upscale is not None and upscale.seams_denoise is not None:
            return upscale.seams_denoise
        return self._plan.denoising_strength

    def _modules(self) -> dict[str, str]:
        """Forge names its additional modules after the version; what it does not know it ignores."""
        given = (
            self._sandbox.options.get("forge_additional_modules")
            if self._sandbox.flavour == "forge"
            else None
        )
        names = [str(item).replace("\\", "/").rsplit("/", 1)[-1] for item in given or ()]
        known = [name.rpartition(".")[0] for name in names if name in self._sandbox.catalogue.vaes]
        return {f"Module {index + 1}": name for index, name in enumerate(known)}

    def _seed(self, seed: int, index: int) -> int:
        return seed if self._plan.body.get("subseed_strength") else seed + index

    def _vae_hash(self) -> str | None:
        return hashlib.sha256(self._vae.encode()).hexdigest()[:10] if self._vae else None

    def _face_restoration(self) -> str | None:
        return (
            str(self._sandbox.options.get("face_restoration_model"))
            if self._plan.body.get("restore_faces")
            else None
        )

    def answer(self, request: dict[str, Any], pictures: list[tuple[int, Picture]]) -> dict[str, Any]:
        """Put the answer together."""
        plan = self._plan
        texts = [self.infotext(index) for index, _ in pictures]
        copies = plan.upscale.pictures if plan.upscale is not None else 1
        shown = [
            (text, picture) for text, (_, picture) in zip(texts, pictures, strict=True) for _ in range(copies)
        ]
        saved = bool(plan.body.get("save_images"))
        first = 1 if saved and self._grid and len(pictures) > 1 else 0
        if first:
            shown.insert(0, (texts[0], _grid([picture for _, picture in pictures])))
        images: list[str] = []
        if plan.body.get("send_images", True):
            image_format = str(self._sandbox.options.get("samples_format") or "png")
            images = [
                encode(
                    pic, text, image_format=image_format, alpha=self._alpha and (saved or index < copies - 1)
                )
                for index, (text, pic) in enumerate(shown)
            ]
            images += [encode(item, None, image_format=image_format) for item in plan.control.maps]
        info = self._info(first, [text for text, _ in shown])
        return {
            "images": images,
            "parameters": self._echo(request),
            "info": json.dumps(info, ensure_ascii=False),
        }

    def _echo(self, request: dict[str, Any]) -> dict[str, Any]:
        echo = dict(request)
        if self._plan.tab == "img2img" and not request.get("include_init_images"):
            echo |= {"init_images": None, "mask": None}
        overrides = echo.get("override_settings") or {}
        name = overrides.get("sd_model_checkpoint")
        # Forge takes an unknown checkpoint out of the echo (recorded: q03_checkpoint_forms).
        if self._sandbox.flavour == "forge" and overrides and self._sandbox.checkpoint(name) is None:
            echo["override_settings"] = {k: v for k, v in overrides.items() if k != "sd_model_checkpoint"}
        return echo

    def _info(self, first: int, texts: list[str]) -> dict[str, Any]:
        plan, body = self._plan, self._plan.body
        width, height = plan.info_size
        restores = bool(body.get("restore_faces"))
        return {
            "prompt": plan.prompt,
            "all_prompts": [plan.prompt] * self._count,
            "negative_prompt": plan.negative_prompt,
            "all_negative_prompts": [plan.negative_prompt] * self._count,
            "seed": plan.seed,
            "all_seeds": [self._seed(plan.seed, index) for index in range(self._count)],
            "subseed": plan.subseed,
            "all_subseeds": [plan.subseed + index for index in range(self._count)],
            "subseed_strength": body.get("subseed_strength", 0),
            "width": width,
            "height": height,
            "sampler_name": plan.sampling.sampler,
            "cfg_scale": body.get("cfg_scale"),
            "steps": plan.steps,
            "batch_size": plan.batch_size,
            "restore_faces": restores,
            "face_restoration_model": self._face_restoration(),
            "sd_model_name": self._checkpoint.model_name,
            "sd_model_hash": self._checkpoint.short_hash or None,
            "sd_vae_name": self._vae,
            "sd_vae_hash": self._vae_hash(),
            "seed_resize_from_w": body.get("seed_resize_from_w", -1),
            "seed_resize_from_h": body.get("seed_resize_from_h", -1),
            "denoising_strength": self._denoising(),
            "extra_generation_params": plan.entries,
            "index_of_first_image": first,
            "infotexts": texts,
            "styles": plan.styles,
            "job_timestamp": self._timestamp,
            "clip_skip": self._clip_skip,
            "is_using_inpainting_conditioning": False,
            "version": self._sandbox.version,
        }


def _as_int(value: Any) -> int:
    """Options are not checked when they are set: text where a number belongs counts as 1."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 1


def _grid(pictures: list[Picture]) -> Picture:
    """Lay pictures out in a grid as square as it gets, wider than high."""
    rows = round(math.sqrt(len(pictures)))
    columns = math.ceil(len(pictures) / rows)
    height, width = pictures[0].shape[:2]
    canvas = np.zeros((rows * height, columns * width, 3), np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        canvas[top : top + height, left : left + width] = picture
    return canvas
