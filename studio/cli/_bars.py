"""Progress on a terminal as live bars, elsewhere as lines."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ._words import duration, plural, sparkline, time_left

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from stages.events import (
        Overall,
        PhotosProgress,
        StageDone,
        StageProgress,
        StageStarted,
        TrainingProgress,
    )

NARROW = 70
"""Below this many columns the words are cut."""
WIDE = 100
"""From this many columns on there is room for long bars."""
WHOLE, LOOKED_AT, TRIAL = "train", "look", "trial"
"""Stages of a training: all of it (it has a bar of its own), a trial picture looked at, and one drawn."""


class Bars(Protocol):
    """What moves while a run goes on."""

    def photos(self, event: PhotosProgress) -> None:
        """Another photo was looked at."""

    def training(self, event: TrainingProgress) -> None:
        """The LoRA's training moved."""

    def started(self, event: StageStarted) -> None:
        """A stage of a shot began."""

    def moved(self, event: StageProgress) -> None:
        """The server reported how far it is."""

    def done(self, event: StageDone) -> None:
        """A stage of a shot ended."""

    def overall(self, event: Overall) -> None:
        """The whole run moved."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


def make_bars(console: Console) -> Bars:
    """Live bars where the console can redraw a line, plain lines elsewhere."""
    return LiveBars(console) if console.is_terminal and not console.is_dumb_terminal else PlainBars(console)


class LiveBars:
    """One bar for the run, and one for each shot that is being worked on."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.table import Column

        narrow = console.width < NARROW
        self._progress: RichProgress = Progress(
            # Names of shots are longer than notes: `three_quarter_left-1-cool: upscale` fits in 100 columns.
            TextColumn("{task.description}", table_column=Column(ratio=3, no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=22 if console.width >= WIDE else 12),
            TaskProgressColumn(),
            TextColumn(
                "{task.fields[note]}",
                style="dim",
                table_column=Column(ratio=2, no_wrap=True, overflow="ellipsis"),
            ),
            console=console,
            transient=True,
            expand=not narrow,
        )
        self._tasks: dict[str, TaskID] = {}
        self._losses: list[float] = []
        self._closed = False

    def photos(self, event: PhotosProgress) -> None:
        """Count the photos."""
        share = event.done / max(1, event.total)
        self._show("photos", f"looking at photo {event.done} of {event.total}", share, "")
        if event.done >= event.total:
            self._drop("photos")

    def training(self, event: TrainingProgress) -> None:
        """Show the loss and its curve beside the bar."""
        if event.loss is not None:
            self._losses.append(event.loss)
        title, note = training_title(event), training_note(event, [], width=0)
        if event.step and event.loss is not None:
            # In the wide column: in the narrow one the curve would be the first to be cut.
            curve = sparkline(self._losses, width=6)
            title, note = f"step {event.step} of {event.steps}  loss {event.loss:.4f} {curve}", _left(event)
        self._show("training", title, event.fraction, note)
        if event.fraction >= 1:
            self._drop("training")

    def started(self, event: StageStarted) -> None:
        """Open a bar for the shot."""
        if event.stage not in (WHOLE, LOOKED_AT):
            self._show(event.shot, job_title(event.shot, event.stage), 0.0, "")

    def moved(self, event: StageProgress) -> None:
        """Move the shot's bar."""
        seen = event.progress
        note = (
            "waiting in the queue" if seen.queue_position else f"{seen.stage} {time_left(seen.eta_s)}".strip()
        )
        self._show(event.shot, job_title(event.shot, event.stage), seen.fraction, note)

    def done(self, event: StageDone) -> None:
        """Close the shot's bar."""
        self._drop(event.shot)

    def overall(self, event: Overall) -> None:
        """Move the bar of the run."""
        if event.done >= event.total:
            self._show("", "finishing", event.fraction, "")
            return
        text = f"picture {event.done + 1} of {event.total}"
        self._show("", text, event.fraction, time_left(event.time_left_s))

    def close(self) -> None:
        """Remove the bars."""
        self._closed = True
        self._progress.stop()

    def _show(self, key: str, text: str, fraction: float, note: str) -> None:
        if self._closed:
            return
        self._progress.start()  # does nothing when it runs already
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(text, total=1.0, note=note)
        self._progress.update(self._tasks[key], description=text, completed=fraction, note=note)

    def _drop(self, key: str) -> None:
        if key in self._tasks:
            self._progress.remove_task(self._tasks.pop(key))


class PlainBars:
    """A line for each job that ends, and now and then one for a job that takes long."""

    EVERY_S = 15.0
    """Seconds between two lines about the same job, so that a log of a long run stays readable."""
    TRAINING_EVERY_S = 300.0
    """Seconds between two lines of a training that takes the night."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said_at: dict[str, float] = {}
        self._training_said = ("", -1.0)
        self._training_said_at = 0.0
        self._words = ""
        self._losses: list[float] = []
        self._overall: Overall | None = None

    def photos(self, event: PhotosProgress) -> None:
        """A line for the first, so that a large folder is not silent."""
        if event.done <= 1:
            self._say(f"looking at {plural(event.total, 'file')} …")

    def training(self, event: TrainingProgress) -> None:
        """A line for each phase, every quarter of it and every few minutes, and for what else is said."""
        if event.loss is not None:
            self._losses.append(event.loss)
        now, quarter = time.monotonic(), (event.phase, int(event.fraction * 4) / 4)
        moved = quarter[0] != self._training_said[0] or quarter[1] > self._training_said[1]
        if moved or now - self._training_said_at >= self.TRAINING_EVERY_S:
            self._training_said, self._training_said_at = quarter, now
            note = training_note(event, self._losses, width=24)
            self._say(f"{training_title(event)} ({event.fraction:.0%})  {note}")
        elif self._is_news(event):
            self._say(event.message)
        self._words = _without_numbers(event.message)

    def _is_news(self, event: TrainingProgress) -> bool:
        """Whether something happened (a checkpoint, a lost connection), not only another number."""
        return event.message not in ("", event.phase) and _without_numbers(event.message) != self._words

    def started(self, event: StageStarted) -> None:
        """Remember when, to speak up only if it takes long."""
        self._said_at[event.shot] = time.monotonic()

    def moved(self, event: StageProgress) -> None:
        """A line now and then."""
        now = time.monotonic()
        if now - self._said_at.setdefault(event.shot, now) >= self.EVERY_S:
            self._said_at[event.shot] = now
            seen = event.progress
            self._say(
                f"{job_title(event.shot, event.stage)} {seen.fraction:.0%} ({seen.stage}) "
                f"{time_left(seen.eta_s)}"
            )

    def done(self, event: StageDone) -> None:
        """A line for each job of a server; the trials of a checkpoint are summed up in one."""
        if event.generation and not event.cached and event.stage != TRIAL:
            left = time_left(self._overall.time_left_s) if self._overall else ""
            count = f"[{self._overall.done + 1}/{self._overall.total}] " if self._overall else ""
            self._say(
                f"{count}{event.shot}: {event.stage}, {duration(event.seconds)}"
                + (f"; {left}" if left else "")
            )

    def overall(self, event: Overall) -> None:
        """Kept for the next line."""
        self._overall = event

    def close(self) -> None:
        """Nothing to leave behind."""

    def _say(self, text: str) -> None:
        self._console.print(text.rstrip(), markup=False, soft_wrap=True)


def job_title(shot: str, stage: str) -> str:
    """What is being worked on, in words.

    Example:
        >>> job_title("front-1-cool", "upscale"), job_title("step-800-weight-0.8-2", "trial")
        ('front-1-cool: upscale', 'step 800 at weight 0.8: picture 2')
    """
    trial = re.fullmatch(r"step-(\d+)-weight-([\d.]+)-(\d+)", shot)
    if trial is None:
        return f"{shot}: {stage}"
    return "step {} at weight {}: picture {}".format(*trial.groups())


def _without_numbers(text: str) -> str:
    return re.sub(r"\d+", "", text)


def training_title(event: TrainingProgress) -> str:
    """`training, step 120 of 1200`, or the phase alone before there are steps."""
    phase = event.phase or "training"
    return f"{phase}, step {event.step} of {event.steps}" if event.step else phase


def training_note(event: TrainingProgress, losses: Sequence[float], *, width: int) -> str:
    """The loss, its curve so far, and the time left."""
    loss = "" if event.loss is None else f"loss {event.loss:.4f} {sparkline(losses, width=width)}".strip()
    words = "" if event.phase and event.message.endswith(event.phase) else event.message
    return "  ".join(part for part in (_left(event), loss, words) if part)


def _left(event: TrainingProgress) -> str:
    return time_left(event.eta_s) if event.fraction < 1 else ""
