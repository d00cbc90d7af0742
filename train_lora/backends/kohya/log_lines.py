"""Bytes of a trainer's log as lines, and tqdm's progress bars as numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LINE_BYTES = 8192
"""Of a line; more is rubbish, or a trainer that never ends its line."""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What would steer a terminal."""
# Lengths are bounded: what is no bar must not take time that grows with the square of the line.
_BAR = re.compile(
    r"^(?P<name>[^%|\[\]]{0,80}?):?\s{0,9}(?P<percent>\d{1,3})%\|[^|]*\|\s{0,9}"
    r"(?P<done>\d{1,9})/(?P<total>\d{1,9})\s*"
    r"\[(?P<elapsed>[\d:?]+)<(?P<left>[\d:?]+),\s*(?P<rate>[^,\]]+?)(?:,\s*(?P<postfix>[^\]]*?))?\s*\]"
)
# rich's layout: time (or as many blanks), level, message, source file (RichHandler, rich 14).
_RICH = re.compile(
    r"^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\s{19,})\s(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+"
    r"(?P<message>.*?)(?:\s{1,}\w+\.py:\d+)?\s*$"
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One state of a progress bar."""

    name: str
    """What stands before it; "" for the unnamed ones."""
    done: int
    total: int
    left_s: float | None
    seconds_per_step: float | None
    loss: float | None
    """Average loss; nan when the trainer says so, None when it says nothing."""


class LineSplitter:
    r"""Cuts a stream into lines at \r and \n, however its bytes arrive."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete now, without terminal escapes."""
        *lines, rest = re.split(rb"[\r\n]", self._rest + data)
        self._rest = rest[:MAX_LINE_BYTES]  # without an end the line would grow for hours
        return [_clean(line[:MAX_LINE_BYTES]) for line in lines]

    @property
    def rest(self) -> str:
        """What has come of the next line."""
        return _clean(self._rest)

    def flush(self) -> str:
        """The last line, which nothing ended."""
        last, self._rest = self.rest, b""
        return last


def _clean(raw: bytes) -> str:
    return _ESCAPES.sub("", raw.decode("utf-8", errors="replace"))


def read_bar(line: str) -> tuple[Bar, str] | None:
    """The progress bar a line begins with and the text behind it, or None.

    Example:
        >>> bar, rest = read_bar("steps:  25%|##5   | 1/4 [00:02<00:07,  2.50s/it, avr_loss=1.1]")
        >>> bar.done, bar.total, bar.seconds_per_step, bar.loss
        (1, 4, 2.5, 1.1)
    """
    found = _BAR.match(line)
    if found is None:
        return None
    bar = Bar(
        name=found["name"].strip(),
        done=int(found["done"]),
        total=int(found["total"]),
        left_s=_seconds(found["left"]),
        seconds_per_step=_pace(found["rate"]),
        loss=_loss(found["postfix"] or ""),
    )
    return bar, line[found.end() :]


def read_rich(line: str) -> tuple[str, str] | None:
    """(level, message) of a record as rich writes it, or None."""
    found = _RICH.match(line)
    return (found["level"], found["message"]) if found else None


def _seconds(clock: str) -> float | None:
    """1:02:03 or 02:03 in seconds; None for "?"."""
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return float(seconds)


def _pace(rate: str) -> float | None:
    """Seconds a step of "2.50s/it" or "1.41it/s"; None for "?it/s"."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)(s/it|it/s)\s*", rate)
    if found is None:
        return None
    value = float(found[1])
    if found[2] == "s/it":
        return value
    return 1.0 / value if value else None


def _loss(postfix: str) -> float | None:
    """`avr_loss` of a LoRA, `loss` of a textual inversion (train_textual_inversion.py@v0.10.1)."""
    values = dict(part.strip().split("=", 1) for part in postfix.split(",") if "=" in part)
    for name in ("avr_loss", "loss"):
        try:
            return float(values[name])
        except (KeyError, ValueError):
            continue
    return None
