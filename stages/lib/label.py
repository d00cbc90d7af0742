"""Marks a PNG as generated without touching its pixels.

IPTC's vocabulary says how a picture came about; readers find it in XMP as `Iptc4xmpExt:DigitalSourceType`
(IPTC Photo Metadata Standard 2023.2). A PNG carries XMP in an iTXt chunk of the keyword `XML:com.adobe.xmp`.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Container, Mapping
from xml.sax.saxutils import escape, quoteattr

from sdwebui_client import EncodedImage

TRAINED_ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP_KEYWORD = "XML:com.adobe.xmp"
_SIGNATURE_AND_IHDR = 8 + 25


# What XML 1.0 has no way to write (section 2.2): one such character, and no reader understands the packet. A
# carriage return comes back as a line feed.
_NOT_XML = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """Text as it may stand in XML, without what XML cannot hold."""
    return escape(_NOT_XML.sub("", text))


def xmp_packet(description: str) -> str:
    """An XMP packet that says that the picture was generated."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f" Iptc4xmpExt:DigitalSourceType={quoteattr(TRAINED_ALGORITHMIC_MEDIA)}>"
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{xml_text(description)}</rdf:li></rdf:Alt>'
        "</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="r"?>'
    )


def add_text(picture: EncodedImage, texts: Mapping[str, str], *, replace: bool = False) -> EncodedImage:
    """Add text chunks to a PNG, after its header and before everything else; pixels stay as they are.

    Args:
        picture: A PNG.
        texts: Keyword (1–79 Latin-1 characters) -> text.
        replace: What happens to keywords the picture has already: False leaves them as they are, True gives
            them the new text.

    Raises:
        ValueError: The picture is no PNG.
    """
    if picture.format != "PNG":
        raise ValueError(f"text can be added to a PNG, not to a {picture.format}")
    if replace:
        picture = _without(picture, texts)
    present = picture.text
    chunks = b"".join(_text_chunk(key, text) for key, text in texts.items() if key not in present)
    head, rest = picture.data[:_SIGNATURE_AND_IHDR], picture.data[_SIGNATURE_AND_IHDR:]
    return EncodedImage.from_bytes(head + chunks + rest)


def _without(picture: EncodedImage, keywords: Container[str]) -> EncodedImage:
    """The PNG without its text chunks of some keywords."""
    data, kept, at = picture.data, [picture.data[:8]], 8
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        keyword = data[at + 8 : end].partition(b"\0")[0].decode("latin-1")
        if data[at + 4 : at + 8] not in (b"tEXt", b"zTXt", b"iTXt") or keyword not in keywords:
            kept.append(data[at:end])
        at = end
    return EncodedImage.from_bytes(b"".join(kept))


def _text_chunk(keyword: str, text: str) -> bytes:
    name = keyword.encode("latin-1")
    try:
        # WebUIs write the infotext as tEXt where Latin-1 suffices, and so reads every viewer.
        if keyword == XMP_KEYWORD:
            raise UnicodeError
        kind, body = b"tEXt", name + b"\0" + text.encode("latin-1")
    except UnicodeError:
        kind, body = b"iTXt", name + b"\0\0\0\0\0" + text.encode("utf-8")
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
