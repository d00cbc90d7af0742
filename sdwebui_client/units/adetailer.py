"""ADetailer: find faces or hands in the finished picture and draw them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from .. import _resolve as resolve
from .._expect import ADetailerAccepted, Expectation, Unverifiable
from .._loras import lora_tags
from ..capabilities import Capabilities, Problem, absent, unknown
from ..flavours import rules_for
from .base import TXT2IMG, Closed, Context

Share = Annotated[float, Field(ge=0.0, le=1.0)]
FACE_MODEL = "face_yolov8n.pt"
HAND_MODEL = "hand_yolov8n.pt"
INSTALL = "install the extension adetailer (Bing-su) and restart the WebUI"


class ADetailer(Closed):
    """One detector with the settings of the drawing it triggers.
    Fields that are not set keep the server's defaults.

    Example:
        >>> ADetailer.face(prompt="ohwx person, detailed face", confidence=0.3).model
        'face_yolov8n.pt'
    """

    SCRIPT: ClassVar[str] = "ADetailer"
    FIELDS: ClassVar[dict[str, str]] = {
        "model": "ad_model",
        "model_classes": "ad_model_classes",
        "prompt": "ad_prompt",
        "negative_prompt": "ad_negative_prompt",
        "confidence": "ad_confidence",
        "mask_filter_method": "ad_mask_filter_method",
        "mask_k": "ad_mask_k",
        "mask_min_ratio": "ad_mask_min_ratio",
        "mask_max_ratio": "ad_mask_max_ratio",
        "dilate_erode": "ad_dilate_erode",
        "x_offset": "ad_x_offset",
        "y_offset": "ad_y_offset",
        "mask_merge_invert": "ad_mask_merge_invert",
        "mask_blur": "ad_mask_blur",
        "denoising_strength": "ad_denoising_strength",
        "inpaint_only_masked": "ad_inpaint_only_masked",
        "inpaint_padding": "ad_inpaint_only_masked_padding",
        "width": "ad_inpaint_width",
        "height": "ad_inpaint_height",
        "steps": "ad_steps",
        "cfg_scale": "ad_cfg_scale",
        "checkpoint": "ad_checkpoint",
        "vae": "ad_vae",
        "sampler_name": "ad_sampler",
        "scheduler": "ad_scheduler",
        "noise_multiplier": "ad_noise_multiplier",
        "clip_skip": "ad_clip_skip",
        "restore_face": "ad_restore_face",
        "controlnet_model": "ad_controlnet_model",
        "controlnet_module": "ad_controlnet_module",
        "controlnet_weight": "ad_controlnet_weight",
        "controlnet_guidance_start": "ad_controlnet_guidance_start",
        "controlnet_guidance_end": "ad_controlnet_guidance_end",
    }
    """Our field -> the server's (/adetailer/v1/schema@25.3.0)."""
    SWITCHES: ClassVar[dict[str, str]] = {
        "width": "ad_use_inpaint_width_height",
        "height": "ad_use_inpaint_width_height",
        "steps": "ad_use_steps",
        "cfg_scale": "ad_use_cfg_scale",
        "checkpoint": "ad_use_checkpoint",
        "vae": "ad_use_vae",
        "sampler_name": "ad_use_sampler",
        "scheduler": "ad_use_sampler",
        "noise_multiplier": "ad_use_noise_multiplier",
        "clip_skip": "ad_use_clip_skip",
    }
    """Fields that only count when a switch is on: setting the field sets the switch."""

    model: str
    """Detector, as /adetailer/v1/ad_model lists it."""
    model_classes: str = ""
    """Comma-separated classes, for YOLO-World detectors."""
    prompt: str = ""
    """Prompt of the detail; empty = the picture's. `[PROMPT]` inserts the picture's, `[SEP]` separates
    detections."""
    negative_prompt: str = ""
    """Negative prompt of the detail; empty = the picture's."""
    confidence: Share = 0.3
    """Detections below this are dropped, 0..1."""
    mask_filter_method: Literal["Area", "Confidence"] = "Area"
    """By what `mask_k` ranks detections."""
    mask_k: int = Field(default=0, ge=0)
    """Keep the first k detections; 0 all."""
    mask_min_ratio: Share = 0.0
    """Smallest share of the picture, 0..1."""
    mask_max_ratio: Share = 1.0
    """Largest share of the picture, 0..1."""
    dilate_erode: int = Field(default=4, ge=-128, le=128)
    """Grow (positive) or shrink the mask, pixels."""
    x_offset: int = Field(default=0, ge=-200, le=200)
    """Move the mask right, pixels."""
    y_offset: int = Field(default=0, ge=-200, le=200)
    """Move the mask up, pixels."""
    mask_merge_invert: Literal["None", "Merge", "Merge and Invert"] = "None"
    """Draw all detections at once, or all but them."""
    mask_blur: int = Field(default=4, ge=0, le=64)
    """Blur of the mask's edge, pixels."""
    denoising_strength: Share = 0.4
    """Share of noise, 0 leaves the detail as it is."""
    inpaint_only_masked: bool = True
    """Draw the detail at full size instead of the whole picture."""
    inpaint_padding: int = Field(default=32, ge=0, le=256)
    """Surroundings drawn along, pixels."""
    width: int | None = Field(default=None, ge=64, le=2048, multiple_of=8)
    """Width the detail is drawn at, pixels; None = the picture's."""
    height: int | None = Field(default=None, ge=64, le=2048, multiple_of=8)
    """Height the detail is drawn at, pixels; None = the picture's."""
    steps: int | None = Field(default=None, ge=1, le=150)
    """Sampling steps; None = the picture's."""
    cfg_scale: float | None = Field(default=None, ge=0.0, le=30.0)
    """Prompt guidance; None = the picture's."""
    checkpoint: str | None = None
    """Checkpoint, in any form the server knows; None = the picture's."""
    vae: str | None = None
    """VAE; None = the picture's."""
    sampler_name: str | None = None
    """Sampler; None = the picture's."""
    scheduler: str | None = None
    """Scheduler; None = the picture's. Needs `sampler_name`."""
    noise_multiplier: float | None = Field(default=None, ge=0.5, le=1.5)
    """Noise multiplier; None = the server's setting."""
    clip_skip: int | None = Field(default=None, ge=1, le=12)
    """CLIP layers skipped plus one; None = the picture's."""
    restore_face: bool = False
    """Run the face restorer on the detail; needs its weights."""
    controlnet_model: str | None = None
    """ControlNet for the detail; None none. Ignored by Forge, so refused there."""
    controlnet_module: str | None = None
    """Its preprocessor."""
    controlnet_weight: Share = 1.0
    """Its weight, 0..1."""
    controlnet_guidance_start: Share = 0.0
    """Share of the steps after which it begins."""
    controlnet_guidance_end: Share = 1.0
    """Share of the steps after which it ends."""
    skip_img2img: bool = False
    """Leave the picture alone and only retouch it (img2img): every unit of a request must agree."""

    @property
    def script_name(self) -> str:
        """The always-on script."""
        return self.SCRIPT

    @classmethod
    def face(cls, *, model: str = FACE_MODEL, **fields: Any) -> Self:
        """Return a unit for faces."""
        return cls(model=model, **fields)

    @classmethod
    def hand(cls, *, model: str = HAND_MODEL, **fields: Any) -> Self:
        """Return a unit for hands."""
        return cls(model=model, **fields)

    @classmethod
    def any(cls, model: str, **fields: Any) -> Self:
        """Return a unit for any detector of the server."""
        return cls(model=model, **fields)

    def render(self, caps: Capabilities) -> dict[str, Any]:
        """Return the unit with the server's field names, only what was set.

        Raises:
            ValueError: A name is not known there; `problems` says so beforehand.
        """
        unit: dict[str, Any] = {}
        for ours in self.FIELDS:
            if ours not in self.model_fields_set or (value := getattr(self, ours)) is None:
                continue
            if ours in self.SWITCHES:
                unit[self.SWITCHES[ours]] = True
            unit[self.FIELDS[ours]] = self._on_server(caps, ours, value)
        return unit

    def _on_server(self, caps: Capabilities, field: str, value: Any) -> Any:
        if field == "checkpoint":
            found = resolve.checkpoint(caps, value)
            return value if isinstance(found, Problem) else found.title
        if field == "controlnet_model" and caps.controlnet:
            model = resolve.controlnet_model(caps.controlnet, value)
            return value if isinstance(model, Problem) else model
        return value

    def problems(self, caps: Capabilities, *, context: Context = TXT2IMG, index: int = 0) -> list[Problem]:
        """Return what the server lacks for this unit."""
        where = f"ADetailer[{index}] "
        if caps.adetailer is None or "adetailer" not in caps.scripts(context.endpoint):
            return [absent(caps, "ADetailer", fix=INSTALL)]
        found: list[Any] = [resolve.adetailer_model(caps.adetailer, self.model, what=f"{where}model")]
        sent = set(self.render(caps))
        if caps.adetailer.fields and not sent <= caps.adetailer.fields:
            gone = ", ".join(sorted(sent - caps.adetailer.fields))
            found.append(
                Problem(
                    f"{where}fields",
                    f"this version does not know {gone} and would drop the unit",
                    fix="update it",
                )
            )
        found += resolve.prompt_problems(caps, self.prompt, self.negative_prompt, where=where)
        found += self._name_problems(caps, where)
        if self.skip_img2img and context.endpoint != "img2img":
            found.append(Problem(f"{where}skip_img2img", "works in img2img only"))
        return [item for item in found if isinstance(item, Problem)]

    def _name_problems(self, caps: Capabilities, where: str) -> list[Any]:
        found: list[Any] = []
        if (self.width is None) != (self.height is None):
            found.append(
                Problem(f"{where}width, height", "one is set without the other, which would stay 512")
            )
        if self.checkpoint is not None:
            found.append(resolve.checkpoint(caps, self.checkpoint, what=f"{where}checkpoint"))
        if self.vae is not None and rules_for(caps.flavour).vae_setting != "sd_vae":
            found.append(Problem(f"{where}vae", f"{rules_for(caps.flavour).title} ignores it"))
        elif self.vae is not None and self.vae not in (*caps.vaes, "Automatic", "None"):
            found.append(unknown(f"{where}vae", self.vae, caps.vaes))
        if self.sampler_name is not None:
            found.append(resolve.sampler(caps, self.sampler_name, what=f"{where}sampler"))
        if self.scheduler is not None:
            extra = resolve.SAME_SCHEDULER
            found.append(resolve.scheduler(caps, self.scheduler, what=f"{where}scheduler", extra=extra))
            if self.sampler_name is None:
                found.append(
                    Problem(
                        f"{where}scheduler", "only counts together with a sampler", fix="set sampler_name too"
                    )
                )
        return found + self._controlnet_problems(caps, where)

    def _controlnet_problems(self, caps: Capabilities, where: str) -> list[Any]:
        if self.controlnet_model is None:
            if self.controlnet_module is not None:
                return [Problem(f"{where}controlnet_module", "does nothing without controlnet_model")]
            return []
        if not rules_for(caps.flavour).adetailer_controlnet_works:
            return [
                Problem(
                    f"{where}controlnet_model",
                    f"{rules_for(caps.flavour).title} ignores it",
                    fix="leave it out",
                )
            ]
        if caps.controlnet is None:
            return [Problem(f"{where}controlnet_model", "the server has no ControlNet")]
        return [
            resolve.controlnet_model(caps.controlnet, self.controlnet_model, what=f"{where}controlnet_model")
        ]

    def expectations(
        self, caps: Capabilities, *, context: Context, index: int, peers: Sequence[Any]
    ) -> list[Expectation]:
        """Return what the answer must show:
        the unit in the infotext, or changed pixels when only retouching."""
        del caps
        alone = len(peers) == 1 and self.skip_img2img
        found: list[Expectation] = [
            ADetailerAccepted(index, self.model, context.init_image if alone else None)
        ]
        for tag in lora_tags(self.prompt):
            # Recorded (p08c): the LoRA hashes of a unit's prompt are not in the answer.
            why = "loaded for the main prompt" if tag.name in context.main_loras else "it is on the server"
            name = f"ADetailer[{index}] lora:{tag.name}"
            found.append(Unverifiable(name, f"{why}; the answer does not list the LoRAs of a unit's prompt"))
        if self.restore_face:
            found.append(
                Unverifiable(
                    f"ADetailer[{index}] restore_face", "without its weights the server skips it silently"
                )
            )
        return found

    @classmethod
    def script_args(cls, units: Sequence[Any], caps: Capabilities) -> list[Any]:
        """Return `[enable, skip_img2img, unit …]`.

        Without the two leading booleans the server runs its *default* detector as well (recorded: p03b).
        """
        return [True, any_skip(units), *(unit.render(caps) for unit in units)]

    @classmethod
    def group_problems(cls, units: Sequence[Any], caps: Capabilities, *, context: Context) -> list[Problem]:
        """Return what is wrong with the units together: too many, or not of one mind about skip_img2img."""
        found = []
        slots = caps.adetailer.max_units if caps.adetailer else 0
        if caps.adetailer and len(units) > slots:
            fix = f"use at most {slots}, or raise ad_max_models in the server's settings and restart it"
            found.append(
                Problem(
                    "ADetailer units", f"{len(units)} asked for, the server drops all after {slots}", fix=fix
                )
            )
        if len({unit.skip_img2img for unit in units}) > 1:
            found.append(
                Problem("ADetailer skip_img2img", "the units disagree, and it counts for all of them")
            )
        if context.upscaling:
            fix = "run it in the img2img step before"
            found.append(
                Problem("ADetailer", "runs on every tile of the upscale instead of on the picture", fix=fix)
            )
        return found


def any_skip(units: Sequence[ADetailer]) -> bool:
    """Return whether the units ask to skip img2img."""
    return any(unit.skip_img2img for unit in units)
