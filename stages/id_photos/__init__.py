"""ID photos by measurement: head size and eye line placed to a format's millimetres, 300 dpi, and print
sheets.

    photo = make_id_photo(portrait_bytes, "kr-passport")
    sheet = print_sheet(photo, paper="4x6in")

Importing this costs nothing: pictures are opened, and faces looked for, when a photo is made.
"""

from .errors import IdPhotoError
from .formats import ID_FORMATS, OFFICIAL_WARNING, IdFormat
from .photo import IdPhoto, make_id_photo
from .sheet import PAPERS, print_sheet

__all__ = [
    "ID_FORMATS",
    "OFFICIAL_WARNING",
    "PAPERS",
    "IdFormat",
    "IdPhoto",
    "IdPhotoError",
    "make_id_photo",
    "print_sheet",
]
