"""How SD.Next words its answers: an infotext, JSON for txt2img and img2img, HTML for /control."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from . import infotext

_SCHEDULERS = {"Euler a": "EulerAncestralDiscreteScheduler", "DPM++ 2M": "DPMSolverMultistepScheduler"}


@dataclass(frozen=True, slots=True)
class Words:
    """What there is to tell about one request."""

    tab: str
    body: dict[str, Any]
    size: tuple[int, int]
    steps: int
    count: int
    model: str
    loras: str
    """Names of the LoRAs that were found."""
    init_size: tuple[int, int] | None
    units: tuple[tuple[str, float, float, float], ...]
    """Model, strength, start and end of the ControlNet units that ran."""
    timestamp: str

    def _operations(self) -> str:
        kinds = ["img2img" if self.init_size else "txt2img"]
        kinds += ["control"] if self.units else []
        kinds += ["detailer"] if self.body.get("detailer_enabled") else []
        return "; ".join(sorted(kinds) if "detailer" in kinds else kinds)

    def _parameters(self, seed: int) -> dict[str, Any]:
        width, height = self.size
        sampler = self.body.get("sampler_name") or "Default"
        cfg = float(self.body.get("cfg_scale") or 0.0)
        return {
            "Steps": self.steps,
            "Size": f"{width}x{height}",
            "Sampler": sampler,
            "Scheduler": _SCHEDULERS.get(sampler, "EulerDiscreteScheduler"),
            "Seed": seed,
            "CFG scale": cfg if cfg > 0 else None,
            "CFG rescale": 0.7 if self.tab == "control" else 0.0,
        }

    def _extras(self) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        if self.body.get("schedulers_sigma"):
            entries["Sampler sigma"] = self.body["schedulers_sigma"]
        if self.init_size is not None:
            width, height = self.init_size
            entries |= {
                "Init image size": f"{width}x{height}",
                "Denoising strength": self.body.get("denoising_strength"),
            }
        if self.body.get("detailer_enabled"):
            # Named even when it failed or is unknown (recorded: p03v).
            entries |= {
                "Detailer": ", ".join(str(item) for item in self.body.get("detailer_models") or ()),
                "Detailer steps": self.body.get("detailer_steps"),
                "Detailer strength": self.body.get("detailer_strength"),
                "Detailer resolution": self.body.get("detailer_resolution"),
                "Detailer prompt": self.body.get("detailer_prompt") or None,
                "Detailer negative": self.body.get("detailer_negative") or None,
            }
        return {**entries, "LoRA networks": self.loras or None, "Sandbox": "true"}

    def infotext(self, seed: int) -> str:
        """The infotext of one picture."""
        prompt, negative = str(self.body.get("prompt") or ""), str(self.body.get("negative_prompt") or "")
        body = f"Template: {prompt}\nNegative template: {negative}"
        pipeline = "StableDiffusionImg2ImgPipeline" if self.init_size else "StableDiffusionPipeline"
        entries = {
            **self._parameters(seed),
            "App": "SD.Next",
            "Version": "unknown",
            "Pipeline": pipeline,
            "Operations": self._operations(),
            "Model": self.model,
            **self._extras(),
        }
        line = infotext.compose("", "", entries)
        head = f"{prompt}\nNegative prompt: {negative}" if negative else prompt
        return f"{head}\n{body}\n{line}"

    def html(self, seed: int) -> str:
        """The answer of /control tells in HTML what the others tell in JSON."""
        entries = {**self._parameters(seed), "Model": self.model}
        for model, strength, start, end in self.units:
            entries |= {
                "Control mode": "default",
                "Control type": "ControlNet",
                "Control model": model,
                "Control conditioning": strength,
                "Control start": start,
                "Control end": end,
            }
        entries |= self._extras()
        runtime = {
            "App": "SD.Next",
            "Version": "unknown",
            "Pipeline": "StableDiffusionPipeline",
            "Operations": self._operations(),
        }
        parts = {
            "Prompt": str(self.body.get("prompt") or ""),
            "Negative": str(self.body.get("negative_prompt") or ""),
            "Runtime": _bars(runtime),
            "Parameters": _bars(entries),
        }
        return "".join(f"<p><b>{name}:</b> {escape(text)}</p>" for name, text in parts.items())

    def info(self, seed: int, texts: list[str]) -> dict[str, Any]:
        """`info` of txt2img and img2img."""
        width, height = self.size
        prompt, negative = str(self.body.get("prompt") or ""), str(self.body.get("negative_prompt") or "")
        count = self.count
        return {
            "prompt": prompt,
            "all_prompts": [prompt] * count,
            "negative_prompt": negative,
            "all_negative_prompts": [negative] * count,
            "seed": seed,
            "all_seeds": [seed + index for index in range(count)],
            "subseed": -1,
            "all_subseeds": [-1] * count,
            "subseed_strength": 0,
            "width": width,
            "height": height,
            "sampler_name": self.body.get("sampler_name") or "Default",
            "cfg_scale": self.body.get("cfg_scale"),
            "cfg_end": None,
            "steps": self.body.get("steps"),
            "batch_size": self.body.get("batch_size") or 1,
            "detailer": bool(self.body.get("detailer_enabled")),
            "detailer_model": "Detailer" if self.body.get("detailer_enabled") else None,
            "sd_model_hash": None,
            "seed_resize_from_w": -1,
            "seed_resize_from_h": -1,
            "denoising_strength": self.body.get("denoising_strength"),
            "extra_generation_params": {"LoRA networks": self.loras} if self.loras else {},
            "index_of_first_image": 0,
            "infotexts": texts,
            "styles": self.body.get("styles") or [],
            "job_timestamp": self.timestamp,
            "clip_skip": 1,
        }


def _bars(entries: dict[str, Any]) -> str:
    return "| ".join(f"{name}: {value}" for name, value in entries.items() if value is not None)
