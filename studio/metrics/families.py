"""Every family of metrics there is; tests compare dashboards, alerts and docs/operations.md with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WAIT_BOUNDS_S = (1, 5, 15, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200)
"""Upper edges of the waiting times' buckets, in seconds."""

RUN_BOUNDS_S = (1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
"""Upper edges of the running times' buckets, in seconds: a training takes minutes to hours."""

LIKENESS_BOUNDS = (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Upper edges of the likeness buckets: dense where portraits are kept or thrown away."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family of metrics.

    Attributes:
        kind: as Prometheus names it.
        meaning: one sentence; the HELP line.
        labels: their names, in order.
        bounds: of a histogram: upper edges of its buckets, without +Inf.
    """

    kind: Literal["gauge", "counter", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


FAMILIES: dict[str, Family] = {
    "studio_build_info": Family("gauge", "Always 1; says what runs.", ("version", "python", "database")),
    "studio_database_up": Family("gauge", "1 while the database answers; all but disk and build needs it."),
    "studio_paused": Family("gauge", "1 while an operator holds the queues."),
    "studio_jobs": Family("gauge", "Jobs there are, by state and stage.", ("state", "stage")),
    "studio_jobs_waiting": Family("gauge", "Jobs that wait for their next stage.", ("stage",)),
    "studio_oldest_wait_seconds": Family(
        "gauge", "How long the one that waits longest has waited.", ("stage",)
    ),
    "studio_jobs_finished_total": Family("counter", "Jobs that came to an end.", ("state",)),
    "studio_job_failures_total": Family(
        "counter", "Jobs that failed, by the code of their error.", ("code",)
    ),
    "studio_stage_wait_seconds": Family(
        "histogram", "From queued to started, by stage.", ("stage",), WAIT_BOUNDS_S
    ),
    "studio_stage_run_seconds": Family(
        "histogram", "From started to ended, by stage and outcome.", ("stage", "outcome"), RUN_BOUNDS_S
    ),
    "studio_generations_total": Family("counter", "Pictures and upscales that servers were paid for."),
    "studio_portraits_total": Family("counter", "Portraits that were delivered, by tone.", ("tone",)),
    "studio_portrait_likeness": Family(
        "histogram", "Likeness of delivered portraits, 0 to 1.", (), LIKENESS_BOUNDS
    ),
    "studio_photos_judged_total": Family(
        "counter", "Photos by verdict: accepted, or the code of the reason why not.", ("verdict",)
    ),
    "studio_picture_refusals_total": Family(
        "counter", "Pictures that were drawn and not kept, by reason.", ("worker", "reason")
    ),
    "studio_server_busy_seconds_total": Family(
        "counter", "Time a GPU worked for us since its worker started.", ("worker", "server")
    ),
    "studio_server_busy_share": Family(
        "gauge", "That time as a share of all time since, 0 to 1.", ("worker", "server")
    ),
    "studio_server_generations_total": Family(
        "counter", "Generations of a server since its worker started.", ("worker", "server")
    ),
    "studio_gpu_leased": Family("gauge", "1 for each GPU that a job holds now.", ("server", "worker")),
    "studio_workers": Family(
        "gauge", "Workers, by role and state; silent ones missed their heartbeat.", ("role", "state")
    ),
    "studio_worker_heartbeat_age_seconds": Family(
        "gauge", "Since a running or draining worker was last heard.", ("worker",)
    ),
    "studio_mails": Family("gauge", "Mails, by state.", ("state",)),
    "studio_mail_oldest_due_seconds": Family("gauge", "How long the oldest mail that is due has waited."),
    "studio_users": Family("gauge", "Accounts, by state.", ("state",)),
    "studio_disk_free_bytes": Family("gauge", "Free where the data directory lies."),
    "studio_disk_size_bytes": Family("gauge", "Size of the file system the data directory lies on."),
    "studio_last_backup_timestamp_seconds": Family(
        "gauge", "When the last backup was finished; absent before the first."
    ),
}
"""By name. Counters end in _total, and go on growing when an account is erased."""
