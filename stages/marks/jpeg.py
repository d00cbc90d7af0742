"""A JPEG's header as segments (ITU-T T.81, annex B); the compressed picture behind them stays one piece."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_SOI = b"\xff\xd8"
_SOS, _EOI = 0xDA, 0xD9


class Segment(NamedTuple):
    """One marker segment."""

    marker: int
    """Second byte of the marker: 0xE1 is APP1."""
    body: bytes
    """Without marker and length."""


def split(data: bytes) -> tuple[tuple[Segment, ...], bytes]:
    """Take a JPEG apart.

    Returns:
        The segments before the picture data, and everything from the start of the scan on.

    Raises:
        ValueError: No JPEG, or its header is cut off.
    """
    if not data.startswith(_SOI):
        raise ValueError("a JPEG that does not begin like one")
    found: list[Segment] = []
    at = 2
    while True:
        if at + 4 > len(data) or data[at] != 0xFF:
            raise ValueError("a JPEG whose header is broken or cut off")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte before a marker
            at += 1
            continue
        if marker in (_SOS, _EOI):
            return tuple(found), data[at:]
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(data):
            raise ValueError("a JPEG whose header is cut off")
        found.append(Segment(marker, data[at + 4 : at + 2 + length]))
        at += 2 + length


def join(segments: Iterable[Segment], rest: bytes) -> bytes:
    """Put a JPEG together again."""
    parts = [_SOI]
    for part in segments:
        parts += [bytes((0xFF, part.marker)), (len(part.body) + 2).to_bytes(2, "big"), part.body]
    return b"".join([*parts, rest])
