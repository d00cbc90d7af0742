"""A worker among workers: its row, its heartbeat, and whether it still may do what it does.

A worker that is silent for `dead_after_s` is declared dead by any other, and its jobs are taken over. One
that was only slow (stopped, swapped out, cut off) must not go on beside them. So each start of a worker is an
incarnation of its own (`started_at`), every change it makes to a job asks in the same transaction whether the
incarnation still lives, and its work asks before each generation (`FencedToken`).
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from typing import Any

from sqlalchemy import CursorResult, func, select, text, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from sdwebui_client import CancelToken

from ..core import Studio
from ..data import LIVING, Worker
from ..errors import BadInput
from .errors import WorkerLost
from .options import WorkerOptions
from .stats import Stats

LOG = logging.getLogger(__name__)

_SURE_SHARE = 0.8
"""Share of `dead_after_s` for which a heartbeat counts without asking again."""


def clock() -> float:
    """Seconds that also pass while the process is stopped or the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def db_now(db: Session) -> float:
    """The time as all workers agree on it: the database server's."""
    if db.get_bind().dialect.name == "postgresql":
        return float(db.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    return time.time()


class Presence:
    """This process as a worker. Thread-safe."""

    def __init__(self, studio: Studio, options: WorkerOptions, stats: Stats, *, version: str) -> None:
        self._studio, self._options, self._stats, self.version = studio, options, stats, version
        self.id = options.name
        self.lost = threading.Event()
        """Set once another has declared us dead, or we cannot tell in time."""
        self._incarnation = 0.0
        self._confirmed = 0.0
        self._lock = threading.Lock()
        self.state = "running"
        """As the row has it: "draining" when an operator asked for it."""

    # coming and going

    def enter(self, stop: threading.Event) -> bool:
        """Take the worker's row, once no other process has it.

        Returns:
            False when `stop` was set first.

        Raises:
            BadInput: Another living process has the name.
        """
        first_beat: float | None = None
        while not stop.is_set():
            try:
                seen = self._try_to_enter()
            except IntegrityError:
                continue
            if seen is None:
                return True
            if first_beat is not None and seen.heartbeat_at > first_beat:
                raise BadInput(
                    f"Another worker called {self.id} runs on {seen.host} (pid {seen.pid}).",
                    hint="Give this one another name: --name",
                )
            if first_beat is None:
                LOG.info("waiting until the last worker called %s is known to be gone", self.id)
            first_beat = seen.heartbeat_at
            stop.wait(min(0.5, self._studio.settings.dead_after_s / 10))
        return False

    def _try_to_enter(self) -> Worker | None:
        """None when it is ours now, else the row of who has it."""
        before = clock()
        with self._studio.db.session() as db:
            # A write comes first: the row is ours until the end of the transaction, on SQLite too.
            db.execute(update(Worker).where(Worker.id == self.id).values(id=self.id))
            row, now = db.get(Worker, self.id), db_now(db)
            if row is not None and not self._gone(row, now):
                return row
            if row is None:
                row = Worker(id=self.id)
                db.add(row)
            row.role, row.host, row.pid = self._options.role, socket.gethostname()[:120], os.getpid()
            row.version, row.state = self.version, "running"
            row.servers = list(self._options.urls or self._options.gpus(drawing=False))
            row.started_at = row.heartbeat_at = now
            row.stats = self._stats.to_json()
            self._incarnation, self._confirmed = now, before
        return None

    def _gone(self, row: Worker, now: float) -> bool:
        if row.state not in LIVING or now - row.heartbeat_at >= self._studio.settings.dead_after_s:
            return True
        # A container's processes have the same numbers after a restart: our own number is no other's.
        return row.host == socket.gethostname()[:120] and (row.pid == os.getpid() or not _runs(row.pid))

    def leave(self) -> None:
        """Say that this worker ended in order; nothing when it was declared dead meanwhile."""
        with self._studio.db.session() as db:
            db.execute(
                update(Worker)
                .where(*self._mine())
                .values(state="stopped", heartbeat_at=db_now(db), stats=self._stats.to_json())
            )

    # staying

    def beat(self) -> None:
        """The heartbeat: says that we live, and learns whether others think so."""
        before = clock()
        with self._studio.db.session() as db:
            self.hold(db, stats=self._stats.to_json())
            self.state = db.scalars(select(Worker.state).where(Worker.id == self.id)).one()
        with self._lock:
            self._confirmed = max(self._confirmed, before)

    def hold(self, db: Session, **values: Any) -> None:
        """Be sure, until the end of the transaction, that we are not declared dead. Its first statement: it
        takes the lock.

        Raises:
            WorkerLost: We were.
        """
        now = func.extract("epoch", func.clock_timestamp()) if _on_postgres(db) else time.time()
        done = db.execute(update(Worker).where(*self._mine()).values(heartbeat_at=now, **values))
        assert isinstance(done, CursorResult)
        if done.rowcount != 1:
            self.lost.set()
            raise WorkerLost(
                f"The worker {self.id} was silent for so long that others took over its jobs.",
                hint="Start it again.",
            )

    def sure(self) -> bool:
        """Whether we still may work. Asks the database when the last heartbeat was too long ago."""
        if self.lost.is_set():
            return False
        with self._lock:
            age = clock() - self._confirmed
        if age < self._studio.settings.dead_after_s * _SURE_SHARE:
            return True
        try:
            self.beat()
        except WorkerLost:
            return False
        except SQLAlchemyError as error:
            LOG.warning(
                "no heartbeat for %.0f s, the database does not answer: %s", age, type(error).__name__
            )
            self.lost.set()
            return False
        return True

    def _mine(self) -> tuple[Any, ...]:
        return (
            Worker.id == self.id,
            Worker.started_at == self._incarnation,
            Worker.state.in_(LIVING),
        )


class FencedToken(CancelToken):
    """Also cancelled once the worker may not work any more, even if nobody had time to say so."""

    def __init__(self, presence: Presence) -> None:
        super().__init__()
        self._presence = presence

    @property
    def cancelled(self) -> bool:
        """Whether the end was asked for, or the worker was lost."""
        if not super().cancelled and not self._presence.sure():
            self.cancel()
        return super().cancelled


def _on_postgres(db: Session) -> bool:
    return db.get_bind().dialect.name == "postgresql"


def _runs(pid: int) -> bool:
    if sys.platform == "win32":
        # Signal 0 is Ctrl-C there; the heartbeat alone tells.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
