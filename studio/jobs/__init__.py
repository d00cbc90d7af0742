"""The studio's jobs, as DBOS workflows.

A job is a chain of workflows with fixed names (`steps`); its row in the studio's database says where it is.
`Jobs` hands jobs in and asks about them; it is what the page, the API and the command line use. `run_worker`
does them.

    who is next          order.py, leases.py (one job a GPU), watching.py (`Gates`)
    one step             running.py, rows.py, works.py (what is done, `studio.work`)
    what follows         afterwards.py (the next workflow, the mail, the album's next job)
    workers that die     presence.py (heartbeat, fence), housekeeping.py (takeover, repair)
    DBOS                 ledger.py (from outside), worker.py (launched)

docs/decisions/0018-jobs.md says why it is built so.
"""

from __future__ import annotations

from .client import Jobs
from .errors import WorkerLost
from .options import WorkerOptions
from .steps import WORKFLOWS_VERSION
from .worker import run_worker
from .works import Task, Work

__all__ = ["WORKFLOWS_VERSION", "Jobs", "Task", "Work", "WorkerLost", "WorkerOptions", "run_worker"]
