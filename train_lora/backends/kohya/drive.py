"""One training in a job folder, here or on another machine: started or gone on with, followed, checked."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...dataset import Dataset
from ...errors import TrainCancelled, TrainError
from ...progress import Cancel, OnTrainProgress, stop_if_cancelled
from ...recipe import TrainRecipe
from ..base import TrainingRun
from .collect import collect, metadata_of, saved_files
from .command import DatasetLayout, KohyaPaths, Resume, TrainCommand, build_command
from .facts import device_of, lasting_facts, precision_of
from .failures import Failure, explain_failure
from .follow import Ended, follow, is_running, read_again, tails
from .host import ENDED, JobHost
from .job import JOB_FILE, Job, copy_dataset, job_key, merged, newest_state, read_job
from .redact import base_name
from .reporter import Reporter

_ENDING_S = 20.0
"""How long an earlier run may take to end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a training is given up. Generous: a machine that others used too was ten times slower."""

    time_s: float | None = 72 * 3600.0
    """Seconds a start may run; None = no limit."""
    stall_s: float | None = 45 * 60.0
    """Seconds without a byte in either log. Loading from a slow disk and compiling print nothing for
    minutes."""


def drive(
    host: JobHost,
    dataset: Dataset,
    recipe: TrainRecipe,
    paths: KohyaPaths,
    out_dir: Path,
    *,
    trainer: str = "sd-scripts",
    limits: Limits = Limits(),
    on_progress: OnTrainProgress | None = None,
    cancel: Cancel | None = None,
    own_dataset: bool = True,
    tidy: bool = True,
) -> TrainingRun:
    """Train in a job folder and bring the checkpoints into `out_dir`.

    The caller holds `machine.training_lock` of `out_dir`. A job folder of the same photos, settings and base
    model is gone on with; one of another training is emptied.

    Args:
        host: The machine and the job folder.
        dataset: Training pictures; copied into the job folder, so that the originals may vanish.
        recipe: How to train.
        paths: Where things are on the machine that trains; its `job_dir` is the host's.
        out_dir: Folder here for NAME-step00000200.safetensors … and NAME.safetensors.
        trainer: Who trains, for the files' metadata: "sd-scripts v0.10.1".
        limits: When to give up.
        on_progress: Called with each report, in this thread.
        cancel: Looked at several times a second.
        own_dataset: Whether to copy the dataset to JOB/dataset; else it is in `paths.dataset_dir` already.
        tidy: Whether to remove the job folder when all is done.

    Raises:
        TrainError: It did not work; the message says what to do. The job folder stays, to go on from.
        TrainCancelled: It was stopped.
    """
    reporter = Reporter(0, on_progress)
    training = _Training(host, dataset, recipe, paths, limits, reporter, cancel, own_dataset)
    run = training.go(Path(out_dir), trainer)
    if tidy:
        host.remove_tree()
    return run


class _Training:
    """Use once."""

    def __init__(
        self,
        host: JobHost,
        dataset: Dataset,
        recipe: TrainRecipe,
        paths: KohyaPaths,
        limits: Limits,
        reporter: Reporter,
        cancel: Cancel | None,
        own_dataset: bool,
    ) -> None:
        self._host, self._dataset, self._asked, self._paths = host, dataset, recipe, paths
        self._limits, self._reporter, self._cancel, self._own_dataset = limits, reporter, cancel, own_dataset
        self._layout = DatasetLayout.of(dataset)
        self._steps = reporter.steps = self._layout.steps(recipe)
        self._facts: dict[str, Any] = {}
        self._states: list[dict[str, Any]] = []
        """Saved states that may be gone on from."""
        self._job = Job("")

    def go(self, out_dir: Path, trainer: str) -> TrainingRun:
        """Everything but removing the job folder."""
        stop_if_cancelled(self._cancel)
        self._reporter.tell("looking at the trainer", "preparing")
        self._look()
        self._take_up()
        try:
            ended = self._train()
        except BaseException:
            if not self._host.survives:
                self._stop()
            raise
        self._reporter.tell("checking what was saved", "saving")
        return self._collected(ended, out_dir, trainer)

    @property
    def _recipe(self) -> TrainRecipe:
        """What is trained: after the GPU's memory was not enough, the lighter one."""
        return self._asked.lightened() if self._job.lighter else self._asked

    # ---- before

    def _look(self) -> None:
        request = {
            "sd_scripts": self._paths.script_dir,
            "base_model": self._paths.base_model,
            "disk": self._host.job_dir,
            "states": f"{self._host.job_dir}/out",
            "name": self._asked.name,
        }
        self._facts = self._host.probe(request)
        self._states = self._facts["states"]

    def _take_up(self) -> None:
        """Go on with what the job folder holds, when it is of the same training; else empty it."""
        key = job_key(self._dataset, self._asked, self._facts, self._paths.base_model)
        job = read_job(self._host.read_file(JOB_FILE))
        if job is not None and job.key == key:
            self._job = job
            return
        self._stop()
        self._forget(Job(key))
        # Also the pictures and what was computed of them: the next ones have the same names.
        for rel in (JOB_FILE, "stdout.log", "stderr.log", *(("dataset",) if self._own_dataset else ())):
            self._host.remove(rel)

    def _forget(self, job: Job) -> None:
        """Begin anew, with nothing of what was trained."""
        self._host.remove("out")
        self._states = []
        self._job = job

    def _stop(self) -> None:
        if is_running(self._host):
            self._host.cancel()
            self._wait_for_end()

    def _wait_for_end(self) -> None:
        until = time.monotonic() + _ENDING_S
        while is_running(self._host):
            if time.monotonic() > until:
                raise TrainError(
                    f"An earlier training in {self._host.job_dir} does not end.",
                    "End it by hand (its process number is in status.json there), then run this again.",
                )
            time.sleep(0.1)

    # ---- the training

    def _train(self) -> Ended:
        """Start or go on until it succeeded; once more with lighter settings when memory was short.

        Raises:
            TrainError, TrainCancelled.
        """
        while True:
            ended = self._attempt()
            if ended.reason == "cancelled":
                raise self._cancelled()
            if ended.succeeded and self._has_last():
                return ended
            failure = self._explain(ended)
            if not failure.lighter_may_help or self._asked.lighter is None or self._job.lighter:
                raise self._error(failure, ended)
            self._reporter.tell(f"{failure.message} Once more with the lighter settings.", "preparing")
            self._forget(Job(self._job.key, lighter=True))

    def _attempt(self) -> Ended:
        status = self._host.status()
        if status is not None and read_job(self._host.read_file(JOB_FILE)) == self._job:
            if status["state"] not in ENDED and self._host.survives:
                self._reporter.tell("the training is under way: following it", "preparing")
                return self._follow()
            self._wait_for_end()  # whoever owned it was killed this very moment
            status = self._host.status() or status
            earlier = Ended(read_again(self._host, self._steps), status.get("exit_code"), None)
            if earlier.succeeded and self._has_last():
                return earlier
            self._look()  # it may have saved something since
            spoiled = earlier.parser.nan_step
            self._states = [s for s in self._states if spoiled is None or int(s["step"]) < spoiled]
            if self._has_all():
                return replace(earlier, complete=True)
        self._start()
        return self._follow()

    def _follow(self) -> Ended:
        return follow(self._host, self._steps, self._reporter, self._cancel)

    def _has_all(self) -> bool:
        """Whether a run killed between its last checkpoint and its end has nothing left to train.

        sd-scripts writes a step's checkpoint before its state (train_network.py@v0.10.1), so a whole state
        means a whole checkpoint. It is checked all the same, as every file is.
        """
        state = newest_state(self._states)
        return state is not None and state.step == self._steps and self._has_last()

    def _has_last(self) -> bool:
        return self._steps in saved_files(self._host, self._asked.name, self._steps)

    def _start(self) -> None:
        state = newest_state(self._states)
        resume = state if state is not None and state.step < self._steps else None
        losses = self._losses_until(resume.step) if resume else ()
        self._job = replace(self._job, losses=losses, from_step=resume.step if resume else 0)
        command = self._command(resume)
        if resume is None:
            self._host.remove("out")
        if self._own_dataset:
            copy_dataset(self._host, self._dataset)
        for rel, text in command.files.items():
            self._host.put_file(rel, _utf8(text))
        self._host.put_file(JOB_FILE, self._job.to_json())
        stop_if_cancelled(self._cancel)
        self._host.start(self._spec(command))
        self._reporter.start_at(self._job.from_step)
        self._reporter.tell(
            f"going on from step {resume.step}" if resume else "starting sd-scripts", "preparing"
        )

    def _losses_until(self, step: int) -> tuple[tuple[int, float], ...]:
        """The loss curve up to where it goes on, from what the last start noted and from its log."""
        latest = read_again(self._host, self._steps).losses
        every = merged(self._job.losses, latest, from_step=self._job.from_step)
        return tuple(point for point in every if point[0] <= step)

    def _command(self, resume: Resume | None) -> TrainCommand:
        precision, device = precision_of(self._facts, self._recipe), device_of(self._facts)
        return build_command(
            self._recipe, self._layout, self._paths, precision=precision, device=device, resume=resume
        )

    def _spec(self, command: TrainCommand) -> dict[str, Any]:
        return {
            "argv": list(command.argv),
            "cwd": command.cwd,
            "env": dict(command.env),
            "unset": list(command.unset),
            "time_limit_s": self._limits.time_s,
            "stall_limit_s": self._limits.stall_s,
        }

    # ---- when it failed

    def _cancelled(self) -> TrainCancelled:
        saves = self._asked.save_every_n_steps is not None
        kept = "it goes on from the last saved state" if saves else "it begins anew, as no states are saved"
        return TrainCancelled("The training was stopped.", f"Run the same command again: {kept}.")

    def _explain(self, ended: Ended) -> Failure:
        out, err = tails(self._host)
        facts = {
            **self._facts,
            "device": device_of(self._facts),
            "free_disk_bytes": self._facts.get("disk", {}).get("free_bytes"),
        }
        return explain_failure(
            ended.exit_code, out, err, reason=ended.reason, recipe=self._recipe, facts=facts
        )

    def _error(self, failure: Failure, ended: Ended) -> TrainError:
        hint = failure.hint
        if failure.kind == "unknown" and ended.parser.step <= self._job.from_step and self._job.from_step:
            hint += f" It failed while going on; to begin anew, remove {self._host.job_dir}."
        return TrainError(failure.message, hint)

    # ---- when it succeeded

    def _collected(self, ended: Ended, out_dir: Path, trainer: str) -> TrainingRun:
        files = saved_files(self._host, self._asked.name, self._steps)
        add = metadata_of(self._dataset, self._recipe, trainer)
        checkpoints = collect(self._host, files, self._recipe, out_dir, add=add)
        self._reporter.close()
        losses = merged(self._job.losses, ended.parser.losses, from_step=self._job.from_step)
        argv = self._command(None).argv
        return TrainingRun(
            checkpoints=checkpoints,
            steps=self._steps,
            losses=tuple(point for point in losses if math.isfinite(point[1])),
            seconds={name: round(seconds, 2) for name, seconds in self._reporter.seconds.items()},
            resumed_from=self._job.from_step or None,
            lighter=dict(self._asked.lighter or {}) if self._job.lighter else None,
            command=tuple(base_name(part) if "/" in part or "\\" in part else part for part in argv),
            facts=lasting_facts(self._facts, self._recipe, self._reporter.said),
        )


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TrainError(
            "The path of the training's folder is no valid UTF-8, and sd-scripts could not read it.",
            "Choose an output folder with another name.",
        ) from error
