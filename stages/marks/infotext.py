"""Whether a WebUI's generation parameters are in a picture."""

from __future__ import annotations

from collections.abc import Mapping

from sdwebui_client import EncodedImage

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286


def has_infotext(picture: EncodedImage, texts: Mapping[str, str]) -> bool:
    """Whether the picture carries an infotext: PNG chunk `parameters`, else EXIF UserComment.

    Args:
        picture: The picture.
        texts: Its text chunks.
    """
    if picture.format == "PNG":
        return bool(texts.get("parameters"))
    try:
        with picture.open() as image:
            comment = image.getexif().get_ifd(_EXIF_IFD).get(_USER_COMMENT, b"")
    except (OSError, SyntaxError, ValueError):
        # Broken EXIF holds no parameters anybody could read.
        return False
    body = comment[8:] if isinstance(comment, bytes) else str(comment).encode()
    return b"Steps:" in body.replace(b"\0", b"")
