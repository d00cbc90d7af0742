"""What a training really took on one machine, kept to predict the next one there.

Pure: the caller keeps `Calibration.to_json()` in a file called after `calibration_key`.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Self, get_args

from ._step_cost import MATTERS, what_matters
from .errors import TrainError
from .recipe import Family, TrainRecipe

SCHEMA = "sdwebui-calibration/1"
MIN_STEPS = 20
"""Fewer steps after the warm-up say too little."""
WARM_UP_STEPS = 3
"""The first steps reserve memory and choose kernels."""
_MAX_S = 1e6
"""Eleven days: nothing that is measured takes so long."""
_STALE_AFTER = 5.0
"""A step this many times as long as the usual one was an interruption (a saved checkpoint, another job)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Seconds measured on one machine."""

    family: str
    """sd15 or sdxl."""
    matters: Mapping[str, Any]
    """The settings it was measured with, of `what_matters`."""
    seconds_per_step: float
    """Mean after the warm-up, without interruptions, seconds."""
    spread: float
    """Half the distance between the slow and the fast tenth of the steps, as a share of the median."""
    steps: int
    """Steps it was measured over, at least 20."""
    load_s: float
    """From the start to the first picture encoded, seconds."""
    encode_s: float | None = None
    """Encoding one picture, seconds; None when none was encoded."""
    save_s: float | None = None
    """Writing one checkpoint, seconds; None when unknown."""
    picture_s: float | None = None
    """One picture of the choosing in the WebUI, seconds; None when none was made."""

    @classmethod
    def of_run(
        cls,
        recipe: TrainRecipe,
        marks: Sequence[tuple[int, float]],
        *,
        seconds: Mapping[str, float],
        pictures: int,
        checkpoints: int = 0,
        picture_s: float | None = None,
    ) -> Self:
        """From what was seen of a training.

        Args:
            recipe: Its recipe, as it ran: after a second, lighter try the lighter one.
            marks: (step done, time it was seen at in seconds on any steady clock), ascending.
            seconds: Phase ("preparing", "caching", "saving") -> seconds.
            pictures: Pictures that were encoded.
            checkpoints: Files that were saved.
            picture_s: One picture of the choosing, seconds.

        Raises:
            TrainError: There are fewer than `MIN_STEPS` steps after the warm-up.
        """
        each = _each_step(marks)
        if len(each) < MIN_STEPS:
            raise TrainError(
                f"{len(each)} steps after the warm-up are too few to measure the machine by.",
                f"At least {MIN_STEPS + WARM_UP_STEPS} are needed.",
            )
        median = statistics.median(each)
        calm = sorted(step for step in each if step <= _STALE_AFTER * median)
        tenth = max(0, len(calm) // 10)
        spread = (calm[-1 - tenth] - calm[tenth]) / 2 / median if median > 0 else 0.0
        caching, saving = seconds.get("caching"), seconds.get("saving")
        return cls(
            family=recipe.family,
            matters=what_matters(recipe),
            # The mean of the calm steps: uneven ones are in the total too, rare interruptions are not.
            seconds_per_step=statistics.fmean(calm),
            spread=round(spread, 3),
            steps=len(each),
            load_s=seconds.get("preparing", 0.0),
            encode_s=caching / pictures if caching and pictures else None,
            save_s=saving / checkpoints if saving and checkpoints else None,
            picture_s=picture_s,
        )

    def to_json(self) -> str:
        """As text for a file."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """Read it back; None when it is damaged or of another version: it can be measured again."""
        try:
            values = json.loads(text)
            if values.pop("schema") != SCHEMA:
                return None
            found = cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return found if found._is_sound() else None

    def _is_sound(self) -> bool:
        """Whether a prediction can be made with it: it comes from a file that anybody may have written."""
        known = [self.encode_s, self.save_s, self.picture_s]
        seconds = [self.seconds_per_step, self.load_s, *(value for value in known if value is not None)]
        return (
            all(_is_number(value, most=_MAX_S) for value in (*seconds, self.spread))
            and self.seconds_per_step > 0
            and _is_number(self.steps, most=1e9)
            and self.steps >= MIN_STEPS
            and self.family in get_args(Family)
            and _are_settings(self.matters)
        )


def calibration_key(recipe: TrainRecipe, machine: Mapping[str, Any] | None) -> str:
    """Name of the file a calibration is kept in: one a machine, family and set of settings that matter.

    Args:
        recipe: The training.
        machine: The trainer's facts; only what does not change between two trainings counts.
    """
    known = machine or {}
    gpus = [gpu.get("name") for gpu in known.get("gpus") or () if isinstance(gpu, Mapping)]
    lasting = {"gpus": gpus, **{name: known.get(name) for name in ("host", "torch", "cpu", "cpus")}}
    text = json.dumps([lasting, recipe.family, what_matters(recipe)], sort_keys=True, default=str)
    return f"{recipe.family}-{recipe.resolution}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def calibration_recipe(recipe: TrainRecipe) -> TrainRecipe:
    """The same training, cut to the steps that a calibration takes. Its LoRA is of no use."""
    steps = MIN_STEPS + WARM_UP_STEPS + 1
    return recipe.model_copy(update={"steps": steps, "save_every_n_steps": None})


def _each_step(marks: Sequence[tuple[int, float]]) -> list[float]:
    """Seconds of each step after the warm-up. A report that covers several steps counts for each of them."""
    each: list[float] = []
    first = marks[0][0] if marks else 0
    for (step, at), (later, then) in pairwise(marks):
        done = later - step
        if done <= 0 or then < at or step - first < WARM_UP_STEPS:
            continue
        each.extend([(then - at) / done] * done)
    return each


def _is_number(value: object, *, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _are_settings(matters: object) -> bool:
    """Whether these are all the settings of `what_matters`, the numbers among them possible."""
    if not isinstance(matters, dict) or matters.keys() != set(MATTERS):
        return False
    numbers = ("resolution", "batch_size", "gradient_accumulation_steps", "network_dim")
    return all(_is_number(matters[name], most=1e5) and matters[name] >= 1 for name in numbers)
