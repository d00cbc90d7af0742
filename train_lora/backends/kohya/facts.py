"""What the probe said of a machine, read: what a training would run on, and what is worth keeping of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...recipe import TrainRecipe
from .precision import Device, Precision, choose_precision


def device_of(facts: Mapping[str, Any]) -> Device:
    """Where a training would run: a GPU that is there and that this torch was built for, else the CPU."""
    build = facts.get("torch") or {}
    return "cuda" if facts.get("gpus") and (build.get("cuda") or build.get("hip")) else "cpu"


def precision_of(facts: Mapping[str, Any], recipe: TrainRecipe) -> Precision:
    """The recipe's precision on this machine."""
    device = device_of(facts)
    bf16 = device == "cuda" and facts["gpus"][0].get("bf16") is True
    return choose_precision(recipe, device=device, bf16=bf16)


def lasting_facts(facts: Mapping[str, Any], recipe: TrainRecipe, warnings: Sequence[str]) -> dict[str, Any]:
    """What is worth keeping in the record of a training: no path, no name of a machine."""
    packages = facts.get("packages", {})
    return {
        "device": device_of(facts),
        "precision": precision_of(facts, recipe),
        **{name: facts.get(name) for name in ("gpus", "cpu", "cpus", "platform", "python", "torch")},
        "packages": {name: packages.get(name) for name in ("accelerate", "diffusers", "transformers")},
        "sd_scripts": {name: (facts.get("sd_scripts") or {}).get(name) for name in ("version", "commit")},
        "warnings": list(dict.fromkeys(warnings)),
    }
