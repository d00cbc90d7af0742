"""Asks a server what became of one job, by whichever route it has."""

from __future__ import annotations

import logging

from ._transport import Transport
from .errors import AuthError, NotFound, WebUIError
from .progress import TaskState
from .types.server import PendingTasks, ServerProgress, TaskProgress

log = logging.getLogger("sdwebui_client")


LONGEST_SILENCE_S = 10.0
"""These routes answer within milliseconds even while a job runs (recorded: j10_latency_while_busy)."""


class TaskWatch:
    """The state of jobs on one server.

    With ids (A1111, Forge and reForge with their page): POST /internal/progress says whether *our* job runs
    or waits. Without (--nowebui, SD.Next) only /sdapi/v1/progress is left, which tells that some job runs.

    Args:
        transport: The server.
        has_ids: Whether /internal/progress knows task ids; found out to be False when the route is absent.
        marks_interrupts: Whether /sdapi/v1/progress keeps the mark of an interrupted job until the next one.
    """

    def __init__(self, transport: Transport, *, has_ids: bool, marks_interrupts: bool = True) -> None:
        self._transport = transport
        self.has_ids = has_ids
        self.marks_interrupts = marks_interrupts
        self._read_s = min(LONGEST_SILENCE_S, transport.timeouts.read_s)

    def state(self, task_id: str, *, preview_id: int | None = None) -> TaskState:
        """Ask for one job.

        Args:
            task_id: Its `force_task_id`.
            preview_id: Number of the last preview seen, to get the next one; None asks for none.

        Raises:
            WebUIError: The server did not answer properly.
        """
        # The server before the job: asked the other way round, our job may end and somebody else's start
        # in between, and theirs would look like ours. A server that is just starting fails here, too: its
        # 404 for the job would look as if it knew no ids (recorded: s01_startup_trace).
        server = self._server(with_picture=preview_id is not None and not self.has_ids)
        task = self._task(task_id, preview_id) if self.has_ids else None
        state = server.state
        busy = bool(state.job) or state.job_count != 0
        if task is None:
            return TaskState(
                active=busy,
                fraction=server.progress,
                textinfo=server.textinfo,
                eta_s=server.eta_relative,
                preview=server.current_image,
                job=state.job,
                job_no=state.job_no,
                job_count=state.job_count,
                step=state.sampling_step,
                steps=state.sampling_steps,
                interrupted=state.interrupted or state.skipped,
                known_by_id=False,
            )
        return TaskState(
            # The id of a job that failed stays the "current" one until the next starts,
            # so the server must be at work too.
            active=task.active and busy,
            queued=task.queued,
            completed=task.completed,
            fraction=task.progress or 0.0,
            textinfo=task.textinfo,
            eta_s=task.eta,
            preview=task.live_preview,
            preview_id=task.id_live_preview,
            job=state.job,
            job_no=state.job_no,
            job_count=state.job_count,
            step=state.sampling_step,
            steps=state.sampling_steps,
            interrupted=state.interrupted or state.skipped,
        )

    def waits(self, task_id: str) -> bool:
        """Whether the job stands in the server's list of waiting jobs; False where there is no such list."""
        if not self.has_ids:
            return False
        pending = self._transport.get("/internal/pending-tasks", PendingTasks, retries=0, read_s=self._read_s)
        return task_id in pending.tasks

    def is_idle(self) -> bool:
        """Whether nothing runs; False when the server does not say."""
        try:
            state = self._server(with_picture=False).state
        except WebUIError as error:
            log.debug("cannot tell whether the server is idle: %s", error.message)
            return False
        return not state.job and state.job_count == 0

    def broken_off_by_others(self) -> bool:
        """Whether the job that just ended was interrupted or skipped by somebody.

        The server keeps the mark until the next job starts, and the answer itself has none.
        """
        state = self._server(with_picture=False).state
        return (state.interrupted or state.skipped) and not state.job

    def interrupt(self) -> None:
        """Interrupt whatever runs; the caller has made sure that it is ours."""
        self._transport.command("/sdapi/v1/interrupt", read_s=self._read_s)

    def _task(self, task_id: str, preview_id: int | None) -> TaskProgress | None:
        wish = {
            "id_task": task_id,
            "id_live_preview": -1 if preview_id is None else preview_id,
            "live_preview": preview_id is not None,
        }
        try:
            return self._transport.post("/internal/progress", TaskProgress, payload=wish, read_s=self._read_s)
        except (NotFound, AuthError):
            log.info("no /internal/progress: jobs cannot be told apart on this server")
            self.has_ids = False
            return None

    def _server(self, *, with_picture: bool) -> ServerProgress:
        skip = "false" if with_picture else "true"
        return self._transport.get(
            "/sdapi/v1/progress",
            ServerProgress,
            params={"skip_current_image": skip},
            retries=0,
            read_s=self._read_s,
        )
