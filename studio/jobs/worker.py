"""A worker: DBOS, launched for one process, and the threads around it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core import Studio
from . import rows
from .errors import WorkerLost
from .housekeeping import Housekeeping
from .ledger import APPLICATION, WORKFLOW, Ledger, configure_dbos_logging
from .options import WorkerOptions
from .presence import Presence
from .running import StepRunner
from .stats import Stats
from .steps import QUEUES, WORKFLOWS_VERSION, queues_of
from .watching import Gates, Watch
from .works import StudioWork, Work

if TYPE_CHECKING:
    from dbos import DBOS

LOG = logging.getLogger(__name__)

LEAVE_S = 10.0
"""How long a worker that was declared dead waits for its threads."""


def run_worker(
    studio: Studio,
    options: WorkerOptions,
    *,
    stop: threading.Event,
    on_ready: Callable[[], object] | None = None,
    work: Work | None = None,
    version: str = WORKFLOWS_VERSION,
) -> None:
    """Do jobs until told to stop. One worker a process.

    Args:
        studio: The studio.
        options: Who it is, and with what it works.
        stop: Ends it: what it is doing goes on when it, or another one, runs again.
        on_ready: Called once it takes jobs.
        work: What is done in a step; None = `studio.work`.
        version: The application version its workflows are pinned to.

    Raises:
        BadInput: Another living worker has the name.
        WorkerLost: It was declared dead; the process has to be started again.
    """
    work = work or StudioWork(studio)
    stats = work.make_stats()
    for url in options.urls:
        stats.expect(url)
    presence = Presence(studio, options, stats, version=version)
    if not presence.enter(stop):
        return
    ledger = Ledger(studio, version=version)
    try:
        _work(studio, options, presence, ledger, work, stats, stop, on_ready)
    finally:
        ledger.close()


def _work(
    studio: Studio,
    options: WorkerOptions,
    presence: Presence,
    ledger: Ledger,
    work: Work,
    stats: Stats,
    stop: threading.Event,
    on_ready: Callable[[], object] | None,
) -> None:
    _take_back(studio, presence, ledger)
    runner = StepRunner(studio, ledger, presence, options, work, stats)
    dbos = _prepare_dbos(options, ledger, presence, runner)
    gates = Gates(dbos._active_workflows_set)
    for queue in QUEUES:
        gates.set(queue, room=0)
    ended = threading.Event()
    watch = Watch(studio, presence, options, runner.running, gates, on_lost=ended.set)
    house = Housekeeping(studio, ledger, presence, runner.running)
    try:
        dbos.launch()
        watch.start()
        house.start()
        if on_ready is not None:
            on_ready()
        while not (stop.wait(0.1) or ended.is_set()):
            continue
        house.stop()
        runner.running.leave()
        # As long as a step works on, the heartbeat says so: nobody else may take it up. Whoever cannot wait
        # kills the process, which ends both. One that was lost has nothing to protect any more.
        _wait_for(lambda: not runner.running.jobs(), LEAVE_S if ended.is_set() else math.inf)
    finally:
        house.stop()
        watch.stop()
        _destroy_dbos()
    if presence.lost.is_set():
        raise WorkerLost(
            f"The worker {presence.id} was silent for so long that others took over its jobs.",
            hint="Start it again.",
        )
    for held in ledger.held(presence.id):
        ledger.requeue(held)
    presence.leave()


def _take_back(studio: Studio, presence: Presence, ledger: Ledger) -> None:
    """Let wait again what this worker was doing when it ended."""
    # DBOS's own recovery would skip those of another version, and knows nothing of our rows.
    for held in ledger.held(presence.id):
        ledger.requeue(held)
    with studio.db.session() as db:
        presence.hold(db)
        jobs = rows.lose(db, presence.id)
    if jobs:
        LOG.info("jobs that go on: %s", ", ".join(jobs))


def _prepare_dbos(options: WorkerOptions, ledger: Ledger, presence: Presence, runner: StepRunner) -> DBOS:
    configure_dbos_logging()
    from dbos import DBOS

    dbos = DBOS(
        config={
            "name": APPLICATION,
            "system_database_url": ledger.url,
            "sys_db_pool_size": 5,
            "application_version": presence.version,
            "executor_id": presence.id,
            "enable_otlp": False,
            "log_level": "WARNING",
            "max_executor_threads": 16,
        }
    )

    # How often it may be taken up is ours to say (`rows.MAX_LOST`): a restart is no failure of the job.
    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
    def studio_step(job_id: str, attempt: int, step: str) -> str:
        def durable(action: Callable[[], Any]) -> Any:
            return DBOS.run_step({"name": step}, action)

        return runner.run(job_id, attempt, step, durable)

    DBOS.listen_queues(queues_of(options.role))
    return dbos


def _destroy_dbos() -> None:
    from dbos import DBOS

    DBOS.destroy(destroy_registry=True)


def _wait_for(condition: Callable[[], bool], limit_s: float) -> None:
    begun = time.monotonic()
    while not condition() and time.monotonic() - begun < limit_s:
        time.sleep(0.05)
