"""Format, size and text of a picture read from its header; no pixel is decoded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT_BYTES = 4_000_000
"""A compressed text chunk may grow to this many bytes; a longer one is refused as a decompression bomb."""

_TAIL_BYTES = 4096

# Frame headers that carry a size (ITU-T T.81 table B.1): SOF0–SOF15 without DHT, JPG and DAC.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def picture_format(data: bytes) -> str | None:
    """Return "PNG", "JPEG" or "WEBP" by the first bytes, None for anything else."""
    if data.startswith(PNG_SIGNATURE):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return None


def is_whole(data: bytes) -> bool:
    """Whether the file's own end is there: IEND, EOI or the length RIFF states. Nothing is decoded."""
    # Programs append remarks behind the end, so it is looked for near it, not at it.
    if data.startswith(PNG_SIGNATURE):
        return data.rfind(b"IEND", -_TAIL_BYTES) >= 0
    if data.startswith(b"RIFF"):
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return data.rfind(b"\xff\xd9", -_TAIL_BYTES) >= 0


def picture_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) in pixels as the header states them; EXIF orientation is not applied.

    Raises:
        ValueError: The header is cut off or of an unknown format.
    """
    readers = {"PNG": _png_size, "JPEG": _jpeg_size, "WEBP": _webp_size}
    reader = readers.get(picture_format(data) or "")
    if reader is None:
        raise ValueError("not a PNG, JPEG or WebP picture")
    try:
        width, height = reader(data)
    except (struct.error, IndexError) as error:
        raise ValueError("the picture's header is cut off") from error
    if width <= 0 or height <= 0:
        raise ValueError("the picture's header states no size")
    return width, height


def _png_size(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise ValueError("a PNG whose first chunk is not IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("a JPEG with a broken marker")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte before a marker
            at += 1
            continue
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if marker in (0xD9, 0xDA):
            raise ValueError("a JPEG without a frame header")
        at += 2 if marker == 0x01 or 0xD0 <= marker <= 0xD8 else 2 + struct.unpack_from(">H", data, at + 2)[0]


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("a WebP without picture data")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (type, content) of each chunk of a PNG; stops quietly where the file is cut off."""
    view, at = memoryview(data), len(PNG_SIGNATURE)
    while at + 8 <= len(view):
        length, kind = struct.unpack_from(">I4s", view, at)
        if at + 12 + length > len(view):
            return
        yield kind, view[at + 8 : at + 8 + length]
        at += 12 + length


def png_text(data: bytes) -> dict[str, str]:
    """Return the text chunks (tEXt, zTXt, iTXt) of a PNG by keyword; the first of a keyword wins.

    Raises:
        ValueError: A text chunk is damaged or unpacks to more than `MAX_TEXT_BYTES`.
    """
    texts: dict[str, str] = {}
    if not data.startswith(PNG_SIGNATURE):
        return texts
    for kind, content in png_chunks(data):
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, text = _text_chunk(kind, bytes(content))
            texts.setdefault(keyword, text)
    return texts


def _text_chunk(kind: bytes, content: bytes) -> tuple[str, str]:
    keyword, separator, rest = content.partition(b"\0")
    if not separator:
        raise ValueError("a PNG text chunk without a keyword")
    name = keyword.decode("latin-1")
    if kind == b"tEXt":
        return name, rest.decode("latin-1")
    if kind == b"zTXt":
        return name, _inflate(rest[1:]).decode("latin-1")
    if len(rest) < 2:
        raise ValueError("a PNG iTXt chunk that is cut off")
    compressed, body = rest[0], rest[2:].split(b"\0", 2)
    if len(body) != 3:
        raise ValueError("a PNG iTXt chunk that is cut off")
    packed = body[2]
    return name, (_inflate(packed) if compressed else packed).decode("utf-8", "replace")


def _inflate(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, MAX_TEXT_BYTES)
    except zlib.error as error:
        raise ValueError("a PNG text chunk that cannot be unpacked") from error
    if unpacker.unconsumed_tail:
        raise ValueError(f"a PNG text chunk of more than {MAX_TEXT_BYTES} bytes")
    return text
