"""Reads back what a picture says of how it came about."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdwebui_client import EncodedImage

from .credentials import Signature, read_signature
from .errors import MarkError
from .infotext import has_infotext
from .xmp import read_mark


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one picture file says."""

    file: str
    format: str
    width: int
    height: int
    generated: bool
    """Whether anything in it says that it was generated: the XMP, or a C2PA manifest that is not broken."""
    source_type: str | None
    """IPTC's DigitalSourceType in the XMP."""
    description: str
    visible_mark: str | None
    """Language of the visible mark the metadata speak of; the pixels are not looked at."""
    sandbox: bool
    """Whether the stand-in for a WebUI drew it."""
    infotext: bool
    """Whether a WebUI's generation parameters are in it."""
    c2pa: Signature

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def inspect_file(path: str | Path, *, trust: Path | None = None) -> Inspection:
    """Read what a picture says of how it came about. Nothing is fetched.

    Args:
        path: PNG, JPEG or WebP.
        trust: PEM file with the authorities to be trusted; without it no signer is trusted.

    Raises:
        MarkError: Not a picture, or damaged.
        OSError: It cannot be read.
    """
    path = Path(path)
    trusted = trust.read_text("utf-8") if trust is not None else None
    return inspect_bytes(path.read_bytes(), str(path), trust=trusted)


def inspect_bytes(data: bytes, name: str = "", *, trust: str | None = None) -> Inspection:
    """`inspect_file` for bytes.

    Args:
        data: PNG, JPEG or WebP.
        name: Shown as the file.
        trust: PEM of the authorities to be trusted.
    """
    try:
        picture = EncodedImage.from_bytes(data)
        width, height = picture.size
        texts = picture.text
    except ValueError as error:
        raise MarkError("not-a-picture", f"{name}: {error}" if name else str(error)) from error
    mark, signature = read_mark(data), read_signature(data, picture.format, trust=trust)
    return Inspection(
        file=name,
        format=picture.format,
        width=width,
        height=height,
        generated=mark.generated or signature.generated,
        source_type=mark.source_type,
        description=mark.description,
        visible_mark=mark.visible,
        sandbox=mark.sandbox,
        infotext=has_infotext(picture, texts),
        c2pa=signature,
    )
