"""How much of the person a picture keeps: the luck of the seed, the LoRA's quality and its weight.

A weak likeness moves the features of the face about, as a badly trained LoRA or an unlucky seed does: eyes,
nose, mouth and jaw change size and place, smoothly. Moving alone would have to make a caricature of a face
before it is somebody else's, so some features are exchanged as well (`stranger`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .ops import Canvas

FULL_WEIGHT = 0.75
"""The tag's weight from which a LoRA gives all it has."""
OVERDONE_WEIGHT = 1.15
"""Above it a LoRA burns in: the likeness falls again."""
TOO_LITTLE = 1.5
"""How steeply the likeness fades below the weight a LoRA was made to be best at (a power of the ratio)."""
TOO_MUCH = 1.5
"""Share of the likeness that each 1.0 of weight above it costs."""
GOOD_SEEDS = 0.75
"""Share of the seeds that keep the likeness."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A part of the face that may be moved or resized. Face coordinates, see `cutout.Cutout`."""

    x: float
    y: float
    radius: float
    shift: tuple[float, float]
    """Largest displacement at drift 1, in eye distances."""
    grow: tuple[float, float]
    """Largest change of size at drift 1, in shares."""
    mirrored: bool = False


FEATURES = (
    Feature(0.50, 0.00, 0.30, (0.055, 0.03), (0.15, 0.15), mirrored=True),
    Feature(0.50, -0.32, 0.32, (0.02, 0.055), (0.06, 0.06), mirrored=True),
    Feature(0.00, 0.45, 0.34, (0.00, 0.06), (0.20, 0.12)),
    Feature(0.00, 0.90, 0.36, (0.00, 0.05), (0.14, 0.10)),
    Feature(0.80, 1.05, 0.45, (0.08, 0.03), (0.00, 0.00), mirrored=True),
    Feature(0.00, 1.65, 0.45, (0.00, 0.09), (0.12, 0.03)),
    Feature(0.75, 0.45, 0.40, (0.05, 0.02), (0.00, 0.00), mirrored=True),
)
"""Eyes, brows, nose, mouth, jaw, chin, cheekbones."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a seed makes of a person."""

    drift: float
    """0 is the person, 1 somebody else."""
    moves: tuple[tuple[float, float, float, float], ...]
    """Per feature: shift x, shift y, grow x, grow y, each -1..1."""


def likeness_of(
    rng: np.random.Generator, *, quality: float, weight: float, best_weight: float | None = None
) -> Likeness:
    """Draw how like the person a picture is.

    Args:
        rng: the picture's own generator.
        quality: of the LoRA file, 0..1.
        weight: of its tag in the prompt.
        best_weight: the weight at which the file gives most; None for one that gives all from
            `FULL_WEIGHT` to `OVERDONE_WEIGHT`.
    """
    lucky = rng.random() < GOOD_SEEDS
    luck = rng.uniform(0.0, 0.22) if lucky else rng.uniform(0.82, 0.88)
    if best_weight is None:
        held = quality * min(max(weight, 0.0) / FULL_WEIGHT, 1.0)
        overdone = max(weight - OVERDONE_WEIGHT, 0.0) * 0.8
        drift = min(max(luck, 1.0 - held + luck * held, overdone + luck), 1.0)
    else:
        drift = 1.0 - (1.0 - luck) * quality * held_at(weight, best_weight)
    signs = rng.choice([-1.0, 1.0], size=(len(FEATURES), 4))
    sizes = rng.uniform(0.85, 1.0, size=(len(FEATURES), 4))
    moves = tuple(tuple(float(value) for value in row) for row in signs * sizes)
    return Likeness(drift=float(drift), moves=moves)  # type: ignore[arg-type]


def held_at(weight: float, best_weight: float) -> float:
    """How much of a LoRA's likeness a weight brings out: 1 at its best one, less to both sides, 0..1."""
    if weight <= best_weight:
        return float((max(weight, 0.0) / best_weight) ** TOO_LITTLE)
    return max(0.0, 1.0 - TOO_MUCH * (weight - best_weight))


def displaced(x: Canvas, y: Canvas, likeness: Likeness) -> tuple[Canvas, Canvas]:
    """Tell where in the reference each face coordinate is taken from (inverse mapping)."""
    if likeness.drift <= 0.01:
        return x, y
    away_x, away_y = np.zeros_like(x), np.zeros_like(y)
    for feature, move in zip(FEATURES, likeness.moves, strict=True):
        for side in (-1.0, 1.0) if feature.mirrored else (1.0,):
            _push(x, y, away_x, away_y, feature, move, side)
    drift = np.float32(likeness.drift)
    return x - drift * away_x, y - drift * away_y


def _push(
    x: Canvas,
    y: Canvas,
    away_x: npt.NDArray[np.float32],
    away_y: npt.NDArray[np.float32],
    feature: Feature,
    move: tuple[float, float, float, float],
    side: float,
) -> None:
    across, down = x - np.float32(feature.x * side), y - np.float32(feature.y)
    near = np.exp(-(across**2 + down**2) / np.float32(2 * feature.radius**2))
    away_x += near * (
        np.float32(move[0] * feature.shift[0] * side) + across * np.float32(move[2] * feature.grow[0])
    )
    away_y += near * (np.float32(move[1] * feature.shift[1]) + down * np.float32(move[3] * feature.grow[1]))
