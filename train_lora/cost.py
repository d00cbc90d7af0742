"""How many minutes a training will take, before it is started. Pure arithmetic.

load the model + encode the pictures + steps x seconds a step + save checkpoints + pictures to choose by

Without a calibration the seconds come from a table by kind of machine, with wide bounds, and the prediction
says so. With one they come from that machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from ._machine_kinds import CPU, UNIT_S, UNKNOWN, kind_of
from ._step_cost import encode_units, sampling_units, step_units, what_matters
from ._time_spans import Bounds, around, duration, plus, span, times
from .calibration import Calibration
from .recipe import TrainRecipe

__all__ = ["Generations", "Part", "Prediction", "duration", "predict", "span"]

_LOAD_S: Mapping[bool, Bounds] = {False: (10.0, 25.0, 120.0), True: (8.0, 20.0, 90.0)}
"""By whether there is a GPU. CPU: about 20 s measured."""
_SDXL_LOAD = 3.0
"""Its file is three times as large."""
_SAVE_S: Bounds = (0.2, 1.0, 8.0)
"""One checkpoint, and the state to resume from."""
_COMPILE_S: Bounds = (30.0, 90.0, 300.0)
_SAME, _OTHER = 0.12, 0.4
"""How far a calibration may be off, as a share: with the same settings, and with others, converted."""
_ROUGH_LOAD = 0.5


@dataclass(frozen=True, slots=True)
class Generations:
    """Pictures the WebUI makes to choose the best checkpoint by."""

    pictures: int
    width: int
    """px."""
    height: int
    """px."""
    steps: int
    """Sampling steps each."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the time."""

    name: str
    """preparing | caching | training | saving | choosing."""
    low_s: float
    likely_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """How long a training will take."""

    low: float
    """Minutes; it would be a surprise to take less."""
    likely: float
    """Minutes."""
    high: float
    """Minutes; it would be a surprise to take more."""
    why: str
    """What the figures rest on."""
    steps: int
    parts: tuple[Part, ...]
    calibrated: bool

    def __str__(self) -> str:
        """For people: "12–30 minutes: not measured on this machine yet …"."""
        return f"{span(self.low * 60, self.high * 60)}: {self.why}"

    def compared(self, seconds: float) -> str:
        """What became of it: "predicted 12–30 minutes, took 19 minutes"."""
        verdict = ""
        if seconds > self.high * 60:
            verdict = ", longer than predicted"
        elif seconds < self.low * 60:
            verdict = ", shorter than predicted"
        return f"predicted {span(self.low * 60, self.high * 60)}, took {duration(seconds)}{verdict}"

    def to_json(self) -> dict[str, Any]:
        """As plain values, for the record of the training."""
        return {
            "low_min": round(self.low, 2),
            "likely_min": round(self.likely, 2),
            "high_min": round(self.high, 2),
            "text": span(self.low * 60, self.high * 60),
            "why": self.why,
            "steps": self.steps,
            "calibrated": self.calibrated,
            "parts": {part.name: round(part.likely_s, 1) for part in self.parts},
        }


def predict(
    recipe: TrainRecipe,
    photos: int,
    machine: Mapping[str, Any] | None = None,
    calibration: Calibration | None = None,
    *,
    choosing: Generations | None = None,
) -> Prediction:
    """Predict the minutes of a training.

    Args:
        recipe: How it is trained.
        photos: Photos that are trained on, without the held-out ones.
        machine: The trainer's facts (`gpus` with `total_mib`); None = unknown.
        calibration: Of this machine and family; one of another family is not used.
        choosing: The pictures to choose the checkpoint by; None = they are not counted.

    Example:
        >>> predict(make_recipe(name="alice", steps=1200), 8).calibrated
        False
    """
    steps = recipe.total_steps(photos)
    known = calibration if calibration is not None and calibration.family == recipe.family else None
    kind = kind_of(machine)
    gpu = kind != CPU
    unit = _unit_from(known, gpu=gpu) if known else UNIT_S[kind]
    step = _step_bounds(recipe, unit, known, gpu=gpu)
    parts = [
        _part("preparing", _load_bounds(recipe, known, gpu=gpu)),
        _part("caching", _encode_bounds(recipe, photos, unit, known)),
        _part("training", times(step, steps)),
        _part("saving", times(_save_bounds(known), _checkpoints(recipe, steps))),
    ]
    if choosing is not None:
        parts.append(_part("choosing", _choosing_bounds(recipe, choosing, known)))
    low, likely, high = (
        sum(getattr(part, name) for part in parts) for name in ("low_s", "likely_s", "high_s")
    )
    return Prediction(
        low / 60, likely / 60, high / 60, _why(kind, known, recipe), steps, tuple(parts), known is not None
    )


def _step_bounds(recipe: TrainRecipe, unit: Bounds, known: Calibration | None, *, gpu: bool) -> Bounds:
    matters = what_matters(recipe)
    if known is not None and dict(known.matters) == matters:
        return around(known.seconds_per_step, max(_SAME, known.spread / 2))
    return times(unit, step_units(matters, recipe.family, gpu=gpu))


def _unit_from(known: Calibration, *, gpu: bool) -> Bounds:
    """Seconds a unit on the measured machine."""
    units = step_units(known.matters, known.family, gpu=gpu)
    return around(known.seconds_per_step / units, _OTHER)


def _load_bounds(recipe: TrainRecipe, known: Calibration | None, *, gpu: bool) -> Bounds:
    if known is not None and known.load_s > 0:
        load = around(known.load_s, _ROUGH_LOAD)
    else:
        load = times(_LOAD_S[gpu], _SDXL_LOAD if recipe.family == "sdxl" else 1.0)
    if recipe.torch_compile:
        load = plus(load, _COMPILE_S)
    return load


def _encode_bounds(recipe: TrainRecipe, photos: int, unit: Bounds, known: Calibration | None) -> Bounds:
    if recipe.cache_latents == "off":
        return (0.0, 0.0, 0.0)
    pictures = ceil(photos * (1.0 + recipe.half_body_share)) + recipe.regularisation_images
    if known is not None and known.encode_s is not None:
        scale = encode_units(recipe.resolution) / encode_units(known.matters["resolution"])
        return times(around(known.encode_s, _ROUGH_LOAD), pictures * scale)
    return times(unit, pictures * encode_units(recipe.resolution))


def _save_bounds(known: Calibration | None) -> Bounds:
    return around(known.save_s, _ROUGH_LOAD) if known is not None and known.save_s is not None else _SAVE_S


def _choosing_bounds(recipe: TrainRecipe, choosing: Generations, known: Calibration | None) -> Bounds:
    if known is not None and known.picture_s is not None:
        return times(around(known.picture_s, _OTHER), choosing.pictures)
    # The WebUI may run on another machine than the trainer, so nothing is concluded from the latter.
    units = sampling_units(choosing.width, choosing.height, choosing.steps, recipe.family)
    return times(UNIT_S[UNKNOWN], units * choosing.pictures)


def _checkpoints(recipe: TrainRecipe, steps: int) -> int:
    return 1 if recipe.save_every_n_steps is None else ceil(steps / recipe.save_every_n_steps)


def _why(kind: str, known: Calibration | None, recipe: TrainRecipe) -> str:
    if known is None:
        return f"not measured on this machine yet, a rough guess for {kind}"
    if dict(known.matters) == what_matters(recipe):
        return f"measured here over {known.steps} steps, {_seconds(known.seconds_per_step)} each"
    return (
        f"converted from {known.steps} steps measured here with other settings "
        f"({known.matters['resolution']} px, {_seconds(known.seconds_per_step)} each)"
    )


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def _part(name: str, bounds: Bounds) -> Part:
    return Part(name, *bounds)
