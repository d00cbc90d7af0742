"""Reads back what a picture says of how it came about."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdwebui_client import EncodedImage

from .errors import MarkError
from .signing import has_manifest
from .xmp import read_mark


@dataclass(frozen=True, slots=True)
class Signature:
    """What a C2PA manifest says and is worth."""

    state: str
    """"absent", "trusted" (valid, by a known authority), "untrusted" (valid, by an unknown one), "invalid" (the
    picture or the manifest was changed), "unreadable", "not-checked" (the extra [c2pa] is missing)."""
    signer: str | None = None
    """Common name of the certificate."""
    issuer: str | None = None
    """Organisation of the certificate."""
    source_type: str | None = None
    """Digital source type of the manifest's action `c2pa.created`."""
    generator: str | None = None
    """Program that made the manifest."""
    problems: tuple[str, ...] = ()
    """C2PA's codes of what does not hold."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one picture file says."""

    file: str
    format: str
    width: int
    height: int
    generated: bool
    """Whether anything in it says that it was generated."""
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
    return inspect_bytes(path.read_bytes(), str(path), trust=trust.read_text() if trust else None)


def inspect_bytes(data: bytes, name: str = "", *, trust: str | None = None) -> Inspection:
    """`inspect_file` for bytes; `trust` is the PEM text."""
    try:
        picture = EncodedImage.from_bytes(data)
        (width, height), texts = picture.size, picture.text
    except ValueError as error:
        raise MarkError("not-a-picture", f"{name}: {error}".lstrip(": ")) from error
    mark = read_mark(data)
    signature = Signature("absent" if not has_manifest(data) else "not-checked")
    return Inspection(
        file=name,
        format=picture.format,
        width=width,
        height=height,
        generated=mark.generated,
        source_type=mark.source_type,
        description=mark.description,
        visible_mark=mark.visible,
        sandbox=mark.sandbox or "sandbox" in texts,
        infotext="parameters" in texts,
        c2pa=signature,
    )
