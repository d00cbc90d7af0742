"""Small pictures of the person's photos, for reports."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from train_lora import PhotosError

from .lib._optional import require
from .report import flatten_to_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

    from train_lora import PhotoSet, PhotoVerdict

_MAX_PIXELS = 64_000_000
"""Refused photos above this are not decoded only to be shown."""


def small_photo(photos: PhotoSet, verdict: PhotoVerdict, longest_px: int) -> Image | None:
    """A photo as it was judged: upright, RGB, at most `longest_px` on its longer side.

    None when it cannot be shown: it is gone or has changed since, is damaged, or of a format only the photo
    reader knows. A report must not fail over a picture in it.
    """
    photo = next((photo for photo in photos.accepted if photo.file == verdict.file), None)
    if photo is not None:
        try:
            return flatten_to_rgb(photo.open(), longest_px)
        except PhotosError:
            return None
    if verdict.width is None or verdict.height is None or verdict.width * verdict.height > _MAX_PIXELS:
        return None
    pil, ops = require("PIL.Image", "pillow"), require("PIL.ImageOps", "pillow")
    try:
        with pil.open(photos.folder / verdict.file) as image:
            return flatten_to_rgb(ops.exif_transpose(image), longest_px)
    except (OSError, ValueError, SyntaxError):
        return None


def photo_jpegs(photos: PhotoSet, longest_px: int) -> dict[str, bytes]:
    """File name -> a small JPEG, of every photo that can be shown."""
    found = {}
    for verdict in photos.photos:
        picture = small_photo(photos, verdict, longest_px)
        if picture is not None:
            out = BytesIO()
            picture.save(out, "JPEG", quality=82)
            found[verdict.file] = out.getvalue()
    return found
