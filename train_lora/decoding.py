"""From a file somebody calls a photo to upright RGB pixels, or a reason why not.

Nothing is decoded before the header's size has been checked: a few kilobytes can claim a billion pixels.
Pillow's own guard is a global switch with a limit below today's cameras (and it warns, or raises,
depending on the process's settings), so the decoders are chosen here by the file's first bytes and their
sizes held against our limits.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageCms, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from .limits import PhotoLimits

VIDEO_SUFFIXES = frozenset(
    {".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".3gp", ".mts", ".m2ts", ".wmv", ".mpg", ".mpeg"}
)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_OTHER_PICTURES = (
    (b"GIF8", "GIF"), (b"BM", "BMP"), (b"II*\x00", "TIFF or camera raw"), (b"MM\x00*", "TIFF or camera raw"),
    (b"8BPS", "Photoshop"), (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"), (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"<svg", "SVG"), (b"%PDF", "PDF"), (b"\xff\x0a", "JPEG XL"), (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
)  # fmt: skip
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""What Pillow's and libheif's decoders raise on damaged files, seen by cutting and flipping bytes."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPPING = frozenset({5, 6, 7, 8})
"""Orientations in which width and height change places."""
_REDUCIBLE = frozenset({"RGB", "RGBA", "L", "LA", "CMYK"})
_EXIF_IFD, _TAKEN = 0x8769, 0x9003
"""DateTimeOriginal and the directory it stands in (Exif 2.32, 4.6.5)."""
_ORIENTATION = 0x0112
"""The EXIF tag; HEIC files come out of libheif already turned, with the tag set to 1."""


class Refused(Exception):
    """This file is no usable photo; `code` is an entry of `reasons.CATALOGUE`."""

    def __init__(self, code: str, **facts: str | int) -> None:
        self.code = code
        self.facts = facts
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded photo."""

    image: Image.Image = field(repr=False)
    """Upright, RGB, at most `PhotoLimits.working_px` on the longer side."""
    sha256: str
    """Of the file's bytes."""
    width: int
    """Of the photo as it is looked at (upright), before any reduction; pixels."""
    height: int
    format: str
    taken: datetime | None = None
    """When the camera says it was taken, by its own clock; None when it does not say."""


def read_bytes(path: Path, limits: PhotoLimits) -> bytes:
    """The file's bytes.

    Raises:
        Refused: It is empty, too large, or cannot be read.
    """
    try:
        size = path.stat().st_size
        if size > limits.max_file_bytes:
            megabytes = 1_000_000
            raise Refused(
                "file_too_large",
                megabytes=size // megabytes,
                limit_megabytes=limits.max_file_bytes // megabytes,
            )
        data = path.read_bytes()
    except OSError as error:
        raise Refused("unreadable", why=error.strerror or type(error).__name__) from error
    if not data:
        raise Refused("empty_file")
    return data


def decode(data: bytes, limits: PhotoLimits, *, suffix: str = "") -> Decoded:
    """Decode a photo's bytes.

    Args:
        data: The whole file.
        limits: Largest sizes.
        suffix: The file name's ending, only to tell a video from other things that are no pictures.

    Raises:
        Refused: Not a picture, a format that is not read, damaged, too large or too small.
    """
    kind = sniff(data, suffix)
    try:
        if kind == "HEIF":
            image, size = _decode_heif(data, limits), None
        else:
            image, size = _decode_pillow(kind, data, limits)
        width, height = size or image.size
        orientation = image.getexif().get(_ORIENTATION, 1)
        taken = _taken(image)
        image = _upright_rgb(image, orientation, limits.working_px)
    except _BROKEN as error:
        raise Refused("damaged") from error
    if orientation in _SWAPPING:
        width, height = height, width
    if min(width, height) < limits.min_side_px:
        raise Refused("picture_too_small", width=width, height=height, min_side=limits.min_side_px)
    return Decoded(image, hashlib.sha256(data).hexdigest(), width, height, kind, taken)


def _taken(image: Image.Image) -> datetime | None:
    """A photo without a readable date is a photo all the same."""
    try:
        text = str(image.getexif().get_ifd(_EXIF_IFD).get(_TAKEN, ""))
        return datetime.strptime(text.strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except _BROKEN:
        return None


def sniff(data: bytes, suffix: str = "") -> str:
    """Tell the format by the first bytes: "JPEG", "PNG", "WEBP" or "HEIF". File names lie.

    Raises:
        Refused: Something else.
    """
    if data[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        if data[8:12] in _HEIF_BRANDS:
            return "HEIF"
        if data[8:12] in (b"avif", b"avis"):
            raise Refused("unsupported_format", format="AVIF")
        raise Refused("video")
    if suffix.lower() in VIDEO_SUFFIXES:
        raise Refused("video")
    for magic, name in _OTHER_PICTURES:
        if data.startswith(magic):
            raise Refused("unsupported_format", format=name)
    raise Refused("not_an_image")


def _check_size(size: tuple[int, int], limit: int) -> None:
    if size[0] * size[1] > limit:
        raise Refused("too_many_pixels", width=size[0], height=size[1], limit_megapixels=limit // 1_000_000)


def _decode_pillow(kind: str, data: bytes, limits: PhotoLimits) -> tuple[Image.Image, tuple[int, int]]:
    stream: IO[bytes] = io.BytesIO(data)
    image: Any
    if kind == "JPEG":
        image = JpegImagePlugin.JpegImageFile(stream)
        size = image.size
        # A progressive JPEG is held as a whole before any of it can be given (6 bytes a pixel in libjpeg).
        _check_size(size, limits.max_pixels if "progressive" in image.info else limits.max_jpeg_pixels)
        # The JPEG decoder can give a half, quarter or eighth directly, never holding the whole picture.
        image.draft(image.mode, (limits.working_px, limits.working_px))
    elif kind == "PNG":
        image = PngImagePlugin.PngImageFile(stream)
        size = image.size
        _check_size(size, limits.max_pixels)
    else:
        # Opening a WebP already makes room for its pixels (Pillow 13.0.0, WebPImagePlugin).
        size = _webp_size(data)
        _check_size(size, limits.max_pixels)
        image = WebPImagePlugin.WebPImageFile(stream)
    image.load()
    return image, size


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from a WebP's header (RFC 9649, section 2.5 to 2.7)."""
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 " and len(data) >= 30:
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise Refused("damaged")


def _decode_heif(data: bytes, limits: PhotoLimits) -> Image.Image:
    try:
        import pillow_heif
    except ModuleNotFoundError as error:
        raise Refused("heic_support_missing") from error
    heif = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    _check_size(heif.size, limits.max_pixels)
    image: Image.Image = heif[heif.primary_index].to_pillow()
    return image


def _upright_rgb(image: Image.Image, orientation: int, working_px: int) -> Image.Image:
    profile = image.info.get("icc_profile")
    for prepare in (None, _eight_bit_rgb):
        # Reduced before it is converted where the mode allows: a conversion holds the picture twice.
        image = prepare(image) if prepare else image
        if max(image.size) > working_px and image.mode in _REDUCIBLE:
            image.thumbnail((working_px, working_px), Image.Resampling.LANCZOS)
    if profile and image.mode == "RGB":
        image = _to_srgb(image, profile)
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    # A fresh picture: nothing of the file's metadata (place, serial numbers) travels on.
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    return bare


def _eight_bit_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16-bit grey; convert("RGB") would clip everything above 255 to white.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        flat = Image.new("RGBA", image.size, "white")
        flat.alpha_composite(image.convert("RGBA"))
        return flat.convert("RGB")
    return image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Colours as sRGB; phones save Display P3.
    A profile that does not fit the pixels is left aside, as browsers do."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != "RGB":
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted or image
