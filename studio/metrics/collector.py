"""From rows to families of metrics, kept some seconds: ten scrapers cost what one costs."""

from __future__ import annotations

import logging
import platform
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from ..core import Studio
from ..data import LIVING, UNFINISHED, Worker
from ..extras import project_version
from ..service_settings import DAY_S
from . import counts
from .families import FAMILIES
from .ledger import settle

STAGES = ("photos", "training", "choosing", "drawing", "delivery", "mail")
SHARE = 10.0
"""An answer is kept at least so many times as long as it took: a large studio is not busy with counting."""
FORGET_AFTER_S = DAY_S
"""A stopped worker's own figures are shown so long; its portraits stay counted."""

_log = logging.getLogger(__name__)


class StudioCollector(Collector):
    """Counts when asked, at most once in `cache_s` seconds, and seldom enough. Thread-safe."""

    def __init__(self, studio: Studio, *, cache_s: float = 5.0) -> None:
        self._studio, self._cache_s = studio, cache_s
        self._lock = threading.Lock()
        self._kept: list[Metric] = []
        self._keep_until = float("-inf")

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families, in the order of `FAMILIES`."""
        with self._lock:
            start = time.monotonic()
            if start >= self._keep_until:
                self._kept = self._read()
                took = time.monotonic() - start
                self._keep_until = time.monotonic() + (
                    max(self._cache_s, SHARE * took) if self._cache_s else 0.0
                )
            found = list(self._kept)
        yield from found

    def _read(self) -> list[Metric]:
        sheet = Sheet()
        _machine(sheet, self._studio)
        try:
            _database(sheet, self._studio, time.time())
        except SQLAlchemyError as error:
            # The page itself may answer still; what is missing here is what tells the operator.
            _log.error("the metrics could not be counted: %s", type(error).__name__, exc_info=error)
            sheet = Sheet()
            _machine(sheet, self._studio)
            sheet.put("studio_database_up", 0)
        else:
            sheet.put("studio_database_up", 1)
        return sheet.metrics()


class Sheet:
    """Values by family and labels; a family nobody wrote to is left out."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], float]] = {}
        self._histograms: dict[str, dict[tuple[str, ...], tuple[list[float], float]]] = {}

    def put(self, name: str, value: float, *labels: str) -> None:
        """Set one value; adds to what stands there already."""
        assert len(labels) == len(FAMILIES[name].labels), name
        values = self._values.setdefault(name, {})
        values[labels] = values.get(labels, 0.0) + value

    def put_bucket(self, name: str, index: str, value: float, *labels: str) -> None:
        """Set one bucket of a histogram by its place, or its `sum`."""
        empty = [0.0] * (len(FAMILIES[name].bounds) + 1)
        buckets, total = self._histograms.setdefault(name, {}).setdefault(labels, (empty, 0.0))
        if index == "sum":
            self._histograms[name][labels] = (buckets, value)
        elif int(index) < len(buckets):
            buckets[int(index)] = value
            self._histograms[name][labels] = (buckets, total)

    def metrics(self) -> list[Metric]:
        """As Prometheus' library wants them."""
        return [metric for name in FAMILIES for metric in self._metric(name)]

    def _metric(self, name: str) -> Iterator[Metric]:
        family = FAMILIES[name]
        metric: Any
        if name in self._histograms:
            metric = HistogramMetricFamily(name, family.meaning, labels=family.labels)
            edges = [*(str(float(bound)) for bound in family.bounds), "+Inf"]
            for labels, (buckets, total) in sorted(self._histograms[name].items()):
                below = [sum(buckets[: index + 1]) for index in range(len(buckets))]
                metric.add_metric(labels, list(zip(edges, below, strict=True)), total)
            yield metric
        elif name in self._values:
            made = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            metric = made(name, family.meaning, labels=family.labels)
            for labels, value in sorted(self._values[name].items()):
                metric.add_metric(labels, value)
            yield metric


def _machine(sheet: Sheet, studio: Studio) -> None:
    engine = studio.db.engine.dialect.name
    sheet.put("studio_build_info", 1, project_version(), platform.python_version(), engine)
    disk = shutil.disk_usage(studio.layout.root)
    sheet.put("studio_disk_free_bytes", disk.free)
    sheet.put("studio_disk_size_bytes", disk.total)


def _database(sheet: Sheet, studio: Studio, now: float) -> None:
    for series, value in settle(studio.db, counts.totals).items():
        name, *rest = series
        if FAMILIES[name].kind == "histogram":
            sheet.put_bucket(name, rest[-1], value, *rest[:-1])
        else:
            sheet.put(name, value, *rest)
    with studio.db.session() as db:
        flags = counts.flags(db)
        sheet.put("studio_paused", 1 if "paused" in flags else 0)
        if counts.LAST_BACKUP in flags:
            sheet.put("studio_last_backup_timestamp_seconds", flags[counts.LAST_BACKUP]["at"])
        _jobs(sheet, list(counts.jobs(db)), now)
        by_state, overdue_s = counts.mails(db, now)
        for state in {"waiting", "sending", "sent", "unclear", "failed", *by_state}:
            sheet.put("studio_mails", by_state.get(state, 0), state)
        sheet.put("studio_mail_oldest_due_seconds", overdue_s)
        accounts = counts.users(db)
        for state in ("active", "unconfirmed", "disabled"):
            sheet.put("studio_users", accounts.get(state, 0), state)
        for lease in counts.leases(db):
            sheet.put("studio_gpu_leased", 1, lease.gpu, lease.worker_id)
        workers = counts.workers(db)
    for worker in workers:
        _worker(sheet, worker, now, studio.settings.dead_after_s)


def _jobs(sheet: Sheet, rows: list[tuple[str, str, bool, int, float]], now: float) -> None:
    # Zeros too: a graph and an alert need the series to be there at all times.
    for stage in STAGES:
        sheet.put("studio_jobs_waiting", 0, stage)
        for state in UNFINISHED:
            sheet.put("studio_jobs", 0, state, stage)
    oldest = dict.fromkeys(STAGES, 0.0)
    for state, stage, waiting, number, since in rows:
        sheet.put("studio_jobs", number, state, stage)
        if waiting and state in UNFINISHED:
            sheet.put("studio_jobs_waiting", number, stage)
            oldest[stage] = max(oldest.get(stage, 0.0), now - since)
    for stage, age_s in oldest.items():
        sheet.put("studio_oldest_wait_seconds", age_s, stage)


def _worker(sheet: Sheet, worker: Worker, now: float, dead_after_s: float) -> None:
    age_s = max(0.0, now - worker.heartbeat_at)
    alive = worker.state in LIVING
    sheet.put("studio_workers", 1, worker.role, "silent" if alive and age_s > dead_after_s else worker.state)
    if alive:
        sheet.put("studio_worker_heartbeat_age_seconds", age_s, worker.id)
    if age_s > FORGET_AFTER_S:
        return
    for reason, number in worker.stats.get("refusals", {}).items():
        sheet.put("studio_picture_refusals_total", float(number), worker.id, str(reason))
    for server, stats in worker.stats.get("servers", {}).items():
        busy_s = float(stats.get("busy_s", 0.0))
        all_s = worker.heartbeat_at - float(stats.get("since") or worker.started_at)
        sheet.put("studio_server_busy_seconds_total", busy_s, worker.id, server)
        sheet.put("studio_server_generations_total", float(stats.get("generations", 0)), worker.id, server)
        if all_s > 0:
            sheet.put("studio_server_busy_share", min(1.0, busy_s / all_s), worker.id, server)
