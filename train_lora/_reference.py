"""The one picture the sandbox draws a person from: cut out of the best photo, with a mask of the person."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faces import ModelMissing, crop_upright, map_points, upright_matrix

from .errors import TrainError

if TYPE_CHECKING:
    from .photo_set import Photo

SIDE_PX = 768
EYES_AT = (384.0, 322.0)
"""Where the middle of the eyes lies: room above for hair, shoulders below."""
SPAN_PX = 122.0
"""Distance between the eyes."""
_WORK_PX = 256
"""GrabCut runs on a smaller copy: 0.2 s instead of 3, and its edge is smoothed anyway."""
_TOP_PENALTY = 3.0


@dataclass(frozen=True, slots=True)
class Reference:
    """What the sandbox LoRA stores."""

    pixels: Any
    """uint8 (768, 768, 3), RGB."""
    mask: Any
    """uint8 (768, 768), 255 where the person is."""
    landmarks: tuple[tuple[float, float], ...]
    """Five points in `pixels`."""
    source_sha256: str
    """The photo it was cut from."""


def make_reference(photos: Sequence[Photo]) -> Reference:
    """Cut head and shoulders out of the best photo and find the person's outline.

    Best is the highest quality, less what the crop would have to make up outside the photo. The same
    photos give the same bytes.

    Raises:
        TrainError: There are no photos.
    """
    if not photos:
        raise TrainError(
            "There is no photo to make the sandbox LoRA of.", "Build the dataset from the photos again."
        )
    photo = min(photos, key=lambda item: (-round(suitability(item), 6), item.sha256))
    pixels = crop_upright(photo.open(), photo.face, size=(SIDE_PX, SIDE_PX), eyes_at=EYES_AT, span_px=SPAN_PX)
    matrix = upright_matrix(photo.face, eyes_at=EYES_AT, span_px=SPAN_PX)
    points = tuple(
        (min(max(x, 0.0), SIDE_PX - 1.0), min(max(y, 0.0), SIDE_PX - 1.0))
        for x, y in map_points(photo.face.landmarks, matrix)
    )
    return Reference(
        pixels, person_mask(pixels, made_up_px=_outside(photo)[1] * SIDE_PX), points, photo.sha256
    )


def suitability(photo: Photo) -> float:
    """How good a reference a photo makes: its quality less what the crop would have to make up.

    Hair cut off above counts `_TOP_PENALTY` times:
    shoulders can be drawn out of the picture, a flat head cannot.
    """
    left, top, right, bottom = _outside(photo)
    return photo.quality.overall - _TOP_PENALTY * top - left - right - bottom


def _outside(photo: Photo) -> tuple[float, float, float, float]:
    """How far the crop reaches over the photo's left, upper, right and lower edge, as shares of its side."""
    scale = photo.face.span / SPAN_PX
    x, y = photo.face.eye_center
    left, top = x - EYES_AT[0] * scale, y - EYES_AT[1] * scale
    side = SIDE_PX * scale
    width, height = _working_size(photo)
    over = (-left, -top, left + side - width, top + side - height)
    return tuple(max(0.0, part) / side for part in over)  # type: ignore[return-value]


def _working_size(photo: Photo) -> tuple[float, float]:
    scale = min(1.0, photo.limits.working_px / max(photo.width, photo.height))
    return photo.width * scale, photo.height * scale


def person_mask(pixels: Any, *, made_up_px: float = 0.0) -> Any:
    """Outline of the person in a reference picture: GrabCut from the known place of head and shoulders.

    Args:
        pixels: uint8 (768, 768, 3) with the eyes at `EYES_AT`.
        made_up_px: Height of the strip at the top that repeats the photo's edge; nobody is in it.

    Returns:
        uint8 (768, 768), 0..255 with a soft edge.
    """
    cv2, np = _import("cv2"), _import("numpy")
    small = cv2.resize(pixels, (_WORK_PX, _WORK_PX), interpolation=cv2.INTER_AREA)
    sure, likely, border = _guess(cv2, np)
    border[: round(made_up_px * _WORK_PX / SIDE_PX)] = True
    marks = np.where(sure, cv2.GC_FGD, np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD)).astype(np.uint8)
    marks[border] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    cv2.grabCut(small, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    person = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8)
    share = float(person.mean())
    if not 0.15 < share < 0.85:
        person = (sure | likely).astype(np.uint8)
    person = _clean(person, cv2, np)
    large = cv2.resize(person * 255, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(large, (0, 0), 2.0)


def _guess(cv2: Any, np: Any) -> tuple[Any, Any, Any]:
    """Where the person surely is, likely is, and surely is not, from the fixed place of the eyes."""
    k = _WORK_PX / SIDE_PX
    x, y, span = EYES_AT[0] * k, EYES_AT[1] * k, SPAN_PX * k
    blank = np.zeros((_WORK_PX, _WORK_PX), np.uint8)
    sure, likely, reach = blank.copy(), blank.copy(), blank.copy()
    _ellipse(cv2, sure, at=(x, y + 0.35 * span), radii=(0.85 * span, 1.25 * span))
    cv2.rectangle(sure, (round(x - 0.5 * span), round(y + span)), (round(x + 0.5 * span), _WORK_PX), 1, -1)
    _ellipse(cv2, sure, at=(x, y + 5.0 * span), radii=(1.8 * span, 2.1 * span))
    _ellipse(cv2, likely, at=(x, y + 0.0 * span), radii=(1.5 * span, 1.9 * span))
    _ellipse(cv2, likely, at=(x, y + 4.2 * span), radii=(3.0 * span, 3.1 * span))
    _ellipse(cv2, reach, at=(x, y + 0.0 * span), radii=(2.1 * span, 2.5 * span))
    _ellipse(cv2, reach, at=(x, y + 4.6 * span), radii=(4.4 * span, 4.0 * span))
    return sure.astype(bool), likely.astype(bool), ~reach.astype(bool)


def _ellipse(cv2: Any, canvas: Any, *, at: tuple[float, float], radii: tuple[float, float]) -> None:
    center, axes = (round(at[0]), round(at[1])), (round(radii[0]), round(radii[1]))
    cv2.ellipse(canvas, center, axes, 0, 0, 360, 1, -1)


def _clean(person: Any, cv2: Any, np: Any) -> Any:
    """The largest piece, without holes or threads."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    person = cv2.morphologyEx(cv2.morphologyEx(person, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel)
    for value in (1, 0):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            (person == value).astype(np.uint8), connectivity=4
        )
        keep = (1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))) if count > 1 else 0
        if value == 1:
            person = (labels == keep).astype(np.uint8)
        else:
            edge = set(np.unique(np.concatenate([labels[0], labels[:, 0], labels[:, -1], labels[-1]]))) - {0}
            person[(person == 0) & ~np.isin(labels, sorted(edge))] = 1
    return person


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModelMissing(f"The package {name}") from error
