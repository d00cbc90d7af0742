"""What a job's steps do. `studio.jobs` decides when and where; here it is done.

    check_photos      every photo judged, the wishes understood        CPU
    needs_training    whether a LoRA must be trained first             CPU
    train_model       a finished training in the album's work folder   GPU of a trainer
    draw_portraits    the checkpoint chosen, published, every picture  GPU of a WebUI
    deliver_portraits pictures marked, thumbnails, rows                CPU

Each may be repeated after any interruption: what was finished is found in the album's work folder, which all
of its jobs share. Each answers with a little plain JSON. What goes wrong is explained by `explain_failure`;
`worth_waiting` says for which errors another try later is worth it.
"""

from __future__ import annotations

from .context import JobContext
from .deliver import deliver_portraits
from .draw import draw_portraits
from .failures import JobFailed, explain_failure, worth_waiting
from .photos import check_photos, needs_training
from .reporter import Reporter
from .stats import WorkerStats
from .train import train_model
from .wished import preset_names, preset_of

__all__ = [
    "JobContext",
    "JobFailed",
    "Reporter",
    "WorkerStats",
    "check_photos",
    "deliver_portraits",
    "draw_portraits",
    "explain_failure",
    "needs_training",
    "preset_names",
    "preset_of",
    "train_model",
    "worth_waiting",
]
