"""A finished training on disk, from its end until the best checkpoint is chosen.

Choosing needs a WebUI and may fail for an hour; the training before it took long and must not be done again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from train_lora import ArtifactError, Checkpoint, TrainingRun, read_artifact

from ..store import explain_full_disk, write_atomically

FINISHED = "finished.json"
SCHEMA = "sdwebui-finished-training/1"


def save_finished(folder: Path, run: TrainingRun) -> None:
    """Note that the training in `folder` is finished, with the hashes of its files."""
    content = {
        "schema": SCHEMA,
        "checkpoints": [
            {
                "step": checkpoint.step,
                "file": checkpoint.artifact.path.resolve().relative_to(folder.resolve()).as_posix(),
                "sha256": checkpoint.artifact.sha256,
            }
            for checkpoint in run.checkpoints
        ],
        "steps": run.steps,
        "losses": [list(point) for point in run.losses],
        "seconds": dict(run.seconds),
        "resumed_from": run.resumed_from,
        "lighter": dict(run.lighter) if run.lighter is not None else None,
        "command": list(run.command),
        "facts": dict(run.facts),
    }
    with explain_full_disk(folder):
        write_atomically(folder / FINISHED, json.dumps(content, ensure_ascii=False, indent=1).encode())


def load_finished(folder: Path) -> TrainingRun | None:
    """The finished training in `folder`; None when there is none, or a file of it is gone or changed."""
    try:
        content: dict[str, Any] = json.loads((folder / FINISHED).read_text("utf-8"))
        if content["schema"] != SCHEMA:
            return None
        checkpoints = []
        for entry in content["checkpoints"]:
            artifact = read_artifact(folder / entry["file"])
            if artifact.sha256 != entry["sha256"]:
                return None
            checkpoints.append(Checkpoint(int(entry["step"]), artifact))
        if not checkpoints:
            return None
        return TrainingRun(
            tuple(checkpoints),
            int(content["steps"]),
            losses=tuple((int(step), float(loss)) for step, loss in content["losses"]),
            seconds=content["seconds"],
            resumed_from=content["resumed_from"],
            lighter=content["lighter"],
            command=tuple(content["command"]),
            facts=content["facts"],
        )
    except (OSError, ValueError, KeyError, TypeError, ArtifactError):
        return None
