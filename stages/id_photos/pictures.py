"""Pixels in and out: opening within limits, cutting out, writing a JPEG of a known size on paper."""

from __future__ import annotations

import math
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from .errors import IdPhotoError
from .place import Matrix

if TYPE_CHECKING:
    from PIL import Image

    from faces.pixels import RGB

MAX_PIXELS = 80_000_000
QUALITY = 95
_MADE_UP_BLUR = 0.03
"""Blur of what is made up beyond the portrait's edge, in widths of the photo: no streaks."""


def open_picture(data: bytes) -> RGB:
    """Decode a picture: upright by its EXIF, in sRGB, on white where it is transparent.

    Raises:
        IdPhotoError: No picture, damaged, or of too many pixels; looked at before it is decoded.
    """
    from PIL import Image, ImageOps

    from faces.pixels import to_rgb
    from sdwebui_client import EncodedImage

    try:
        width, height = EncodedImage.from_bytes(data).size
        if width * height > MAX_PIXELS:
            raise IdPhotoError(
                "too-many-pixels",
                f"사진이 너무 큽니다 ({width}×{height}). 최대 8천만 화소까지 사용할 수 있습니다.",
                f"The picture is too large ({width} x {height}); at most 80 megapixels can be used.",
            )
        with Image.open(BytesIO(data)) as opened:
            return to_rgb(_in_srgb(ImageOps.exif_transpose(opened)))
    except (ValueError, OSError, SyntaxError) as error:
        raise IdPhotoError(
            "not-a-picture", "사진을 읽을 수 없습니다.", f"The picture cannot be read: {error}"
        ) from error


def _in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA"):
        return image
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(image, source, target, outputMode=image.mode)
    except ImageCms.PyCMSError:
        # A profile that cannot be read is no reason to refuse the picture: viewers show it as sRGB too.
        return image
    return turned if turned is not None else image


def render(pixels: RGB, matrix: Matrix, size: tuple[int, int]) -> Image.Image:
    """Cut the photo out; where the portrait ends its edge goes on, softened.

    Args:
        pixels: The portrait.
        matrix: Takes a point of the portrait to the photo.
        size: Width and height of the photo.
    """
    import cv2
    import numpy as np
    from PIL import Image

    transform = np.array(matrix, np.float64)
    scale = math.hypot(transform[0, 0], transform[1, 0])
    height, width = pixels.shape[:2]
    picture: Any = pixels
    if scale < 1:
        # warpAffine looks at few neighbours: what is made smaller is averaged before it is turned.
        small = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
        factors = width / small[0], height / small[1]
        # Pixel middles, not corners, keep their place.
        transform[:, 2] += transform[:, 0] * (factors[0] - 1) / 2 + transform[:, 1] * (factors[1] - 1) / 2
        transform[:, 0] *= factors[0]
        transform[:, 1] *= factors[1]
    warped = cv2.warpAffine(picture, transform, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    ones = np.full(picture.shape[:2], 255, np.uint8)
    inside = cv2.warpAffine(ones, transform, size, flags=cv2.INTER_NEAREST, borderValue=0)
    if (inside == 0).any():
        soft = cv2.GaussianBlur(warped, (0, 0), max(1.0, _MADE_UP_BLUR * size[0]))
        warped = np.where(inside[..., None] == 0, soft, warped)
    return Image.fromarray(cast("Any", warped))


def to_jpeg(image: Image.Image, dpi: int) -> bytes:
    """A JPEG in full colour resolution, with its density and the sRGB profile. The same picture, the same
    bytes."""
    out = BytesIO()
    image.save(
        out,
        "JPEG",
        quality=QUALITY,
        subsampling=0,
        dpi=(dpi, dpi),
        icc_profile=_srgb_profile(),
        optimize=True,
    )
    return out.getvalue()


@lru_cache(maxsize=1)
def _srgb_profile() -> bytes:
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Bytes 24..35 of an ICC profile say when it was made (ICC.1:2022, 7.2.1): the same file every time.
    profile[24:36] = b"\x07\xd0\x00\x01\x00\x01" + bytes(6)
    return bytes(profile)
