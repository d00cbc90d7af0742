"""Which pictures of the album's store a job made or used: deleting its portraits deletes these only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.events import Event

FOLDER = "used"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class UsedPictures:
    """Listens to a run and notes its pictures, a line each; killed at any moment, what was told is noted.

    Args:
        work: The album's work folder.
        job_id: The job's.
    """

    def __init__(self, work: Path, job_id: str) -> None:
        self._path = work / FOLDER / job_id
        self._known = used_by(work, [job_id])

    def __call__(self, event: Event) -> None:
        """Take in what the recipe tells."""
        from stages.events import StageDone

        if not isinstance(event, StageDone) or event.output is None or event.output in self._known:
            return
        self._known.add(event.output)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.open("a", encoding="ascii") as stream:
            stream.write(f"{event.output}\n")


def used_by(work: Path, job_ids: Iterable[str]) -> set[str]:
    """SHA-256 of every picture these jobs made or used."""
    found: set[str] = set()
    for job_id in job_ids:
        try:
            text = (work / FOLDER / job_id).read_text(encoding="ascii")
        except FileNotFoundError:
            continue
        # A line that was cut short by a kill names nothing.
        found |= {line for line in text.splitlines() if _SHA256.fullmatch(line)}
    return found
