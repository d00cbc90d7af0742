"""What garments are sewn of: the body of a garment, single pieces, seams, buttons, a shirt's collar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ops import Canvas, Colour, curve, paint, rounded, scaled, shade, smoothstep, stroke
from ..palette import Garment, Look
from ..pose import Point
from .body import Body, sleeves, trunk
from .cloth import Fabric, lay


def fabric_of(look: Look) -> Fabric:
    """Return the cloth the main garment is made of."""
    kinds: dict[Garment, Fabric] = {
        "suit": Fabric(look.garment_colour, folds=0.32, weave=0.8),
        "shirt": Fabric(look.garment_colour, folds=0.85, weave=0.45, sheen=0.1),
        "crew": Fabric(look.garment_colour, folds=0.55, weave=0.6, ribs=0.25),
        "hanbok": Fabric(look.garment_colour, folds=0.5, weave=0.3, sheen=0.25),
        "turtleneck": Fabric(look.garment_colour, folds=0.6, weave=0.8, ribs=0.2),
    }
    return kinds[look.garment]


def garment_body(
    canvas: Canvas, body: Body, fabric: Fabric, rng: np.random.Generator, pad: float, opening: Canvas | None
) -> Canvas:
    """Draw trunk and sleeves; through the opening one sees what is below."""
    unit = body.unit
    arms = sleeves(body, pad)
    outlines = [[body.area(arm.upper, soft=0.012), body.area(arm.fore, soft=0.012)] for arm in arms]
    hanging = [
        np.maximum(*pair) if arm.wrist is None else pair[0] for arm, pair in zip(arms, outlines, strict=True)
    ]
    silhouette = rounded(np.maximum(body.area(trunk(body, pad)), np.maximum(*hanging)), 0.16 * unit)
    whole = silhouette if opening is None else np.asarray(silhouette * (1 - opening), dtype=np.float32)
    canvas = lay(canvas, whole, fabric, unit=unit, roundness=1.3, rng=rng)
    rows = (np.arange(body.shape[0], dtype=np.float32)[:, None] - np.float32(body.neck[1])) / np.float32(unit)
    for sleeve in hanging:
        # Only the hanging part reads as a sleeve of its own; at the shoulder it is one piece with the trunk.
        fade = smoothstep(0.5, 3.4, rows - np.float32(max(body.left[1], body.right[1])))
        form = np.minimum(sleeve, silhouette)
        piece = np.asarray(form * fade, dtype=np.float32)
        canvas = lay(canvas, piece, fabric, unit=unit, roundness=0.6, rng=rng, shadow=0.3, form=form)
    return canvas


def sew(
    canvas: Canvas, body: Body, points: list[Point], fabric: Fabric, rng: np.random.Generator, *,
    roundness: float = 0.16, shadow: float = 0.4, smooth: bool = False,
) -> Canvas:  # fmt: skip
    mask = body.area(points, soft=0.008, smooth=smooth)
    return lay(canvas, mask, fabric, unit=body.unit, roundness=roundness, rng=rng, shadow=shadow)


def seam(
    canvas: Canvas, body: Body, points: list[Point], width: float, colour: Colour, alpha: float
) -> Canvas:
    """Draw a seam; `width` in eye distances."""
    """Lay one cut-out piece, its outline given in body coordinates."""
    thread = stroke(body.shape, body.px(curve(points)), max(width * body.unit, 1.0), 0.006 * body.unit)
    return paint(canvas, colour, thread, alpha)


def button(canvas: Canvas, body: Body, x: float, y: float, radius: float, colour: Colour) -> Canvas:
    """Draw a button."""

    def ring(size: float, lift: float) -> list[Point]:
        angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        return [(x + size * float(np.cos(a)), y - lift + size * float(np.sin(a))) for a in angles]

    shade(canvas, body.area(ring(radius * 1.25, -radius * 0.35), soft=0.02), 0.35)
    paint(canvas, colour, body.area(ring(radius, 0.0), soft=0.004))
    return paint(canvas, scaled(colour, 1.5), body.area(ring(radius * 0.45, radius * 0.3), soft=0.02), 0.4)


def collar_stand(canvas: Canvas, body: Body, cloth: Fabric, rng: np.random.Generator) -> Canvas:
    """Draw the part of a shirt that rises to the neck behind its collar."""
    half = body.neck_half
    for side in (-1.0, 1.0):
        rise = [
            (half - 0.12, -0.92),
            (half + 0.06, -0.96),
            (half + 0.36, -0.66),
            (half + 0.9, 0.2),
            (half * 0.5, 0.0),
        ]
        canvas = sew(
            canvas, body, [body.front(x, y, side) for x, y in rise], cloth, rng, roundness=0.5, shadow=0.0
        )
    return canvas


def collar_opening(body: Body, depth: float) -> Canvas:
    """Return the V that an open collar leaves, down to `depth`."""
    half = body.neck_half + 0.1
    points = [body.front(-half, -1.3), body.front(-half, -0.6), body.front(-0.2, 0.14), body.front(0, depth)]
    points += [body.front(0.2, 0.14), body.front(half, -0.6), body.front(half, -1.3)]
    return body.area(points, smooth=False)


def shirt_front(
    canvas: Canvas, body: Body, cloth: Fabric, rng: np.random.Generator, *, closed: bool
) -> Canvas:
    """Draw the collar of a shirt; open at the top button unless a tie closes it."""
    half = body.neck_half
    tip, meet = (0.52, 0.62), (0.03, -0.02) if closed else (0.20, 0.16)
    stiff = replace(cloth, folds=0.0)
    for side in (-1.0, 1.0):
        leaf = [
            (half + 0.06, -0.97), (half - 0.06, -0.94),
            (half * 0.80, -0.56), meet, (meet[0] + 0.02, meet[1] + 0.06),
            tip, (tip[0] + 0.04, tip[1] - 0.04), (half + 0.2, -0.24), (half + 0.2, -0.62),
        ]  # fmt: skip
        canvas = sew(
            canvas, body, [body.front(x, y, side) for x, y in leaf], stiff, rng, roundness=0.12, shadow=0.42
        )
    return canvas
