"""What ends a step without an answer.

StepInterrupted  the wait for a GPU ended because the step is to end
WorkerLost       this process was declared dead, or cannot tell: whatever it does now may be done by another
GiveBack         (no Exception) the step is left as it is; its workflow stays in the queue for whoever is free
"""

from __future__ import annotations

from ..errors import ExitCode, StudioError


class WorkerLost(StudioError):
    """The worker was silent for so long that its jobs are not its own any more; it has to start again."""

    exit_code = ExitCode.UNEXPECTED
    title = "The worker was declared dead"


class StepInterrupted(StudioError):
    """The step is to end; whoever asked for that knows why."""


class GiveBack(BaseException):
    """Leaves a workflow without an outcome.

    DBOS records what an `Exception` says, as the workflow's end; others pass it unrecorded (dbos 3.4.0
    `_core.py`, `_get_wf_invoke_func` and `record_step_result`), and the workflow can be taken up again.
    """
