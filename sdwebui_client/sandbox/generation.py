"""Runs a generation in the queue's thread: the steps, which only take time, and the pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from . import arguments
from .pace import Pace, img2img_steps
from .plan import GenerationPlan, make_plan, read_init_images, with_infotext
from .render import Picture, Scene
from .report import Report
from .scenes import draw, make_scene, running_units
from .settings import Fault
from .state import Sandbox


@dataclass(slots=True)
class Job:
    """One request on its way through the queue."""

    sandbox: Sandbox
    tab: str
    """`txt2img` or `img2img`."""
    body: dict[str, Any]
    """The validated request."""
    given: frozenset[str]
    """The keys it carried itself."""
    calls: arguments.ScriptCalls
    task_id: str
    mask: Picture | None = None
    fault: Fault | None = None

    def run(self) -> dict[str, Any]:
        """Do the work.

        Returns:
            The answer's body.

        Raises:
            Crash: the job failed.
            ApiError: an init image cannot be read; the task id then stays pending for good (recorded: q08).
            JobKilled: the server went away.
        """
        sandbox = self.sandbox
        body = with_infotext(self.body, self.given)
        init = read_init_images(self.tab, body)
        sandbox.progress.begin(f"scripts_{self.tab}", datetime.now().strftime("%Y%m%d%H%M%S"))
        try:
            sandbox.tasks.start(self.task_id)
            answer = self._process(body, init, Pace(sandbox, self.fault))
            sandbox.tasks.finish(self.task_id)
            return answer
        finally:
            sandbox.progress.end()

    def _process(self, body: dict[str, Any], init: tuple[Picture, ...], pace: Pace) -> dict[str, Any]:
        sandbox = self.sandbox
        overrides = dict(body.get("override_settings") or {})
        restore = bool(body.get("override_settings_restore_afterwards"))
        if (
            "sd_model_checkpoint" in overrides
            and sandbox.checkpoint(overrides["sd_model_checkpoint"]) is None
        ):
            del overrides[
                "sd_model_checkpoint"
            ]  # unknown: the loaded one is used, without a word (recorded: p13j)
        sandbox.require_checkpoint()
        with sandbox.options.overridden(overrides, restore=restore):
            checkpoint = sandbox.require_checkpoint()
            plan = make_plan(sandbox, self.tab, body, self.calls, init, self.mask)
            pace.fail_or_hang()
            report = Report(sandbox, plan, checkpoint)
            pictures = self._draw_all(plan, pace)
        # The pictures are encoded with the options as they are now: samples_format is restored
        # already, or has leaked.
        return report.answer(body, pictures)

    def _draw_all(self, plan: GenerationPlan, pace: Pace) -> list[tuple[int, Picture]]:
        """Draw every picture with its number; an interrupt ends the list early (recorded: j03)."""
        progress = self.sandbox.progress
        passes = _passes(plan)
        progress.job_count = max(len(passes), 1) * plan.n_iter
        if plan.upscale is not None:
            progress.job = "(unknown)"  # the script begins a job of its own (recorded: j12)
        pictures: list[tuple[int, Picture]] = []
        for iteration in range(plan.n_iter):
            if progress.interrupted:
                break
            progress.skipped = False
            first = iteration * plan.batch_size
            scenes = [make_scene(self.sandbox, plan, first + index) for index in range(plan.batch_size)]
            done = pace.sample(scenes[0], passes)
            pictures += [
                (first + i, self._finished(plan, scene, done, pace)) for i, scene in enumerate(scenes)
            ]
        return pictures

    def _finished(self, plan: GenerationPlan, scene: Scene, done: int, pace: Pace) -> Picture:
        progress = self.sandbox.progress
        if progress.interrupted or progress.skipped:
            return draw(replace(scene, steps=max(done, 1), details=()))
        if scene.details:
            self._detail_passes(plan, scene, pace)
        return draw(replace(scene, details=()) if progress.interrupted else scene)

    def _detail_passes(self, plan: GenerationPlan, scene: Scene, pace: Pace) -> None:
        """Each unit is a job of its own: the count grows, and the progress falls back (recorded: j01)."""
        progress = self.sandbox.progress
        steps = int(plan.body.get("steps") or 1)
        for unit in running_units(self.sandbox, plan):
            if progress.interrupted:
                return
            progress.job_count += 1
            pace.sample(scene, [img2img_steps(unit.denoising_strength, steps)])


def _passes(plan: GenerationPlan) -> list[int]:
    """The steps of each sampling pass of one iteration; a tile is a pass."""
    if plan.tab == "txt2img":
        second = int(plan.body.get("hr_second_pass_steps") or 0) or plan.steps
        return [plan.steps, second] if plan.hires is not None else [plan.steps]
    steps = img2img_steps(float(plan.denoising_strength or 0.0), plan.steps)
    if plan.upscale is None:
        return [steps]
    return [steps] * (plan.upscale.tiles if plan.upscale.redraws else 0)
