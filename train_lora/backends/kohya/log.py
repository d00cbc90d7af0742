"""What a training has come to, read from sd-scripts' output as it grows.

With --console_log_simple records go to stdout, one a line; progress bars and tracebacks to stderr. Without it
rich writes the records to stderr, in columns. Both are read. The two streams need not arrive in step.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .log_lines import Bar, LineSplitter, read_bar, read_rich
from .losses import MAX_POINTS, LossCurve
from .redact import base_name, file_names_only

PHASES = ("preparing", "caching", "training", "saving")


@dataclass(frozen=True, slots=True)
class PhaseBegan:
    """The training entered a phase of `PHASES`."""

    name: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Pictures done before the training itself begins."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """An optimizer step, counted from the beginning of the whole training, resumed or not."""

    step: int
    steps: int
    loss: float | None
    """Average loss; None before the first, and when it is no number any more."""
    seconds_per_step: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """A checkpoint's file is whole."""

    path: str


@dataclass(frozen=True, slots=True)
class ModelSaved:
    """ "model saved.": the trainer's own word that it is done."""


@dataclass(frozen=True, slots=True)
class Said:
    """Something people should know; files by name only."""

    level: str
    """"warning" or "error"."""
    text: str


LogEvent: TypeAlias = PhaseBegan | Moved | Stepped | CheckpointSaved | ModelSaved | Said


class LogParser:
    """Reads both streams of one run.

    Args:
        total_steps: Steps of the whole training, when known. Otherwise progress is held back until the log
            says it: a resumed run's bar counts the remaining ones only.
    """

    def __init__(self, *, total_steps: int | None = None) -> None:
        self.phase = ""
        self.step = 0
        """Optimizer steps done."""
        self.total_steps = total_steps
        self.loss: float | None = None
        """Latest average; nan when it is no number any more."""
        self.nan_step: int | None = None
        """First step whose loss was no number."""
        self.s_per_step: float | None = None
        self.eta_s: float | None = None
        self.saved = False
        """Whether "model saved." was said."""
        self.checkpoints: list[str] = []
        """Paths of the checkpoints that are whole."""
        self.writing: str | None = None
        """Path of the checkpoint being written: not whole, or not known to be."""
        self.images: int | None = None
        """Training pictures times their repeats."""
        self.regularisation: int | None = None
        self.text_encoder_modules: int | None = None
        self.unet_modules: int | None = None
        self._losses = LossCurve()
        self._stdout, self._stderr = LineSplitter(), LineSplitter()
        self._held: deque[Bar] = deque(maxlen=MAX_POINTS)
        self._last: Stepped | None = None
        self._last_moved: Moved | None = None
        self._events: list[LogEvent] = []

    # ---- what is known

    @property
    def steps(self) -> int:
        """Steps of the whole training; 0 while unknown."""
        return self.total_steps or 0

    @property
    def modules(self) -> int | None:
        """LoRA modules being trained; None while unknown."""
        known = [count for count in (self.text_encoder_modules, self.unet_modules) if count is not None]
        return sum(known) if known else None

    @property
    def losses(self) -> list[tuple[int, float]]:
        """(step, average loss), ascending, at most 400 of them, the first and the last among them."""
        return self._losses.points

    # ---- reading

    def feed_stdout(self, data: bytes) -> list[LogEvent]:
        """Take what came on stdout; returns what it says."""
        self._began("preparing")
        for line in self._stdout.feed(data):
            self._printed(line)
        return self._take()

    def feed_stderr(self, data: bytes) -> list[LogEvent]:
        """Take what came on stderr; returns what it says."""
        self._began("preparing")
        for line in self._stderr.feed(data):
            self._reported(line)
        # tqdm ends a bar's line only when it draws the next one, which may be a minute later.
        pending = read_bar(self._stderr.rest)
        if pending is not None:
            self._barred(pending[0])
        return self._take()

    def close(self) -> list[LogEvent]:
        """The run is over: take what no line end followed, and progress whose total never came."""
        self._printed(self._stdout.flush())
        self._reported(self._stderr.flush())
        if self._held:
            self._know_total(self._held[-1].total)
        return self._take()

    def _take(self) -> list[LogEvent]:
        events, self._events = self._events, []
        return events

    # ---- lines

    def _printed(self, line: str) -> None:
        text = line.strip()
        if not text:
            return
        # Said before the file is written (sai_model_spec.py@v0.10.1, get_implementation_version).
        if self.writing is not None and not text.startswith("Failed to get git commit"):
            self._written()
        self._recorded(text)

    def _reported(self, line: str) -> None:
        found = read_bar(line)
        if found is not None:
            self._barred(found[0])
            line = found[1]
        record = read_rich(line)
        if record is not None:
            self._recorded(record[1].strip())
        elif _EXCEPTION.match(line):
            self._said("error", line)

    def _recorded(self, text: str) -> None:
        for pattern, act in _RECORDS:
            found = pattern.match(text)
            if found is not None:
                act(self, found)
                return

    # ---- what lines mean

    def _began(self, phase: str) -> None:
        if not self.phase or PHASES.index(phase) > PHASES.index(self.phase):
            self.phase = phase
            self._events.append(PhaseBegan(phase))

    def _barred(self, bar: Bar) -> None:
        if bar.name == "steps":
            if self.total_steps is None:
                self._held.append(bar)
            else:
                self._stepped(bar)
        elif self.phase in ("preparing", "caching"):
            moved = Moved(self.phase, bar.done, bar.total)
            if moved != self._last_moved:
                self._last_moved = moved
                self._events.append(moved)

    def _know_total(self, total: int) -> None:
        self.total_steps = total
        while self._held:
            self._stepped(self._held.popleft())

    def _stepped(self, bar: Bar) -> None:
        self._began("training")
        self.step = max(self.step, self.steps - bar.total + bar.done)
        self.s_per_step = bar.seconds_per_step or self.s_per_step
        self.eta_s = bar.left_s
        loss = bar.loss
        if loss is not None:
            self.loss = loss
            if math.isfinite(loss):
                self._losses.add(self.step, loss)
            else:
                loss = None
                if self.nan_step is None:
                    self.nan_step = self.step
                    self._said("error", f"The loss is no number any more (step {self.step}).")
        event = Stepped(self.step, self.steps, loss, self.s_per_step, self.eta_s)
        if event != self._last:
            self._last = event
            self._events.append(event)

    def _saving(self, path: str) -> None:
        self.writing = path
        if not re.search(r"-(?:step\d{8}|\d{6})\.\w+$", path):
            self._began("saving")
        if self.saved:  # the other stream was ahead
            self._written()

    def _written(self) -> None:
        path, self.writing = self.writing, None
        if path is not None:
            self.checkpoints.append(path)
            self._events.append(CheckpointSaved(path))

    def _model_saved(self) -> None:
        self._written()
        self._began("saving")
        if not self.saved:
            self.saved = True
            self._events.append(ModelSaved())

    def _said(self, level: str, text: str) -> None:
        self._events.append(Said(level, file_names_only(text.strip())))


def _sets(name: str) -> Callable[[LogParser, re.Match[str]], None]:
    return lambda parser, found: setattr(parser, name, int(found[1]))


def _says(level: str) -> Callable[[LogParser, re.Match[str]], None]:
    return lambda parser, found: parser._said(level, found[0])


def _names(level: str) -> Callable[[LogParser, re.Match[str]], None]:
    return lambda parser, found: parser._said(level, f"{found[1]}: {base_name(found[2])}")


_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Invalid)\b(?::|$)")
_RECORDS: tuple[tuple[re.Pattern[str], Callable[[LogParser, re.Match[str]], None]], ...] = (
    (re.compile(r"model saved\.$"), lambda parser, _: parser._model_saved()),
    (re.compile(r"saving checkpoint: (.+)$"), lambda parser, found: parser._saving(found[1])),
    (re.compile(r"saving last state\.$"), lambda parser, _: parser._began("saving")),
    (re.compile(r"caching (?:latents|[Tt]ext [Ee]ncoder outputs)\.\.\."), lambda p, _: p._began("caching")),
    (re.compile(r"total optimization steps .*: (\d{1,9})$"), lambda p, found: p._know_total(int(found[1]))),
    (re.compile(r"num train images \* repeats .*: (\d{1,9})$"), _sets("images")),
    (re.compile(r"num reg images .*: (\d{1,9})$"), _sets("regularisation")),
    (re.compile(r"enable LoRA for text encoder: (\d{1,9})\b"), _sets("text_encoder_modules")),
    (re.compile(r"enable LoRA for U-Net: (\d{1,9})\b"), _sets("unet_modules")),
    (re.compile(r"No data found\."), _says("error")),
    (re.compile(r"not directory: "), _says("error")),
    (re.compile(r"(failed to get image size): (.+?), error:"), _names("error")),
    (re.compile(r"(Error loading file): (.+)$"), _names("error")),
    (re.compile(r"No caption file found for \d+ images"), _says("warning")),
    (re.compile(r"(?:ignore subset|Invalid user config|Error on parsing TOML).*$"), _says("error")),
    (re.compile(r"some of reg images are not used"), _says("warning")),
    (re.compile(r"learning rate is too low.*$"), _says("warning")),
)
