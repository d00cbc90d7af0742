"""What a worker does with a step: `studio.work`, or a stand-in of the tests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..core import Studio
from ..refusals import Refused
from .options import WorkerOptions
from .stats import Stats
from .steps import Step

if TYPE_CHECKING:
    from sdwebui_client import CancelToken

LOG = logging.getLogger(__name__)

Turn = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Task:
    """One step of one job, about to be done."""

    studio: Studio
    options: WorkerOptions
    job_id: str
    step: Step
    cancel: CancelToken
    turn: Turn
    """Entered while the GPU is worked on."""


class Work(Protocol):
    """What is done in a step. Idempotent: after any interruption it is called again."""

    def make_stats(self) -> Stats:
        """Counts of this process."""

    def do(self, task: Task, stats: Stats) -> Mapping[str, Any]:
        """Do a step; a little JSON. After `prepare` it says whether `train` is needed: {"train": bool}."""

    def explain(self, error: BaseException) -> Refused:
        """What a user is told of an error."""

    def note(self, error: BaseException) -> str:
        """What the operator is told of it: no names, no paths of photos."""

    def worth_waiting(self, error: BaseException) -> bool:
        """Whether the same may go well in a while."""


class StudioWork:
    """The real one."""

    def __init__(self, studio: Studio) -> None:
        self._root = studio.layout.root

    def make_stats(self) -> Stats:
        """`studio.work.WorkerStats`."""
        from ..work import WorkerStats

        return WorkerStats()

    def do(self, task: Task, stats: Stats) -> Mapping[str, Any]:
        """Call the step's function of `studio.work`."""
        from .. import work

        with _context(task, stats) as context:
            if task.step.name == "prepare":
                answer = work.check_photos(context)
                return {**answer, "train": work.needs_training(context)}
            if task.step.name == "train":
                with task.turn():
                    return work.train_model(context)
            if task.step.name == "draw":
                return work.draw_portraits(context)
            return work.deliver_portraits(context)

    def explain(self, error: BaseException) -> Refused:
        """`studio.work.explain_failure`."""
        from ..work import explain_failure

        known: Refused | None = explain_failure(error)
        if known is None:
            LOG.error("a step failed as nobody expected", exc_info=error)
            return _unexpected()
        return known

    def note(self, error: BaseException) -> str:
        """`studio.work.failures.operator_note`."""
        from ..work.failures import operator_note

        return operator_note(error, self._root)

    def worth_waiting(self, error: BaseException) -> bool:
        """`studio.work.worth_waiting`."""
        from ..work import worth_waiting

        return worth_waiting(error)


def _unexpected() -> Refused:
    return Refused(
        "unexpected",
        en="Something went wrong that nobody expected.",
        ko="예상하지 못한 문제가 생겼습니다.",
        hint_en="Please tell the operator of this studio. What is finished is kept.",
        hint_ko="스튜디오 운영자에게 알려 주세요. 이미 만든 것은 보관됩니다.",
        status=500,
    )


@contextmanager
def _context(task: Task, stats: Stats) -> Iterator[Any]:
    from ..work import JobContext, Reporter

    report = Reporter(task.studio, task.job_id, stats=stats, worker_id=task.options.name)  # type: ignore[arg-type]
    common: dict[str, Any] = {
        "studio": task.studio,
        "job_id": task.job_id,
        "worker_id": task.options.name,
        "cancel": task.cancel,
        "report": report,
        "trainer": task.options.trainer,
        "turn": task.turn,
    }
    webui = task.options.webui
    if not task.step.on_gpu or webui.target.sandbox:
        # A trainer may have no WebUI at all; the stand-in is only ever started by `serve`.
        yield JobContext(**common, models_dir=webui.models_dir)
        return
    from ..connect import connect

    with connect(
        webui.target,
        webui.settings,
        sandbox_models=task.studio.layout.sandbox_models,
        models_dir=webui.models_dir,
        verify=webui.verify,
    ) as connection:
        yield JobContext(
            **common,
            servers=connection.servers,
            models_dir=connection.models_dir,
            publishes_in=connection.publishes_in,
        )
