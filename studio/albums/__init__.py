"""Albums: one person's photos, taken in safely, judged at once, with consent."""

from __future__ import annotations

from .albums import SUBJECTS, album_ready, create_album, give_consent, rename_album
from .judging import album_advice, judge_photos, remove_photo
from .names import clean_name
from .uploads import add_photo, photo_file, thumb_file

__all__ = [
    "SUBJECTS",
    "add_photo",
    "album_advice",
    "album_ready",
    "clean_name",
    "create_album",
    "give_consent",
    "judge_photos",
    "photo_file",
    "remove_photo",
    "rename_album",
    "thumb_file",
]
