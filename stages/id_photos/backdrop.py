"""Telling a person from the backdrop, and judging the backdrop.

The backdrop's colour is fitted as a smooth surface (second order in x and y, CIELAB) to the margins above the
shoulders, where the person is not; what differs from it is the person. On a backdrop that is no such surface
(a room, a flag) GrabCut (Rother, Kolmogorov and Blake, 2004) has to do, and the crown is less sure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PLAIN_SPREAD = 3.5
"""Most that the margins may lie off the fitted surface, median, CIELAB, for a plain backdrop: measured 0.4 to
1 on walls and studio paper, 2 on painted canvas, 10 and more in rooms and before flags."""
LIGHT = 80.0
"""Lightness (CIELAB, 0..100) from which a backdrop counts as light."""
WHITE, WHITE_CHROMA = 90.0, 6.0
"""Lightness from which, and chroma up to which, it counts as white."""
GRADIENT = 10.0
"""Most that the fitted surface may rise or fall in lightness over the margins without counting as shadow."""
_LEAST_DISTANCE = 9.0
_SPREADS = 4.0
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What was found behind a person. Arrays have the frame's size."""

    person: Any
    """bool: where the person is; nothing outside the picture."""
    spread: float
    """How far the margins lie off the fitted surface, median, CIELAB."""
    lightness: float
    """Median of the margins, 0..100."""
    chroma: float
    """Distance of the margins' median from grey, CIELAB."""
    gradient: float
    """Range of the surface's lightness over the margins."""

    @property
    def plain(self) -> bool:
        """One colour, or one that changes smoothly."""
        return self.spread <= PLAIN_SPREAD

    @property
    def even(self) -> bool:
        """Plain, and without a shadow or a gradient."""
        return self.plain and self.gradient <= GRADIENT

    @property
    def light(self) -> bool:
        """Bright enough for a card."""
        return self.lightness >= LIGHT

    @property
    def white(self) -> bool:
        """White or off-white."""
        return self.lightness >= WHITE and self.chroma <= WHITE_CHROMA


def measure_backdrop(
    frame: Any, inside: Any, *, head: tuple[float, float, float, float], chin_y: float
) -> Backdrop:
    """Measure what is behind a person.

    Args:
        frame: RGB, the head upright.
        inside: bool, where the frame shows the picture.
        head: Box that holds the head without hair, pixels of the frame: it is person for certain.
        chin_y: Height of the chin: below it shoulders reach the margins.
    """
    import cv2
    import numpy as np

    lab = cv2.cvtColor(frame.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    margins = _margins(inside, head, chin_y)
    surface, sure = _fit(lab, margins)
    off = np.linalg.norm(lab - surface, axis=2)
    spread = float(np.median(off[sure])) if sure.any() else 99.0
    far = off > max(_LEAST_DISTANCE, _SPREADS * spread)
    # How much of the margins does not follow the surface at all counts as well: a flag in one corner.
    stray = float(far[margins].mean()) if margins.any() else 1.0
    spread = spread if stray < 0.12 else max(spread, PLAIN_SPREAD + 30 * stray)
    person = far & inside if spread <= PLAIN_SPREAD else _grabcut(frame, inside, head, margins)
    middle = np.median(lab[sure], axis=0) if sure.any() else np.zeros(3)
    heights = surface[..., 0][margins] if margins.any() else np.zeros(1)
    return Backdrop(
        _joined(person, head),
        spread,
        float(middle[0]),
        float(np.hypot(middle[1], middle[2])),
        float(np.percentile(heights, 95) - np.percentile(heights, 5)),
    )


def _margins(inside: Any, head: tuple[float, float, float, float], chin_y: float) -> Any:
    """Strips along the picture's upper and lateral edges, above the chin and away from the head."""
    import cv2
    import numpy as np

    height, width = inside.shape
    band = max(4, round(0.06 * width))
    shrunk = (
        cv2.erode(inside.astype(np.uint8), np.ones((2 * band + 1, 2 * band + 1), np.uint8), borderValue=0) > 0
    )
    margins = inside & ~shrunk
    margins[min(height, max(0, round(chin_y))) :] = False
    x0, y0, x1, _ = (round(value) for value in head)
    middle, half = (x0 + x1) // 2, round(0.75 * (x1 - x0))
    # Hair may reach the upper edge in the middle.
    margins[max(0, y0 - half) :, max(0, middle - half) : middle + half] = False
    return margins


def _fit(lab: Any, margins: Any) -> tuple[Any, Any]:
    """The smooth surface through the margins, and those of them that follow it."""
    import numpy as np

    height, width = lab.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width - 0.5, y / height - 0.5
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2)
    sure = margins.copy()
    surface = np.zeros_like(lab)
    for _ in range(_ROUNDS):
        if sure.sum() < 60:
            return surface, sure
        found, *_rest = np.linalg.lstsq(terms[sure], lab[sure], rcond=None)
        surface = (terms.reshape(-1, 6) @ found).reshape(lab.shape).astype(np.float32)
        off = np.linalg.norm(lab - surface, axis=2)
        limit = max(4.0, 3.0 * float(np.median(off[sure])))
        sure = margins & (off <= limit)
    return surface, sure


def _grabcut(frame: Any, inside: Any, head: tuple[float, float, float, float], margins: Any) -> Any:
    import cv2
    import numpy as np

    # Half the size: GrabCut's time grows faster than the pixels, and here it only helps out.
    small = (inside.shape[1] // 2, inside.shape[0] // 2)
    frame = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
    sure = cv2.resize((margins | ~inside).astype(np.uint8), small, interpolation=cv2.INTER_NEAREST) > 0
    mask = np.full(sure.shape, cv2.GC_PR_BGD, np.uint8)
    x0, y0, x1, y1 = (round(value / 2) for value in head)
    wide, high = x1 - x0, y1 - y0
    mask[max(0, y0 - high // 3) : y1, max(0, x0 - wide // 5) : x1 + wide // 5] = cv2.GC_PR_FGD
    mask[y1 + high // 5 :, max(0, x0 - wide) : x1 + wide] = cv2.GC_PR_FGD
    mask[max(0, y0 + high // 6) : y1 - high // 6, max(0, x0 + wide // 6) : x1 - wide // 6] = cv2.GC_FGD
    mask[sure] = cv2.GC_BGD
    cv2.setRNGSeed(7)
    cv2.grabCut(
        np.ascontiguousarray(frame[..., ::-1]),
        mask,
        None,
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        4,
        cv2.GC_INIT_WITH_MASK,
    )
    found = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    whole = cv2.resize(found, inside.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return (whole > 0) & inside


def _joined(person: Any, head: tuple[float, float, float, float]) -> Any:
    """The part of a mask that the head belongs to, small holes and specks gone."""
    import cv2
    import numpy as np

    mask = person.astype(np.uint8)
    x0, y0, x1, y1 = (max(0, round(value)) for value in head)
    mask[y0:y1, x0:x1] = 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel)
    _, labels = cv2.connectedComponents(mask)
    return labels == labels[min(mask.shape[0] - 1, (y0 + y1) // 2), min(mask.shape[1] - 1, (x0 + x1) // 2)]
