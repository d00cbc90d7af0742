"""Runs a generation of the SD.Next flavour and words its answer."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import adetailer, controlnet
from .limits import MAX_PICTURES, MAX_STEPS, check_size
from .loras import LoraUse
from .pace import Pace, img2img_steps
from .pictures import encode
from .render import ActiveLora, Control, Detailer, Picture, Scene
from .scenes import draw
from .sdnext_words import Words
from .settings import Fault
from .state import Sandbox

LOCAL_CONTROLNETS = ("control_v11p_sd15_openpose", "control_v11p_sd15_canny", "control_v11f1e_sd15_tile")
"""Files in the models folder; the predefined names of /controlnets are not downloaded (recorded: c03f)."""
DEFAULT_SIDE = 1024
INTERRUPTED_SIDE = 512


@dataclass(frozen=True, slots=True)
class ControlUnit:
    """An entry of `control`."""

    process: str
    model: str
    strength: float
    start: float
    end: float
    picture: Picture | None


@dataclass(slots=True)
class SdNextJob:
    """One request on its way through the queue."""

    sandbox: Sandbox
    tab: str
    body: dict[str, Any]
    init: tuple[Picture, ...]
    units: tuple[ControlUnit, ...]
    fault: Fault | None = None

    def run(self) -> dict[str, Any]:
        """Do the work, in the queue's thread.

        Raises:
            Crash: the job failed.
            JobKilled: the server went away.
        """
        sandbox = self.sandbox
        task_id = f"{random.getrandbits(60):015x}"
        sandbox.tasks.add(task_id)
        sandbox.progress.begin("Inference", datetime.now().strftime("%Y%m%d%H%M%S"))
        try:
            sandbox.tasks.start(task_id)
            answer = self._process(Pace(sandbox, self.fault))
            sandbox.tasks.finish(task_id)
            return answer
        finally:
            sandbox.progress.end()

    def _process(self, pace: Pace) -> dict[str, Any]:
        overrides = self.body.get("override_settings") or {}
        wanted = self.sandbox.checkpoint(overrides.get("sd_model_checkpoint"))
        before = self.sandbox.loaded
        try:
            self.sandbox.loaded = wanted or before
            pace.fail_or_hang()
            return self._answer(pace)
        finally:
            self.sandbox.loaded = before

    def _answer(self, pace: Pace) -> dict[str, Any]:
        echo = {"params" if self.tab == "control" else "parameters": self._echo()}
        if self.sandbox.loaded is None or self._fails():
            # A failure inside the pipeline is 200 without a picture (recorded: p13d3, c07c).
            empty = "<p>Ready | Images None</p>" if self.tab == "control" else ""
            return {"images": [], "info": empty, **echo, **self._processed()}
        seed = self._seed()
        pictures = self._draw(seed, pace)
        image_format = str(self.sandbox.options.get("samples_format") or "jpg")
        words = self._words()
        texts = [words.infotext(seed + index) for index in range(len(pictures))]
        images = [encode(p, t, image_format=image_format) for p, t in zip(pictures, texts, strict=True)]
        info = words.html(seed) if self.tab == "control" else json.dumps(words.info(seed, texts))
        shown = images if self.body.get("send_images", True) else []
        return {"images": shown, "info": info, **echo, **self._processed()}

    def _fails(self) -> bool:
        denoising = self.body.get("denoising_strength")
        if min(int(self.body.get("width") or 0), int(self.body.get("height") or 0)) < 0:
            return True
        if self.tab == "img2img" and denoising is not None and not 0 <= denoising <= 1:
            return True
        tile = any("tile" in unit.model for unit in self._running())
        return (tile and self.tab == "control") or self.body.get("script_name") == "SD Ultimate Upscale"

    def _echo(self) -> dict[str, Any]:
        return {
            key: item
            for key, item in self.body.items()
            if key not in ("init_images", "init_control", "control")
        }

    # -- pictures --------------------------------------------------------------------------------------

    def _size(self) -> tuple[int, int]:
        names = ("width_before", "height_before") if self.tab == "control" else ("width", "height")
        sides = [int(self.body.get(name) or 0) // 8 * 8 for name in names]
        if self.init:
            # img2img keeps the init image's size whatever was asked for (recorded: p08).
            own = [int(side) // 8 * 8 for side in self.init[0].shape[1::-1]]
            sides = own if self.tab == "img2img" else [a or b for a, b in zip(sides, own, strict=True)]
        width, height = (side if side > 0 else DEFAULT_SIDE for side in sides)
        check_size(width, height)
        return width, height

    def _seed(self) -> int:
        seed = int(self.body.get("seed", -1))
        return random.randrange(4294967294) if seed == -1 else seed

    def _count(self) -> int:
        number = self.body.get("batch_count" if self.tab == "control" else "n_iter", 1)
        return min(int(self.body.get("batch_size") or 1) * int(number or 1), MAX_PICTURES)

    def _steps(self) -> int:
        return min(max(int(self.body.get("steps") or 1), 1), MAX_STEPS)

    def _running(self) -> list[ControlUnit]:
        return [unit for unit in self.units if unit.model in LOCAL_CONTROLNETS and unit.picture is not None]

    def _maps(self) -> list[Picture]:
        width, height = self._size()
        return [
            controlnet.fit(unit.picture, width, height)
            for unit in self._running()
            if unit.picture is not None
        ]

    def _processed(self) -> dict[str, Any]:
        """The last unit's map, twice (recorded: c05)."""
        if self.tab != "control":
            return {}
        image_format = str(self.sandbox.options.get("samples_format") or "jpg")
        encoded = [encode(item, None, image_format=image_format) for item in self._maps()]
        return {"processed": encoded[-1:] * 2}

    def _loras(self) -> tuple[LoraUse, ...]:
        return self.sandbox.loras.used_by(str(self.body.get("prompt") or ""))

    def _details(self) -> tuple[Detailer, ...]:
        if not self.body.get("detailer_enabled"):
            return ()
        known = {item["name"] for item in self.sandbox.catalogue.answer("/sdapi/v1/detailers")}
        prompts = str(self.body.get("detailer_prompt") or "").split("\n")
        found = []
        for index, entry in enumerate(self.body.get("detailer_models") or ()):
            name, _, option = str(entry).partition(":")
            if name not in known:
                continue
            strength = float(self.body.get("detailer_strength") or 0.3)
            if option.startswith("denoising_strength="):
                strength = float(option.partition("=")[2])
            prompt = prompts[min(index, len(prompts) - 1)]
            loras = self.sandbox.loras.used_by(prompt) if prompt.strip() else self._loras()
            active = tuple(ActiveLora(use.file.path, use.weight) for use in loras)
            found.append(Detailer(adetailer.target(name), strength, active))
        return tuple(found)

    def _draw(self, seed: int, pace: Pace) -> list[Picture]:
        progress = self.sandbox.progress
        width, height = self._size()
        steps = self._steps()
        denoising = float(self.body.get("denoising_strength") or 0.3)
        progress.job_count = 1
        pictures: list[Picture] = []
        for index in range(self._count()):
            scene = Scene(
                kind="img2img" if self.init else "txt2img",
                width=width,
                height=height,
                seed=seed + index,
                prompt=str(self.body.get("prompt") or ""),
                negative_prompt=str(self.body.get("negative_prompt") or ""),
                loras=tuple(ActiveLora(use.file.path, use.weight) for use in self._loras()),
                controls=tuple(
                    Control(controlnet.kind_of(unit.model), seen, min(unit.strength, 2.0))
                    for unit, seen in zip(self._running(), self._maps(), strict=True)
                ),
                details=self._details(),
                init_image=self.init[0] if self.init else None,
                denoising_strength=min(max(denoising, 0.0), 1.0),
                steps=steps,
            )
            progress.job, progress.job_no = "Inference", 0
            pace.sample(scene, [img2img_steps(denoising, steps) if self.init else steps])
            if progress.interrupted:
                # One square preview instead of the picture, none at all with ControlNet (recorded: j02, j06).
                return [] if self.units else [controlnet.fit(draw(scene), INTERRUPTED_SIDE, INTERRUPTED_SIDE)]
            if progress.skipped:
                progress.skipped = False
                continue
            for detail in scene.details:
                progress.job, progress.job_no = "Detailer", 0
                pace.sample(scene, [img2img_steps(detail.denoising_strength, steps)])
            pictures.append(draw(scene))
        return pictures

    def _words(self) -> Words:
        loaded = self.sandbox.loaded
        shape = self.init[0].shape if self.init else None
        return Words(
            tab=self.tab,
            body=self.body,
            size=self._size(),
            steps=self._steps(),
            count=self._count(),
            model=loaded.model_name.rsplit("/", 1)[-1] if loaded is not None else "",
            loras=", ".join(use.tag for use in self._loras()),
            init_size=(int(shape[1]), int(shape[0])) if shape is not None else None,
            units=tuple((unit.model, unit.strength, unit.start, unit.end) for unit in self._running()),
            timestamp=self.sandbox.progress.job_timestamp,
        )
