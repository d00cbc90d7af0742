"""A picture that stays encoded until somebody needs pixels.

Encoding a PNG is what makes a client of this API slow (facts: 7 s for 4096² at Pillow's default), so the
server's bytes are kept and handed on untouched; Pillow is imported only by `from_pil` and `open`.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import uuid
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pybase64

from ._headers import picture_format, picture_size, png_text
from .errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """PNG, JPEG or WebP bytes, untouched. Equal when the bytes are equal.

    Example:
        >>> picture = EncodedImage.from_path("skeleton.png")  # doctest: +SKIP
        >>> picture.size  # doctest: +SKIP
        (512, 768)
    """

    data: bytes
    """The encoded file as it came."""

    @classmethod
    def from_bytes(cls, data: bytes) -> EncodedImage:
        """Take over encoded bytes.

        Raises:
            ImageError: They are no PNG, JPEG or WebP.
        """
        if picture_format(data) is None:
            start = bytes(data[:8]).hex(" ") or "nothing"
            raise ImageError(
                f"{len(data)} bytes that start with {start} are no PNG, JPEG or WebP picture",
                hint="convert the picture to PNG first",
            )
        return cls(data)

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> EncodedImage:
        """Read a PNG, JPEG or WebP file.

        Raises:
            ImageError: The file holds something else.
            OSError: It cannot be read.
        """
        try:
            return cls.from_bytes(Path(path).read_bytes())
        except ImageError as error:
            raise ImageError(f"{path}: {error.message}", hint=error.hint) from error

    @classmethod
    def from_base64(cls, text: str | bytes | memoryview) -> EncodedImage:
        """Decode strict base64, with or without a `data:image/…;base64,` prefix; line breaks are allowed.

        Raises:
            ImageError: It is no base64, or its content is no picture.
        """
        plain = _plain_base64(text)
        try:
            data = pybase64.b64decode(plain, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ImageError(f"{len(plain)} characters that are no base64: {error}") from error
        return cls.from_bytes(data)

    @classmethod
    def from_pil(cls, image: Image, *, compress_level: int = 1) -> EncodedImage:
        """Encode a Pillow image as PNG.

        Args:
            image: Any mode; modes PNG does not know (CMYK, YCbCr, HSV, LAB, F) become RGB.
            compress_level: 0 (none) to 9; 1 is four times as fast as Pillow's 6 and some per cent larger.
        """
        if image.mode not in ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"):
            image = image.convert("RGB")
        out = BytesIO()
        image.save(out, "PNG", compress_level=compress_level)
        return cls(out.getvalue())

    @property
    def format(self) -> str:
        """ "PNG", "JPEG" or "WEBP"."""
        name = picture_format(self.data)
        if name is None:
            raise ImageError("not a PNG, JPEG or WebP picture")
        return name

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels as the header states them, before any EXIF orientation.

        Raises:
            ImageError: The header is damaged.
        """
        try:
            return picture_size(self.data)
        except ValueError as error:
            raise ImageError(str(error)) from error

    @property
    def sha256(self) -> str:
        """SHA-256 of the encoded bytes, 64 hex digits. Computed anew each time: about 1 ms for 2 MB."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def text(self) -> dict[str, str]:
        """The PNG's text chunks by keyword ("parameters" holds the infotext); empty for other formats.

        Raises:
            ImageError: A text chunk is damaged.
        """
        try:
            return png_text(self.data)
        except ValueError as error:
            raise ImageError(str(error)) from error

    def to_base64(self) -> str:
        """Return plain base64 without a prefix."""
        return str(pybase64.b64encode_as_string(self.data))

    def open(self) -> Image:
        """Return a Pillow image; pixels are decoded when they are first used."""
        from PIL import Image

        return Image.open(BytesIO(self.data))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the bytes as they are;
        the file appears complete or not at all. Folders are made as needed."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
        try:
            part.write_bytes(self.data)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return target

    def __repr__(self) -> str:
        kind = picture_format(self.data) or "unknown format"
        try:
            size = "{}x{}".format(*picture_size(self.data))
        except ValueError:
            size = "unreadable header"
        return f"EncodedImage({kind}, {size}, {len(self.data)} bytes)"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        # Without this pydantic would take the dataclass apart and copy megabytes; validation passes the
        # instance through.
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _as_picture,
            serialization=core_schema.plain_serializer_function_ser_schema(
                EncodedImage.to_base64, return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, str]:
        return {"type": "string", "contentEncoding": "base64"}


def _as_picture(value: object) -> EncodedImage:
    if isinstance(value, EncodedImage):
        return value
    if isinstance(value, str):
        return EncodedImage.from_base64(value)
    if isinstance(value, bytes):
        return EncodedImage.from_bytes(value)
    if isinstance(value, os.PathLike):
        return EncodedImage.from_path(value)
    if hasattr(value, "mode") and hasattr(value, "save"):
        return EncodedImage.from_pil(value)  # type: ignore[arg-type]  # a Pillow image, Pillow not imported here
    raise ValueError("a picture is an EncodedImage, a Pillow image, a path, bytes or base64 text")


def _plain_base64(text: str | bytes | memoryview) -> str | bytes | memoryview:
    if not isinstance(text, str) and bytes(text[:5]) == b"data:":
        text = bytes(text).decode("latin-1")
    if isinstance(text, str):
        if text.startswith("data:"):
            head, _, text = text.partition(",")
            if not head.endswith(";base64"):
                raise ImageError("a data: address that is not base64")
        return "".join(text.split()) if "\n" in text or "\r" in text else text
    return text
