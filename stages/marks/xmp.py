"""The mark in the metadata: an XMP packet, read and written in PNG and JPEG without touching a pixel.

A PNG carries XMP in an iTXt chunk, a JPEG in an APP1 segment that begins with the namespace's address (XMP
Specification Part 3, January 2020, 1.1.3 and 1.1.5). What a picture says already stays: properties are added
in an `rdf:Description` of their own.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from typing import Literal
from xml.sax.saxutils import quoteattr

from sdwebui_client import EncodedImage

from ..lib.label import TRAINED_ALGORITHMIC_MEDIA, XMP_KEYWORD, add_text, xml_text, xmp_packet
from .errors import MarkError
from .jpeg import Segment, join, split

Language = Literal["ko", "en"]

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = frozenset({TRAINED_ALGORITHMIC_MEDIA, VOCABULARY + "compositeWithTrainedAlgorithmicMedia"})
"""Source types that say that a picture, or a part of it, was generated."""
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
DC = "http://purl.org/dc/elements/1.1/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
OURS = "https://sdwebui-client.invalid/ns/marks/1.0/"
"""Namespace of what no standard has a name for: the visible mark, the sandbox."""

_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_APP1, _MOST = 0xE1, 65533
_CLOSING = re.compile(r"</[A-Za-z_][\w.-]*:RDF\s*>")
_DECLARED = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the metadata of a picture say about how it came about."""

    source_type: str | None = None
    """Address from IPTC's vocabulary; None when nothing is said."""
    description: str = ""
    visible: str | None = None
    """Language of the visible mark that was drawn; None when none was."""
    sandbox: bool = False
    """Whether the stand-in for a WebUI drew it."""

    @property
    def generated(self) -> bool:
        """Whether it says that the picture was generated."""
        return self.source_type in GENERATED


def read_xmp(data: bytes) -> str | None:
    """The XMP packet of a PNG or a JPEG; None when there is none.

    Raises:
        MarkError: The picture's structure is damaged.
    """
    try:
        picture = EncodedImage.from_bytes(data)
        if picture.format == "PNG":
            return picture.text.get(XMP_KEYWORD)
        if picture.format == "JPEG":
            found = [part.body for part in split(data)[0] if _is_xmp(part)]
            return found[0][len(_JPEG_XMP) :].decode("utf-8", "replace") if found else None
    except ValueError as error:
        raise MarkError("damaged", f"the picture cannot be read: {error}") from error
    return None


def read_mark(data: bytes) -> Mark:
    """What a picture says of itself; an empty `Mark` when it says nothing readable.

    Raises:
        MarkError: The picture's structure is damaged.
    """
    packet = read_xmp(data)
    mark = (parse(packet) or Mark()) if packet else Mark()
    # The sandbox itself writes a text chunk.
    drawn = data.startswith(b"\x89PNG") and "sandbox" in EncodedImage.from_bytes(data).text
    return replace(mark, sandbox=True) if drawn else mark


def parse(packet: str) -> Mark | None:
    """Read a packet; None when it is no XMP that can be read."""
    # No XMP has a document type; entities are how XML bombs are built.
    if _DECLARED.search(packet):
        return None
    try:
        root = ElementTree.fromstring(packet.strip("\ufeff\0 \r\n\t"))  # noqa: S314  see above
    except ElementTree.ParseError:
        return None
    if root.find(f".//{{{RDF}}}RDF") is None and root.tag != f"{{{RDF}}}RDF":
        return None
    description = root.find(f".//{{{DC}}}description//{{{RDF}}}li")
    return Mark(
        source_type=_property(root, IPTC, "DigitalSourceType"),
        description=(description.text or "") if description is not None else "",
        visible=_property(root, OURS, "VisibleMark"),
        sandbox=_property(root, OURS, "Sandbox") == "True",
    )


def _property(root: ElementTree.Element, namespace: str, name: str) -> str | None:
    """A simple property, written as an attribute or as an element."""
    key = f"{{{namespace}}}{name}"
    for part in root.iter(f"{{{RDF}}}Description"):
        value = part.get(key)
        element = part.find(key)
        if value is None and element is not None:
            value = element.text or element.get(f"{{{RDF}}}resource")
        if value is not None:
            return value.strip()
    return None


def write_mark(data: bytes, mark: Mark) -> bytes:
    """Add to a picture's metadata what they lack of a mark.

    Nothing is taken away, but one thing: a source type that says that the picture was *not* generated.

    Args:
        data: PNG or JPEG.
        mark: What the picture has to say. An empty description leaves the picture's own.

    Returns:
        The same bytes when it says all that already.

    Raises:
        MarkError: No PNG or JPEG, damaged, or the packet grows too long for a JPEG.
    """
    packet = read_xmp(data)
    there = parse(packet) if packet else None
    if packet is None or there is None or not _CLOSING.search(packet):
        packet, there = xmp_packet(mark.description), Mark(TRAINED_ALGORITHMIC_MEDIA, mark.description)
        fresh = True
    else:
        fresh = False
    wanted = _extended(packet, there, mark)
    return data if wanted == packet and not fresh else _store(data, wanted)


def _extended(packet: str, there: Mark, mark: Mark) -> str:
    if there.source_type is not None and there.source_type not in GENERATED:
        packet = packet.replace(there.source_type, TRAINED_ALGORITHMIC_MEDIA)
        there = replace(there, source_type=TRAINED_ALGORITHMIC_MEDIA)
    attributes: dict[str, str] = {}
    if there.source_type is None:
        attributes["Iptc4xmpExt:DigitalSourceType"] = mark.source_type or TRAINED_ALGORITHMIC_MEDIA
    if mark.visible and not there.visible:
        attributes["marks:VisibleMark"] = mark.visible
    if mark.sandbox and not there.sandbox:
        attributes["marks:Sandbox"] = "True"
    text = mark.description if xml_text(mark.description) and not there.description else ""
    if not attributes and not text:
        return packet
    body = (
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{xml_text(text)}</rdf:li></rdf:Alt>'
        "</dc:description>"
        if text
        else ""
    )
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    part = (
        f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="" xmlns:Iptc4xmpExt="{IPTC}" xmlns:dc="{DC}"'
        f' xmlns:marks="{OURS}"{written}>{body}</rdf:Description>'
    )
    closing = _CLOSING.search(packet)
    assert closing is not None
    return packet[: closing.start()] + part + packet[closing.start() :]


def _store(data: bytes, packet: str) -> bytes:
    picture = EncodedImage.from_bytes(data)
    if picture.format == "PNG":
        return add_text(picture, {XMP_KEYWORD: packet}, replace=True).data
    body = _JPEG_XMP + packet.encode("utf-8")
    if len(body) > _MOST:
        raise MarkError(
            "too-long", f"the XMP of the picture would have {len(body)} bytes; a JPEG holds {_MOST}"
        )
    segments, rest = split(data)
    new, kept = Segment(_APP1, body), list(segments)
    at = next((index for index, part in enumerate(kept) if _is_xmp(part)), None)
    if at is not None:
        kept[at] = new
    else:
        # After JFIF and Exif, which readers expect first.
        heads = [index for index, part in enumerate(kept) if part.marker == 0xE0 or part.body[:4] == b"Exif"]
        kept.insert(heads[-1] + 1 if heads else 0, new)
    return join(kept, rest)


def _is_xmp(part: Segment) -> bool:
    return part.marker == _APP1 and part.body.startswith(_JPEG_XMP)
