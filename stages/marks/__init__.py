"""Marked as generated: IPTC's digital source type in the metadata, a small visible mark, a signed C2PA
manifest.

    delivered = mark_picture(png, visible=True, language="ko", sandbox=False, signer=None)
    inspect_file("01-studio.png").source_type

Importing this costs nothing: Pillow, faces and c2pa are imported when they are needed.
"""

from .credentials import Signature
from .errors import MarkError
from .marking import mark_picture
from .reading import Inspection, inspect_bytes, inspect_file
from .signing import Signer, make_signer
from .visible import TEXTS
from .xmp import Language, Mark, read_mark, write_mark

__all__ = [
    "TEXTS",
    "Inspection",
    "Language",
    "Mark",
    "MarkError",
    "Signature",
    "Signer",
    "inspect_bytes",
    "inspect_file",
    "make_signer",
    "mark_picture",
    "read_mark",
    "write_mark",
]
