"""The last touch on our side: the tone's colour grade, and the mark that says how the picture was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sdwebui_client import EncodedImage

from ._optional import require
from .grade import apply_grade
from .label import XMP_KEYWORD, add_text, xmp_packet

STAGE = "finish"
VERSION = 1

_COMPRESSION = 4
"""PNG compression of a graded picture: half the time of Pillow's default for 2 % more bytes."""


@dataclass(frozen=True)
class FinishSettings:
    """Everything the finish depends on."""

    grade: Mapping[str, float] = field(default_factory=dict)
    """The tone's grade; empty = the pixels stay as they are."""
    strength: float = 1.0
    """Factor on the grade, 0..2."""
    mark_generated: bool = True
    """Whether the metadata say that the picture was generated."""
    description: str = ""
    """Text of the mark."""
    infotext: str = ""
    """The server's `parameters`, in case the picture itself carries none."""

    def to_params(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**asdict(self), "grade": dict(self.grade)}


def finish(picture: EncodedImage, settings: FinishSettings) -> EncodedImage:
    """Grade and mark a picture.

    The server's text chunks stay, its `parameters` among them. What the server wrote in a corner stays too:
    the grade moves colours, not pixels.

    Args:
        picture: As the last generation stage left it.
        settings: What to do.
    """
    texts = dict(picture.text)
    if settings.infotext:
        texts.setdefault("parameters", settings.infotext)
    if settings.mark_generated:
        texts[XMP_KEYWORD] = xmp_packet(settings.description)
    if any(settings.grade.values()) or picture.format != "PNG":
        picture = _graded(picture, settings)
    return add_text(picture, texts)


def _graded(picture: EncodedImage, settings: FinishSettings) -> EncodedImage:
    np = require("numpy", "numpy")
    image_module = require("PIL.Image", "pillow")
    # Forge and reForge answer RGBA; a portrait has nothing to see through.
    pixels = np.asarray(picture.open().convert("RGB"))
    graded = apply_grade(pixels, settings.grade, strength=settings.strength)
    return EncodedImage.from_pil(image_module.fromarray(graded), compress_level=_COMPRESSION)
