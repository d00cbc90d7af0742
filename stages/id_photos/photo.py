"""Makes an ID photo of a portrait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from .errors import IdPhotoError
from .formats import ID_FORMATS, MM_PER_INCH, IdFormat
from .head import Head, measure_head

if TYPE_CHECKING:
    from PIL import Image

_QUALITY = 95


@dataclass(frozen=True, slots=True)
class IdPhoto:
    """One finished ID photo."""

    jpeg: bytes
    """sRGB, its density in the file, marked as generated where the portrait was."""
    head_mm: float
    """Chin to the top of the hair."""
    eyes_mm: float
    """Line through the eyes above the lower edge."""
    tilt_deg: float
    """How far the head was tilted in the portrait and has been turned back; positive = the right eye was lower."""
    warnings: Mapping[str, tuple[str, ...]]
    """Language -> sentences the user has to see; empty when there is nothing to say."""
    kind: str = "kr-3x4"
    dpi: int = 300

    def encode_like(self, image: Image.Image) -> bytes:
        """Encode another picture the same way: density, colours and mark."""
        return _encode(image, self.dpi)


def make_id_photo(picture: bytes, kind: str, *, dpi: int = 300) -> IdPhoto:
    """Cut an ID photo out of a portrait: head size and eye line as the format asks, head upright.

    Args:
        picture: PNG, JPEG or WebP.
        kind: Name from `ID_FORMATS`.
        dpi: Pixels an inch, 72..1200.

    Raises:
        IdPhotoError: It cannot be done with this picture; says why, in both languages.
    """
    from PIL import Image

    from faces import detect
    from faces.pixels import to_rgb

    if kind not in ID_FORMATS:
        raise IdPhotoError("unknown-format", f"{kind}: 없는 형식입니다.", f"There is no format {kind!r}.")
    form = ID_FORMATS[kind]
    pixels = to_rgb(Image.open(BytesIO(picture)))
    found = detect(pixels)
    if not found:
        raise IdPhotoError("no-face", "얼굴을 찾을 수 없습니다.", "No face was found in the picture.")
    head = measure_head(pixels, found[0])
    matrix, head_mm, eyes_mm = _place(head, form, dpi)
    image = _render(pixels, matrix, form.size_px(dpi))
    warnings = {language: (text,) for language, text in (form.warning or {}).items()}
    return IdPhoto(_encode(image, dpi), head_mm, eyes_mm, head.roll_deg, warnings, kind, dpi)


def _place(head: Head, form: IdFormat, dpi: int) -> tuple[Any, float, float]:
    px_mm = dpi / MM_PER_INCH
    head_mm = sum(form.head_mm) / 2
    scale = head_mm * px_mm / head.height_px
    if form.eyes_from_bottom_mm:
        eyes_mm = sum(form.eyes_from_bottom_mm) / 2
    else:
        low, high = form.top_mm or (2.0, 7.0)
        eyes_mm = form.height_mm - (low + 0.4 * (high - low)) - head.hair_px * scale / px_mm
    turn = math.radians(-head.roll_deg)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    x, y = head.eyes
    width, height = form.size_px(dpi)
    at_x, at_y = width / 2, height - eyes_mm * px_mm
    matrix = ((cos, -sin, at_x - cos * x + sin * y), (sin, cos, at_y - sin * x - cos * y))
    return matrix, head_mm, eyes_mm


def _render(pixels: Any, matrix: Any, size: tuple[int, int]) -> Image.Image:
    import cv2
    import numpy as np
    from PIL import Image

    warped = cv2.warpAffine(
        pixels, np.array(matrix), size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return Image.fromarray(warped)


def _encode(image: Image.Image, dpi: int) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=_QUALITY, subsampling=0, dpi=(dpi, dpi))
    return out.getvalue()
