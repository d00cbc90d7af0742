"""Which sampler and scheduler a request gets: an unknown name is replaced without a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .catalogue import Catalogue

AUTOMATIC = "Automatic"


@dataclass(frozen=True, slots=True)
class Sampling:
    """The sampler and scheduler in force."""

    sampler: str
    scheduler: str
    """As the infotext's "Schedule type" begins: Automatic when it is the sampler's own."""
    schedule_type: str | None
    """What the run adds to `extra_generation_params`; None for Automatic."""


def resolve(catalogue: Catalogue, sampler: str | None, scheduler: str | None) -> Sampling:
    """Choose as the server does (recorded: e01*; modules/sd_samplers.py, A1111 1.10.1).

    "DPM++ 2M Karras" is split at a scheduler's label or name; what is unknown becomes the first sampler of
    the list, and Automatic. The sampler's own scheduler counts as Automatic and is named only by the run.
    """
    samplers: list[dict[str, Any]] = catalogue.answer("/sdapi/v1/samplers")
    schedulers: list[dict[str, Any]] = catalogue.answer("/sdapi/v1/schedulers")
    by_name = {key: entry for entry in schedulers for key in (entry["name"], entry["label"])}
    chosen = by_name.get(scheduler or "", schedulers[0])
    name = sampler or samplers[0]["name"]
    for entry in schedulers:
        for option in (entry["label"], entry["name"], *(entry["aliases"] or ())):
            if name.endswith(f" {option}"):
                chosen, name = entry, name[: -len(option) - 1]
                break
    found = next((entry for entry in samplers if entry["name"] == name), samplers[0])
    own = (found["options"] or {}).get("scheduler")
    if own == chosen["name"]:
        chosen = schedulers[0]
    if chosen["label"] == AUTOMATIC:
        label = by_name[own]["label"] if own in by_name else None
        return Sampling(found["name"], AUTOMATIC, label)
    return Sampling(found["name"], chosen["label"], chosen["label"])
