"""The time a job takes: steps that go by, previews on the way, and the faults that happen inside a job."""

from __future__ import annotations

import time

from .faults import fault_error
from .jobs import PREVIEW_EVERY, JobKilled
from .render import Scene, preview
from .scenes import drawable
from .settings import Fault
from .state import Sandbox


class Pace:
    """How fast one job goes. Made when the job starts: a restart after that kills it."""

    def __init__(self, sandbox: Sandbox, fault: Fault | None) -> None:
        self._sandbox = sandbox
        self._fault = fault
        self._epoch = sandbox.queue.epoch()
        slow = fault is not None and fault.kind == "slow"
        self._seconds = fault.seconds if fault is not None and slow else sandbox.settings.seconds_per_step

    def fail_or_hang(self) -> None:
        """Let the fault that hit the job happen.

        Raises:
            Crash: it was an error.
            JobKilled: the server went away while it hung.
        """
        if self._fault is None:
            return
        if self._fault.kind in ("500", "oom"):
            raise fault_error(self._fault)
        if self._fault.kind == "hang":
            self.wait(self._fault.seconds, until_cleared=True)

    def sample(self, scene: Scene, passes: list[int]) -> int:
        """Let the time of sampling passes go by.

        Args:
            scene: what is drawn meanwhile, for the previews.
            passes: the steps of each.

        Returns:
            The steps done of the last pass, fewer than asked for after an interrupt or a skip.
        """
        progress = self._sandbox.progress
        done = 0
        for steps in passes:
            progress.sampling_step, progress.sampling_steps = 0, steps
            for done in range(1, steps + 1):
                self.wait(self._seconds)
                progress.sampling_step = done
                if progress.interrupted or progress.skipped:
                    return done
                if done % PREVIEW_EVERY == 0 and done < steps:
                    self._preview(scene, done / steps)
            progress.job_no += 1
            progress.sampling_step = 0
        return done

    def wait(self, seconds: float, *, until_cleared: bool = False) -> None:
        """Let time pass, looking up often.

        Raises:
            JobKilled: the server stops or restarts.
        """
        queue, cleared = self._sandbox.queue, self._sandbox.faults.cleared
        end = time.monotonic() + seconds
        while True:
            if queue.stopping.is_set() or queue.epoch() != self._epoch:
                raise JobKilled("the server went away while the job ran")
            left = end - time.monotonic()
            if left <= 0 or (until_cleared and (cleared.is_set() or self._sandbox.progress.interrupted)):
                return
            queue.stopping.wait(min(left, 0.05))

    def _preview(self, scene: Scene, fraction: float) -> None:
        if self._sandbox.options.get("live_previews_enable") is not False:
            self._sandbox.progress.preview = lambda: preview(drawable(scene), fraction)
            self._sandbox.progress.preview_id += 1


def img2img_steps(denoising_strength: float, steps: int) -> int:
    """How many steps img2img really takes (recorded: 17 of 40 at 0.4)."""
    return int(min(max(denoising_strength, 0.0), 0.999) * steps) + 1
