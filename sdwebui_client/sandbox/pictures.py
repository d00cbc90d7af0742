"""Pictures on the wire: base64 in, PNG or JPEG with its infotext out."""

from __future__ import annotations

import base64
import binascii
import io

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from .errors import ApiError
from .render import Picture

MAX_PIXELS = 64_000_000
"""Larger pictures are refused as unreadable: a decompression bomb must not take the machine down."""
BAD_IMAGE = "Invalid encoded image"
LOCAL_URL = "Request to local resource not allowed"
NO_REQUESTS = "Requests not allowed"
_UNREADABLE = (
    binascii.Error,
    ValueError,
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    EOFError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286


def decode_base64(text: str) -> Image.Image:
    """Decode a picture of a request, base64 or a data URI.

    Raises:
        ApiError: 500, as the server answers whatever is wrong with the picture.
    """
    if text.startswith(("http://", "https://")):
        raise ApiError(500, LOCAL_URL)
    if text.startswith("data:image/"):
        text = text.partition(";")[2].partition(",")[2]
    try:
        data = base64.b64decode(text)
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ApiError(500, BAD_IMAGE)
            image.load()
            return image.copy() if not image.info else _with_info(image)
    except _UNREADABLE as error:
        raise ApiError(500, BAD_IMAGE) from error


def _with_info(image: Image.Image) -> Image.Image:
    copy = image.copy()
    copy.info = dict(image.info)
    return copy


def to_rgb(image: Image.Image, background: str = "#ffffff") -> Picture:
    """Turn any picture into RGB pixels; transparency shows a colour (`img2img_background_color`)."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, background), rgba)
    return np.asarray(image.convert("RGB"), dtype=np.uint8)


def encode(picture: Picture, infotext: str | None, *, image_format: str = "png", alpha: bool = False) -> str:
    """Encode pixels for an answer.

    Args:
        picture: RGB.
        infotext: written as the WebUI does: PNG chunk `parameters`, or EXIF UserComment; None leaves it out.
        image_format: the option `samples_format`.
        alpha: answer RGBA, as Forge's saved pictures are.

    Returns:
        base64.
    """
    image = Image.fromarray(picture)
    if alpha:
        image = image.convert("RGBA")
    out = io.BytesIO()
    if image_format.lower() == "png":
        chunks = PngImagePlugin.PngInfo()
        if infotext:
            chunks.add_text("parameters", infotext)
        chunks.add_text("sandbox", "true")
        image.save(out, "PNG", pnginfo=chunks, compress_level=1)
    else:
        kind = "WEBP" if image_format.lower() == "webp" else "JPEG"
        image.convert("RGB").save(out, kind, quality=80, exif=_exif(infotext or ""))
    return base64.b64encode(out.getvalue()).decode("ascii")


def preview_png(picture: Picture) -> str:
    """Encode a live preview."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", compress_level=1)
    return base64.b64encode(out.getvalue()).decode("ascii")


def _exif(infotext: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = b"UNICODE\0" + infotext.encode("utf-16-be")
    return exif.tobytes()


def read_infotext(image: Image.Image) -> str:
    """Return the generation parameters a picture carries, or an empty text."""
    text = image.info.get("parameters")
    if isinstance(text, str):
        return text
    comment = image.getexif().get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    if isinstance(comment, bytes) and comment.startswith(b"UNICODE\0"):
        return comment[8:].decode("utf-16-be", "replace")
    return ""
