"""The garments: suit, shirt, crew-neck knit, turtleneck. Coordinates are body coordinates, see `body`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..ops import Canvas, Colour, curve, mixed, rounded, scaled, stroke
from ..palette import Garment, Look
from .body import Body
from .cloth import Fabric, lay
from .sewing import button, collar_opening, collar_stand, fabric_of, garment_body, seam, sew, shirt_front

Cut = Callable[[Canvas, Body, Look, np.random.Generator], Canvas]


def dress(canvas: Canvas, body: Body, look: Look, rng: np.random.Generator) -> Canvas:
    """Draw the clothes a look asks for over neck and body."""
    return CUTS[look.garment](canvas, body, look, rng)


def _crew(canvas: Canvas, body: Body, look: Look, rng: np.random.Generator) -> Canvas:
    fabric = fabric_of(look)
    half = body.neck_half + 0.04
    opening = [body.front(x, y) for x, y in ((-half, -0.95), (-half, -0.6), (-half * 0.72, -0.08), (0, 0.24))]
    opening += [body.front(x, y) for x, y in ((half * 0.72, -0.08), (half, -0.6), (half, -0.95), (0, -1.6))]
    canvas = garment_body(canvas, body, fabric, rng, 0.06, body.area(opening))
    right = ((half * 0.5, 0.06), (half * 0.92, -0.34), (half + 0.02, -0.66))
    ring = [body.front(-x, y) for x, y in reversed(right)] + [body.front(0, 0.2)]
    rim = curve(ring + [body.front(x, y) for x, y in right])
    band = stroke(body.shape, body.px(rim), 0.19 * body.unit, 0.01 * body.unit)
    ribbed = replace(fabric, colour=scaled(fabric.colour, 1.04), folds=0.0, ribs=1.6)
    return lay(canvas, band, ribbed, unit=body.unit, roundness=0.13, rng=rng, shadow=0.45)


def _turtleneck(canvas: Canvas, body: Body, look: Look, rng: np.random.Generator) -> Canvas:
    fabric = fabric_of(look)
    canvas = garment_body(canvas, body, fabric, rng, 0.06, None)
    half, jaw = body.neck_half + 0.05, body.jaw[0] * 0.6
    top = min(body.jaw[1] + 0.42, -0.75)
    collar = [
        (jaw - half, top), (jaw * 0.7 - half - 0.03, top * 0.6 - 0.15), (-half - 0.12, -0.42),
        (-half * 0.62, -0.14),
        (0.0, -0.04), (half * 0.62, -0.14), (half + 0.12, -0.42), (jaw * 0.7 + half + 0.03, top * 0.6 - 0.15),
        (jaw + half, top), (jaw + half * 0.5, top + 0.16), (jaw, top + 0.22), (jaw - half * 0.5, top + 0.16),
    ]  # fmt: skip
    ribbed = replace(fabric, ribs=1.1, folds=0.25)
    mask = rounded(body.area(collar), 0.05 * body.unit)
    return lay(canvas, mask, ribbed, unit=body.unit, roundness=0.75, rng=rng, shadow=0.5)


def _shirt(canvas: Canvas, body: Body, look: Look, rng: np.random.Generator) -> Canvas:
    cloth = fabric_of(look)
    canvas = collar_stand(canvas, body, cloth, rng)
    canvas = garment_body(canvas, body, cloth, rng, 0.05, collar_opening(body, 0.62))
    bottom = (body.shape[0] - body.neck[1]) / body.unit + 0.2
    dark = scaled(cloth.colour, 0.6)
    for x in (-0.13, 0.15):
        canvas = seam(
            canvas,
            body,
            [body.front(x, 0.5), body.front(x, bottom / 2), body.front(x, bottom)],
            0.012,
            dark,
            0.5,
        )
    for y in np.arange(1.15, bottom, 1.25):
        x, y_at = body.front(0.01, float(y))
        canvas = button(canvas, body, x, y_at, 0.055, scaled(cloth.colour, 0.86))
    return shirt_front(canvas, body, cloth, rng, closed=False)


def _suit(canvas: Canvas, body: Body, look: Look, rng: np.random.Generator) -> Canvas:
    wool = fabric_of(look)
    linen = Fabric(look.shirt_colour, folds=0.35, weave=0.25)
    tie = look.tie_colour
    under = body.area(
        [
            body.front(x, y)
            for x, y in ((-0.98, -0.55), (0.98, -0.55), (1.1, 1.5), (0.4, 3.6), (-0.4, 3.6), (-1.1, 1.5))
        ],
        smooth=False,
    )
    hole = collar_opening(body, 0.1 if tie else 0.62)
    canvas = lay(
        canvas, np.asarray(under * (1 - hole), np.float32), linen, unit=body.unit, roundness=0.5, rng=rng
    )
    if tie is None:
        canvas = seam(
            canvas,
            body,
            [body.front(0.02, 0.6), body.front(0.02, 2.0), body.front(0.02, 3.4)],
            0.012,
            scaled(linen.colour, 0.6),
            0.5,
        )
        for y in (1.15, 2.2):
            canvas = button(canvas, body, *body.front(0.08, y), 0.05, scaled(linen.colour, 0.88))
    else:
        canvas = _tie(canvas, body, tie, rng)
    canvas = shirt_front(canvas, body, linen, rng, closed=tie is not None)
    half = body.neck_half
    vee = [
        body.front(x, y) for x, y in ((-half - 0.12, -1.2), (-half - 0.16, -0.74), (-0.86, 0.9), (0.02, 3.25))
    ]
    vee += [body.front(x, y) for x, y in ((0.86, 0.9), (half + 0.16, -0.74), (half + 0.12, -1.2))]
    canvas = garment_body(canvas, body, wool, rng, 0.17, body.area(vee, smooth=False))
    for side in (1.0, -1.0):
        canvas = _lapel(canvas, body, wool, rng, side)
    canvas = seam(
        canvas,
        body,
        [body.front(0.05, 3.2), body.front(0.2, 4.4), body.front(0.5, 6.2)],
        0.02,
        scaled(wool.colour, 0.45),
        0.8,
    )
    for y in (3.6, 4.9):
        canvas = button(canvas, body, *body.front(-0.1, y), 0.1, scaled(wool.colour, 0.55))
    pocket = [body.front(1.42, 2.42), body.front(2.12, 2.28), body.front(2.14, 2.48), body.front(1.44, 2.62)]
    return sew(canvas, body, pocket, wool, rng, roundness=0.06, shadow=0.3)


def _lapel(canvas: Canvas, body: Body, wool: Fabric, rng: np.random.Generator, side: float) -> Canvas:
    half = body.neck_half
    lapel = [(half + 0.17, -0.72), (0.86, 0.3), (0.62, 1.2), (0.3, 2.4), (0.02, 3.3)]
    lapel += [(0.36, 3.1), (0.66, 2.86), (0.92, 2.5), (1.16, 2.04), (1.38, 1.45), (1.58, 0.72), (1.06, 0.50)]
    collar = [
        (half + 0.1, -1.08),
        (half + 0.15, -0.72),
        (0.80, 0.34),
        (1.08, 0.52),
        (1.46, 0.34),
        (half + 0.52, -0.62),
    ]
    stiff = replace(wool, folds=0.1, colour=scaled(wool.colour, 1.08))
    for piece in (lapel, collar):
        canvas = sew(
            canvas, body, [body.front(x, y, side) for x, y in piece], stiff, rng, roundness=0.14, shadow=0.5
        )
    return canvas


def _hanbok(canvas: Canvas, body: Body, look: Look, rng: np.random.Generator) -> Canvas:
    """Draw a jeogori: a jacket whose white collar crosses over the chest, tied with a ribbon."""
    silk, half = fabric_of(look), body.neck_half
    vee = [(-half - 0.04, -1.0), (-half * 0.8, -0.5), (0.05, 0.5), (half * 0.8, -0.5), (half + 0.04, -1.0)]
    canvas = garment_body(
        canvas, body, silk, rng, 0.10, body.area([body.front(x, y) for x, y in vee], smooth=False)
    )
    white = Fabric(look.shirt_colour, folds=0.0, weave=0.2)
    ribbon = replace(silk, colour=scaled(mixed(silk.colour, (0.5, 0.12, 0.2), 0.55), 0.9))
    for side in (1.0, -1.0):
        edge = [
            (half + 0.0, -1.0),
            (half + 0.44, -0.72),
            (0.30, 1.0),
            (-0.52, 2.0),
            (-0.86, 1.75),
            (-0.05, 0.62),
        ]
        trim = [
            (half - 0.02, -1.0),
            (half + 0.18, -0.9),
            (0.12, 0.72),
            (-0.22, 1.12),
            (-0.30, 0.9),
            (-0.02, 0.5),
        ]
        for piece, cloth in ((edge, silk), (trim, white)):
            points = [body.front(x * side, y) for x, y in piece]
            canvas = sew(canvas, body, points, cloth, rng, roundness=0.1, shadow=0.4)
    for x, end in ((0.62, 4.6), (0.98, 3.9)):
        strip = [
            body.front(x - 0.12, 1.9),
            body.front(x + 0.16, 1.9),
            body.front(x + 0.3, end),
            body.front(x - 0.1, end),
        ]
        canvas = sew(canvas, body, strip, ribbon, rng, roundness=0.14, shadow=0.35)
    knot = [body.front(x, y) for x, y in ((0.42, 1.75), (1.1, 1.62), (1.2, 2.0), (0.5, 2.12))]
    return sew(canvas, body, knot, ribbon, rng, roundness=0.16, shadow=0.4, smooth=True)


def _tie(canvas: Canvas, body: Body, colour: Colour, rng: np.random.Generator) -> Canvas:
    silk = Fabric(colour, folds=0.1, weave=0.35, sheen=0.5)
    blade = [(-0.15, 0.38), (0.15, 0.38), (0.36, 2.2), (0.4, 3.8), (-0.4, 3.8), (-0.36, 2.2)]
    knot = [(-0.25, -0.06), (0.25, -0.06), (0.15, 0.44), (-0.15, 0.44)]
    for piece, depth in ((blade, 0.3), (knot, 0.18)):
        canvas = sew(
            canvas, body, [body.front(x, y) for x, y in piece], silk, rng, roundness=depth, shadow=0.4
        )
    return canvas


CUTS: dict[Garment, Cut] = {
    "suit": _suit,
    "shirt": _shirt,
    "crew": _crew,
    "turtleneck": _turtleneck,
    "hanbok": _hanbok,
}
