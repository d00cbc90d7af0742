"""Why a training failed, in a sentence, and what to do about it.

sd-scripts says it in tracebacks, in Japanese, or not at all: an empty folder gives exit code 0 and no file.
`explain_failure` reads the ends of both streams; the cases are recorded in tests/recorded. What it returns
names files only by their names: folders tell who somebody is.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...recipe import TrainRecipe
from .failure_rules import RULES, Case, Told
from .redact import file_names_only

_LAST_WORDS = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Invalid)\b.*$", re.MULTILINE
)
_MAX_QUOTE = 300
_SAVED = "model saved."


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed training, for people."""

    kind: str
    """Short and stable, such as "gpu_memory"; "unknown" when nothing matched."""
    message: str
    """What happened."""
    hint: str
    """What to do now."""
    lighter_may_help: bool
    """Whether a second try with the preset's lighter settings has a chance."""


def explain_failure(
    returncode: int | None,
    stdout_tail: str,
    stderr_tail: str,
    *,
    reason: str | None = None,
    recipe: TrainRecipe,
    facts: Mapping[str, Any] | None = None,
) -> Failure:
    """Say why a training failed.

    Args:
        returncode: The trainer's exit code, negative for a signal; None when it never started or nobody saw
            its end.
        stdout_tail: The last few thousand characters it printed.
        stderr_tail: The same of its errors.
        reason: Why it was ended from our side ("cancelled", "stalled", "time limit", "parent gone",
            "supervisor gone", "disk full", "nan", "cannot start: …"), or None.
        recipe: What was to be trained.
        facts: What is known of the machine: "device", "gpus", "free_disk_bytes" …

    Returns:
        Always something: the exception's own words when the case is not known.
    """
    case = Case(returncode, stdout_tail, stderr_tail, reason, recipe, facts or {})
    for rule in RULES:
        told = rule(case)
        if told is not None:
            return _failure(told)
    return _failure(_by_exit_code(case))


def _failure(told: Told) -> Failure:
    return Failure(told.kind, told.message, told.hint, told.lighter)


def _by_exit_code(case: Case) -> Told:
    code = case.returncode
    if code == 0 and _SAVED not in case.both:
        return Told(
            "not_saved",
            'sd-scripts ended without an error, but never said "model saved.": there is no LoRA.',
            "Read the end of the training's log; run again to go on from the last saved state.",
        )
    if code is not None and code < 0:
        return _by_signal(-code)
    words = _LAST_WORDS.findall(case.stderr)
    if words:
        return Told(
            "unknown",
            f"sd-scripts failed: {_quote(words[-1])}",
            "The whole message stands at the end of the training's log, stderr.log.",
        )
    ending = "was lost sight of" if code is None else f"ended with exit code {code}"
    return Told(
        "unknown",
        f"sd-scripts {ending} and gave no reason.",
        "Read the end of the training's log; run again to go on from the last saved state.",
    )


def _by_signal(number: int) -> Told:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if name in ("SIGTERM", "SIGINT", "SIGHUP"):
        return Told(
            "ended",
            f"Somebody or something else ended the training ({name}).",
            "Run the same command again: it goes on from the last saved state.",
        )
    return Told(
        "crashed",
        f"The trainer crashed ({name}).",
        "This is usually the GPU's driver or a package that does not fit it: update the driver and reinstall "
        "torch for it, or try attention: sdpa and torch_compile: false.",
    )


def _quote(words: str) -> str:
    text = file_names_only(words.strip())
    return text if len(text) <= _MAX_QUOTE else text[:_MAX_QUOTE] + "…"
