"""Pictures, and files that only look like some: bombs, halves, other formats, pages in disguise."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image, PngImagePlugin


def picture(size: tuple[int, int] = (300, 400), seed: int = 0) -> Image.Image:
    """Four coloured quarters, so that every turn shows."""
    image = Image.new("RGB", size, (200, 30 + seed, 30))
    half = (size[0] // 2, size[1] // 2)
    image.paste((30, 200, 30), (half[0], 0, size[0], half[1]))
    image.paste((30, 30, 200), (0, half[1], half[0], size[1]))
    image.paste((230, 230, 230), (*half, *size))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(4_000_000)))
        + chunk(b"IEND", b"")
    )


def _jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(encoded(picture(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _webp_claiming(width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + sizes
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _animated(kind: str) -> bytes:
    frames = [picture(seed=seed) for seed in (0, 40, 80)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def _noise() -> bytes:
    return os.urandom(3000)


def _png_with_a_text_bomb() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "0" * 80_000_000, zip=True)
    return encoded(picture(), "PNG", pnginfo=info)


HOSTILE: dict[str, tuple[Callable[[], bytes], str, int]] = {
    "png bomb": (lambda: _png_claiming(50_000, 50_000), "too-many-pixels", 413),
    "jpeg bomb": (lambda: _jpeg_claiming(60_000, 60_000), "too-many-pixels", 413),
    "webp bomb": (lambda: _webp_claiming(16_000, 16_000), "too-many-pixels", 413),
    "text bomb": (_png_with_a_text_bomb, "damaged", 422),
    "zero bytes": (lambda: b"", "empty-file", 400),
    "too large": (lambda: b"\xff\xd8\xff" + bytes(1_000_000), "too-large", 413),
    "too small": (lambda: encoded(picture((100, 100)), "JPEG"), "too-small", 422),
    "tiff": (lambda: encoded(picture(), "TIFF"), "unsupported-format", 415),
    "animated gif": (lambda: _animated("GIF"), "unsupported-format", 415),
    "animated webp": (lambda: _animated("WEBP"), "unsupported-format", 415),
    "bmp": (lambda: encoded(picture(), "BMP"), "unsupported-format", 415),
    "svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported-format", 415),
    "html": (lambda: b"<!doctype html><script>alert(1)</script>", "not-a-picture", 415),
    "gif and html": (lambda: b"GIF89a/*<script>alert(1)</script>*/", "unsupported-format", 415),
    "video": (lambda: b"\0\0\0\x20ftypisom" + bytes(200), "video", 415),
    "noise": (lambda: b"\0" + _noise(), "not-a-picture", 415),
    "noise called jpeg": (lambda: b"\xff\xd8\xff\xe0" + _noise(), "damaged", 422),
    "half a jpeg": (lambda: encoded(picture(), "JPEG")[:-900], "damaged", 422),
    "half a heic": (lambda: b"\0\0\0\x18ftypheic" + _noise(), "damaged", 422),
}
"""Name -> how it is made, its refusal's code and HTTP status; where the limits are 1 MB and 4 megapixels."""
