"""A log's events as progress for people, and the seconds of each phase."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ...progress import OnTrainProgress, Phase, TrainProgress
from .log import CheckpointSaved, LogEvent, ModelSaved, Moved, PhaseBegan, Said, Stepped
from .redact import base_name

_MESSAGES: dict[Phase, str] = {
    "preparing": "loading the model",
    "caching": "encoding the pictures",
    "training": "training",
    "saving": "saving",
}
_MAX_SAID = 50
_PHASES: dict[str, Phase] = {phase: phase for phase in _MESSAGES}


class Reporter:
    """Tells `on_progress`; steps never go back, also over a second try.

    Args:
        steps: Of the whole training; may be set later.
        on_progress: None = nobody listens.
    """

    def __init__(self, steps: int, on_progress: OnTrainProgress | None) -> None:
        self.seconds: dict[str, float] = {}
        self.said: list[str] = []
        """Warnings and errors of the trainer, each once, in order; the first of them when there are many."""
        self._tell_somebody = on_progress
        self.steps = steps
        self._step = 0
        self._loss: float | None = None
        self._eta_s: float | None = None
        self._pace: float | None = None
        self._phase: Phase = "preparing"
        self._since = time.monotonic()

    def tell(self, message: str, phase: Phase | None = None) -> None:
        """One report."""
        if phase is not None:
            self._enter(phase)
        if self._tell_somebody is not None:
            eta = self._eta_s if self._phase == "training" else None
            self._tell_somebody(
                TrainProgress(self._step, self.steps, self._loss, eta, message, self._phase, self._pace)
            )

    def start_at(self, step: int) -> None:
        """The training goes on from a step."""
        self._step = max(self._step, step)

    def close(self) -> None:
        """Count the last phase's seconds."""
        self._enter(self._phase)

    def take(self, events: Iterable[LogEvent]) -> None:
        """Pass a log's events on."""
        for event in events:
            match event:
                case PhaseBegan(name):
                    self.tell(_MESSAGES[_PHASES[name]], _PHASES[name])
                case Moved(phase, done, total):
                    what = _MESSAGES["caching"] if phase == "caching" else "reading the pictures"
                    self.tell(f"{what}, {done}/{total}")
                case Stepped():
                    self._stepped(event)
                case CheckpointSaved(path):
                    self.tell(f"saved {base_name(path)}")
                case ModelSaved():
                    self.tell("checking what was saved", "saving")
                case Said(level, text):
                    self._note(f"{level}: {text}")

    def _stepped(self, event: Stepped) -> None:
        self._step = max(self._step, event.step)
        self._loss = event.loss if event.loss is not None else self._loss
        self._eta_s, self._pace = event.eta_s, event.seconds_per_step or self._pace
        self.tell(_MESSAGES[self._phase])

    def _note(self, words: str) -> None:
        if words not in self.said and len(self.said) < _MAX_SAID:
            self.said.append(words)

    def _enter(self, phase: Phase) -> None:
        now = time.monotonic()
        self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._since
        self._phase, self._since = phase, now
