"""What a training costs on machines nobody has measured: a table with wide bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._time_spans import Bounds

CPU = "a CPU"
UNKNOWN = "an unknown GPU"
UNIT_S: Mapping[str, Bounds] = {
    CPU: (8.0, 26.0, 130.0),
    "a GPU with less than 7 GB": (0.35, 0.7, 2.0),
    "a GPU with 7 to 13 GB": (0.2, 0.4, 1.2),
    "a GPU with 13 to 20 GB": (0.15, 0.3, 0.9),
    "a GPU with more than 20 GB": (0.06, 0.18, 0.6),
    UNKNOWN: (0.06, 0.4, 2.0),
}
"""Seconds a unit (see `_step_cost`). CPU: 26 s measured on two shared cores; ten times as long were seen when
others used them too. GPUs are not measured: the only reported figure is EasyPhoto's "approximately 25
minutes" for 800 steps of four pictures, 0.47 s a picture with everything around it."""


def kind_of(machine: Mapping[str, Any] | None) -> str:
    """The row of the table a machine belongs to."""
    if machine is None or "gpus" not in machine:
        return UNKNOWN
    if not machine["gpus"]:
        return CPU
    total = max((float(gpu.get("total_mib") or 0) for gpu in machine["gpus"]), default=0.0) / 1024
    if total <= 0:
        return UNKNOWN
    if total < 7:
        return "a GPU with less than 7 GB"
    if total < 13:
        return "a GPU with 7 to 13 GB"
    return "a GPU with 13 to 20 GB" if total < 20 else "a GPU with more than 20 GB"
