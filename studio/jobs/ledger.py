"""DBOS seen from outside: what is enqueued, cancelled, handed on.

Three things its public interface does not offer are statements on its table of workflows, each conditional on
what was seen, so that two processes that do the same at once do it once:

    requeue     a workflow of a worker that is gone, by the token of the run that was seen: `resume_workflow`
                would also stop one that was taken up meanwhile, and leave it running twice
    reorder     the priority of one that waits
    adopt       a newer application version for one that waits

dbos 3.4.0 `_schemas/system_database.py`, `_sys_db.py` (`reenqueue_for_recovery`); a test holds them to it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..core import Studio
from .steps import GENERATE, LIGHT, QUEUES, TRAIN, WORKFLOWS_VERSION, Step, step_named, workflow_id

if TYPE_CHECKING:
    from dbos import DBOSClient

WORKFLOW = "studio_step"
"""Name under which the workflow is registered."""
APPLICATION = "studio"
SCHEMA = "dbos"
POLL_S = 0.2
"""How often a worker asks a queue: what a GPU waits between two jobs."""
SLOTS = {LIGHT: 1, TRAIN: 3, GENERATE: 3}
"""Steps of a queue one worker may have. Of a GPU queue one has the GPU, which is the lease's to see to; one
may still write its files, and one may wait all prepared. How many more are taken is `watching.Gates`'s to
say."""

_COLUMNS = (
    "workflow_uuid",
    "status",
    "name",
    "executor_id",
    "application_version",
    "queue_name",
    "priority",
    "owner_xid",
    "started_at_epoch_ms",
    "completed_at",
)


@dataclass(frozen=True, slots=True)
class Held:
    """A workflow that some worker runs, or ran when it died."""

    id: str
    queue: str | None
    executor: str | None
    token: str | None
    """DBOS's owner_xid: new each time the workflow is taken up."""
    version: str | None


def configure_dbos_logging() -> None:
    """DBOS speaks through the standard logging, from WARNING on; its own handler is not installed."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        # dbos 3.4.0 `_logger.py`: it adds a console handler, and stops propagation, when there is none.
        logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.WARNING)


class Ledger:
    """DBOS's workflows of a studio. Connects, and loads dbos (2 s), at the first use. Thread-safe."""

    def __init__(self, studio: Studio, *, version: str = WORKFLOWS_VERSION) -> None:
        self._url, self._version = studio.jobs_database_url, version
        self._lock = threading.Lock()
        self._opened: tuple[DBOSClient, sa.Engine] | None = None

    @property
    def url(self) -> str:
        """Of DBOS's database."""
        return self._url

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            if self._opened is not None:
                client, engine = self._opened
                client.destroy()
                engine.dispose()
                self._opened = None

    # what DBOS offers

    def enqueue(self, job_id: str, attempt: int, step: Step, priority: int) -> str:
        """Put a step into its queue; one that is known already, waiting or done, stays as it is.

        Returns:
            The workflow's name.
        """
        name = workflow_id(job_id, attempt, step)
        self._client.enqueue(
            {
                "workflow_name": WORKFLOW,
                "queue_name": step.queue,
                "workflow_id": name,
                "app_version": self._version,
                "priority": priority,
            },
            job_id,
            attempt,
            step.name,
        )
        return name

    def forget(self, job_id: str) -> int:
        """Delete the workflows of a job, of all attempts.

        Returns:
            How many there were.
        """
        found = self._client.list_workflows(
            workflow_id_prefix=f"{job_id}-", load_input=False, load_output=False
        )
        names = [workflow.workflow_id for workflow in found]
        if names:
            self._client.delete_workflows(names)
        return len(names)

    def states(self, names: Collection[str]) -> dict[str, str]:
        """State by name of those that are known: ENQUEUED, PENDING, SUCCESS, ERROR, CANCELLED …"""
        if not names:
            return {}
        table = self._table
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(table.c.workflow_uuid, table.c.status).where(table.c.workflow_uuid.in_(list(names)))
            )
            return {row.workflow_uuid: row.status for row in rows}

    # what it does not

    def cancel_waiting(self, names: Iterable[str]) -> int:
        """Take workflows out of their queues; those that run are left alone: their worker ends them."""
        table = self._table
        return self._write(
            sa.update(table)
            .where(table.c.workflow_uuid.in_(list(names)), table.c.status == "ENQUEUED")
            .values(status="CANCELLED", queue_name=None, started_at_epoch_ms=None)
        )

    def reorder(self, names: Iterable[str], priority: int) -> int:
        """Give workflows that wait another priority."""
        table = self._table
        return self._write(
            sa.update(table)
            .where(table.c.workflow_uuid.in_(list(names)), table.c.status == "ENQUEUED")
            .values(priority=priority)
        )

    def held(self, executor: str | None = None) -> list[Held]:
        """Workflows that run: all, or those of one worker."""
        table = self._table
        query = sa.select(
            table.c.workflow_uuid,
            table.c.queue_name,
            table.c.executor_id,
            table.c.owner_xid,
            table.c.application_version,
        ).where(table.c.status == "PENDING", table.c.name == WORKFLOW)
        if executor is not None:
            query = query.where(table.c.executor_id == executor)
        with self._engine.connect() as connection:
            return [Held(*row) for row in connection.execute(query)]

    def requeue(self, held: Held) -> bool:
        """Put a workflow whose worker is gone back into its queue, in its old place.

        Returns:
            False when it was ended or taken up since it was seen.
        """
        table = self._table
        return bool(
            self._write(
                sa.update(table)
                .where(
                    table.c.workflow_uuid == held.id,
                    table.c.status == "PENDING",
                    table.c.owner_xid.is_not_distinct_from(held.token),
                    table.c.executor_id.is_not_distinct_from(held.executor),
                )
                .values(
                    status="ENQUEUED",
                    owner_xid=None,
                    started_at_epoch_ms=None,
                    # One that a restarting worker recovers without a queue would run beside what it has.
                    queue_name=held.queue if held.queue in QUEUES else _queue_of(held.id),
                )
            )
        )

    def waiting_versions(self) -> set[tuple[str, str]]:
        """(version, queue) of everything that waits."""
        table = self._table
        query = (
            sa.select(table.c.application_version, table.c.queue_name)
            .where(table.c.status == "ENQUEUED", table.c.queue_name.in_(QUEUES))
            .distinct()
        )
        with self._engine.connect() as connection:
            return {(row[0], row[1]) for row in connection.execute(query)}

    def adopt(self, version: str, queue: str) -> int:
        """Let workers of our version take what waits for workers of another that are gone."""
        table = self._table
        return self._write(
            sa.update(table)
            .where(
                table.c.status == "ENQUEUED",
                table.c.queue_name == queue,
                table.c.application_version == version,
            )
            .values(application_version=self._version)
        )

    def prune(self, *, before: float, limit: int = 500) -> int:
        """Delete workflows that ended before a time (seconds since 1970); what they did is in the studio's
        rows."""
        table = self._table
        query = (
            sa.select(table.c.workflow_uuid)
            .where(
                table.c.status.in_(("SUCCESS", "ERROR", "CANCELLED")),
                table.c.completed_at < int(before * 1000),
                table.c.name == WORKFLOW,
            )
            .limit(limit)
        )
        with self._engine.connect() as connection:
            names = list(connection.scalars(query))
        if names:
            self._client.delete_workflows(names)
        return len(names)

    def _write(self, statement: sa.Update) -> int:
        with self._engine.begin() as connection:
            return int(connection.execute(statement).rowcount)

    @property
    def _client(self) -> DBOSClient:
        return self._open()[0]

    @property
    def _engine(self) -> sa.Engine:
        return self._open()[1]

    @cached_property
    def _table(self) -> sa.TableClause:
        schema = None if self._url.startswith("sqlite") else SCHEMA
        return sa.table("workflow_status", *(sa.column(name) for name in _COLUMNS), schema=schema)

    def _open(self) -> tuple[DBOSClient, sa.Engine]:
        with self._lock:
            if self._opened is None:
                self._opened = _open(self._url)
            return self._opened


def _open(url: str) -> tuple[DBOSClient, sa.Engine]:
    configure_dbos_logging()
    from dbos import DBOS, DBOSClient

    # The client alone never makes DBOS's tables; the page may be the first to need them.
    DBOS.migrate(url)
    engine = sa.create_engine(url, pool_pre_ping=True, pool_size=2, max_overflow=8)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    client = DBOSClient(
        system_database_engine=engine,
        application_name=APPLICATION,
        # A page that waits for a database hangs; who can wait, does (`running.DATABASE_TROUBLE`).
        retry_connection_errors=False,
    )
    for queue in QUEUES:
        client.register_queue(
            queue,
            worker_concurrency=SLOTS[queue],
            polling_interval_sec=POLL_S,
        )
    return client, engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # As dbos 3.4.0 `_sys_db_sqlite.py` opens it: writers take the lock first, and wait for each other.
    connection.isolation_level = "IMMEDIATE"
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA foreign_keys=ON")


def _queue_of(name: str) -> str:
    return step_named(name.rpartition("-")[2]).queue
