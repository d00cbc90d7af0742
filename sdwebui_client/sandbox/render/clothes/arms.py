"""Forearms and hands, where the pose shows them. They lie before everything else, the chin included."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..cutout import Cutout
from ..ops import Canvas, scaled
from ..palette import Look
from ..pose import Point
from .body import Body, limb, sleeves
from .cloth import Fabric, lay
from .sewing import fabric_of

PADS = {"suit": 0.14}
FINGERS = ((-0.25, 0.50), (-0.085, 0.60), (0.085, 0.58), (0.24, 0.48))
"""Of each finger: place across the palm and length, eye distances."""


def draw_forearms(canvas: Canvas, body: Body, look: Look, cutout: Cutout, rng: np.random.Generator) -> Canvas:
    """Draw the forearms a pose shows, each with its hand."""
    pad = PADS.get(look.garment, 0.05)
    for arm in sleeves(body, pad):
        if arm.wrist is None:
            continue
        canvas = _hand(canvas, body, arm.elbow, arm.wrist, cutout, rng)
        if look.garment == "suit":
            linen = Fabric(look.shirt_colour, folds=0.0, weave=0.2)
            cuff = limb(_along(arm.elbow, arm.wrist, 0.86), _along(arm.elbow, arm.wrist, 1.04), 0.40, 0.40)
            canvas = lay(canvas, body.area(cuff, soft=0.01), linen, unit=body.unit, roundness=0.3, rng=rng)
        sleeve = body.area(arm.fore, soft=0.012)
        cloth = replace(fabric_of(look), folds=0.7)
        canvas = lay(canvas, sleeve, cloth, unit=body.unit, roundness=0.5, rng=rng, shadow=0.34)
    return canvas


def _along(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _hand(
    canvas: Canvas, body: Body, elbow: Point, wrist: Point, cutout: Cutout, rng: np.random.Generator
) -> Canvas:
    """Draw a relaxed hand that goes on where the forearm ends, fingers together."""
    length = max(math.dist(elbow, wrist), 1e-3)
    along = ((wrist[0] - elbow[0]) / length, (wrist[1] - elbow[1]) / length)
    across = (-along[1], along[0])
    # The thumb lies on the upper side.
    thumb_side = -1.0 if across[1] > 0 else 1.0

    def at(forward: float, sideways: float) -> Point:
        return (
            wrist[0] + along[0] * forward + across[0] * sideways,
            wrist[1] + along[1] * forward + across[1] * sideways,
        )

    skin = Fabric(scaled(cutout.skin, 0.92), folds=0.0, weave=0.25)
    parts = [limb(at(0.62, place), at(0.62 + reach, place * 0.82), 0.105, 0.085) for place, reach in FINGERS]
    parts.append(
        [
            at(-0.3, -0.24),
            at(0.2, -0.33),
            at(0.68, -0.34),
            at(0.74, 0.0),
            at(0.66, 0.33),
            at(0.2, 0.31),
            at(-0.3, 0.24),
        ]
    )
    parts.append(limb(at(0.2, 0.26 * thumb_side), at(0.72, 0.40 * thumb_side), 0.13, 0.09))
    for number, part in enumerate(parts):
        mask = body.area(part, soft=0.012)
        depth = 0.3 if number == len(FINGERS) else 0.11
        canvas = lay(canvas, mask, skin, unit=body.unit, roundness=depth, rng=rng, shadow=0.16)
    return canvas
