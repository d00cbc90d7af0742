"""Reading a running training's logs until it ends."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import TrainError
from ...progress import Cancel
from .host import ENDED, LOG_BYTES, JobHost
from .log import LogParser
from .reporter import Reporter

_ENDING_S = 60.0
"""How long a run may take to end after it was told to. It takes a second."""
_TAIL_BYTES = 16_000
"""Of each log, to find the reason of a failure in."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    parser: LogParser
    exit_code: int | None
    """Negative for a signal; None when nobody saw it."""
    reason: str | None
    """Why it was ended, by the supervisor or by us ("cancelled", "nan"); None when it ended by itself."""
    complete: bool = False
    """It was killed, but only after the checkpoint and the state of the last step."""

    @property
    def succeeded(self) -> bool:
        """Exit code 0 and "model saved.": each alone was seen without a LoRA."""
        if self.parser.nan_step is not None:
            return False  # it saves what it has become all the same
        return self.complete or (self.exit_code == 0 and self.parser.saved)


def follow(host: JobHost, steps: int, reporter: Reporter, cancel: Cancel | None) -> Ended:
    """Read both logs from their beginning until nothing of the run is left.

    A run is ended when `cancel` says so, and when the loss is no number any more: nothing comes of it.

    Raises:
        TrainError: It does not end.
    """
    parser = LogParser(total_steps=steps)
    read = {"stdout.log": 0, "stderr.log": 0}
    stopped: str | None = None
    until: float | None = None
    while True:
        if cancel is not None and cancel.cancelled:
            stopped = "cancelled"
        elif parser.nan_step is not None:
            stopped = stopped or "nan"
        if stopped is not None:
            host.cancel()
            until = until or time.monotonic() + _ENDING_S
        status = host.status()  # before the logs: what was written before the end is then read
        feeds = [("stdout.log", parser.feed_stdout), ("stderr.log", parser.feed_stderr)]
        if parser.phase == "training":
            feeds.reverse()  # the bar first: what is saved then comes after the step it was saved at
        new = 0
        for name, feed in feeds:
            data = host.read_log(name, read[name])
            read[name] += len(data)
            new += len(data)
            reporter.take(feed(data))
        if status is not None and status["state"] in ENDED:
            if not new:
                break
        elif until is not None and time.monotonic() > until:
            raise TrainError(
                f"The training in {host.job_dir} was told to end and does not: its GPU or disk may hang.",
                "End it by hand; its process number is in status.json there.",
            )
        elif new < LOG_BYTES:
            time.sleep(host.poll_s)
    reporter.take(parser.close())
    if parser.nan_step is not None:
        stopped = stopped or "nan"
    return Ended(parser, status.get("exit_code"), stopped or status.get("reason"))


def read_again(host: JobHost, steps: int) -> LogParser:
    """What the logs of the latest run say, without telling anybody."""
    parser = LogParser(total_steps=steps)
    for name, feed in (("stdout.log", parser.feed_stdout), ("stderr.log", parser.feed_stderr)):
        offset = 0
        while data := host.read_log(name, offset):
            offset += len(data)
            feed(data)
    parser.close()
    return parser


def tails(host: JobHost) -> tuple[str, str]:
    """The ends of both logs."""
    out, err = (host.log_tail(name, _TAIL_BYTES) for name in ("stdout.log", "stderr.log"))
    return out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def is_running(host: JobHost) -> bool:
    """Whether something of the job runs."""
    status: Mapping[str, Any] | None = host.status()
    return status is not None and status["state"] not in ENDED
