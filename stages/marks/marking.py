"""Marks a finished picture: metadata, visible mark, signature, in this order."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from sdwebui_client import EncodedImage

from ..lib.label import TRAINED_ALGORITHMIC_MEDIA
from .errors import MarkError
from .jpeg import Segment, join, split
from .xmp import Language, Mark, read_mark, write_mark

if TYPE_CHECKING:
    from PIL import Image

    from .signing import Signer

_JPEG_QUALITY = 95
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""PNG chunks that belong to the pixels; every other one is taken over when they are written anew."""


def mark_picture(
    data: bytes,
    *,
    visible: bool,
    language: Language = "en",
    sandbox: bool = False,
    signer: Signer | None = None,
    description: str = "",
) -> bytes:
    """Mark a picture as generated. Marking it again changes nothing.

    Text chunks stay (a WebUI's `parameters` among them). Without the visible mark no pixel changes.

    Args:
        data: PNG or JPEG.
        visible: Whether the small visible mark is drawn; one that is there already stays in any case.
        language: Of the visible mark.
        sandbox: Whether the stand-in for a WebUI drew it.
        signer: Also adds a signed C2PA manifest.
        description: Sentence of the metadata.

    Raises:
        MarkError: No PNG or JPEG, damaged, or it carries a signature that the change would break.
        faces.ModelMissing: The visible mark is wanted, and faces cannot be looked for.
    """
    from .credentials import has_manifest
    from .signing import sign

    form = _format(data)
    there = read_mark(data)
    draws = visible and not there.visible
    mark = Mark(
        TRAINED_ALGORITHMIC_MEDIA, description, language if draws else there.visible, sandbox or there.sandbox
    )
    signed = has_manifest(data)
    marked = _drawn(data, form, language) if draws else data
    marked = write_mark(marked, mark)
    if signed and marked != data and signer is None:
        raise MarkError(
            "signed-already",
            "the picture carries a C2PA signature, and a change would break it",
            hint="Mark the picture before it is signed, or give a certificate to sign it again.",
        )
    if signer is None or (signed and marked == data):
        return marked
    return sign(marked, form, signer, title=description or "Portrait", parent=data if signed else None)


def _format(data: bytes) -> str:
    try:
        form = EncodedImage.from_bytes(data).format
    except ValueError as error:
        raise MarkError("not-a-picture", str(error)) from error
    if form not in ("PNG", "JPEG"):
        raise MarkError(
            "not-a-picture", f"a {form} picture cannot be marked", hint="Convert it to PNG first."
        )
    return form


def _drawn(data: bytes, form: str, language: Language) -> bytes:
    """The picture with the visible mark, in its own format, with everything that is not pixels."""
    from PIL import Image

    from faces import detect

    from .visible import draw_mark

    try:
        with Image.open(BytesIO(data)) as opened:
            opened.load()
            image = opened if opened.mode in ("RGB", "RGBA", "L") else opened.convert("RGB")
    except (OSError, SyntaxError) as error:
        raise MarkError("damaged", f"the picture cannot be read: {error}") from error
    draw_mark(image, language, [face.box for face in detect(image)])
    return _png(data, image) if form == "PNG" else _jpeg(data, image)


def _png(data: bytes, image: Image.Image) -> bytes:
    plain = EncodedImage.from_pil(image, compress_level=4).data
    kept = [raw for kind, raw in _chunks(data) if kind not in _KEPT and kind != b"caBX"]
    head = 8 + 25
    return plain[:head] + b"".join(kept) + plain[head:]


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at:end]))
        at = end
    return found


def _jpeg(data: bytes, image: Image.Image) -> bytes:
    out = BytesIO()
    image.convert("RGB" if image.mode == "RGBA" else image.mode).save(
        out, "JPEG", quality=_JPEG_QUALITY, subsampling=0
    )
    # APPn but JUMBF (APP11), and comments: everything that is not how the pixels are packed.
    kept = [part for part in split(data)[0] if _is_remark(part)]
    fresh, rest = split(out.getvalue())
    has_jfif = any(part.marker == 0xE0 for part in kept)
    own = [part for part in fresh if not (part.marker == 0xE0 and has_jfif)]
    return join([*kept, *own] if has_jfif else [*own[:1], *kept, *own[1:]], rest)


def _is_remark(part: Segment) -> bool:
    # APP14 says how Adobe's colours are packed, APP11 holds the manifest that no longer fits.
    return (0xE0 <= part.marker <= 0xEF and part.marker not in (0xEB, 0xEE)) or part.marker == 0xFE
