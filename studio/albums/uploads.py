"""Taking one photo in.

What is kept is never what was sent: the picture is decoded within limits, turned upright, and encoded again
without anything that was written beside its pixels.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Select, func, select, update

from ..access import album_of
from ..core import Studio
from ..data import Album, Photo, new_id
from ..refusals import not_found
from ..service_settings import DAY_S
from . import refusing
from .albums import require_unlocked
from .names import clean_name

if TYPE_CHECKING:
    from PIL.Image import Image

    from train_lora.limits import PhotoLimits

LONGEST_SIDE = 4096
"""Of a stored photo, pixels."""
QUALITY = 95
"""JPEG quality of a stored photo."""
THUMB_SIDE, THUMB_QUALITY = 480, 82
_decoding = threading.BoundedSemaphore(2)
"""A picture at the limit takes hundreds of megabytes while it is decoded."""


def add_photo(studio: Studio, user_id: str, album_id: str, data: bytes | Path, shown_name: str) -> Photo:
    """Take a photo in; the same picture a second time is the first one.

    Args:
        studio: The studio.
        user_id: Who sends it.
        album_id: Where it belongs.
        data: The file's bytes, or where they lie.
        shown_name: What the sender's device calls it.

    Returns:
        Its row; judged by the next `judge_photos`.

    Raises:
        Refused: `not-found`, `photos-locked`, `too-many-photos`, `empty-file`, `too-large`,
            `too-many-pixels`, `too-small`, `not-a-picture`, `unsupported-format`, `video`, `damaged`,
            or `disk-full` (507).
    """
    album = album_of(studio, user_id, album_id)
    with studio.db.session() as db:
        require_unlocked(db, album.id)
        _require_room(studio, db.scalar(_count(album.id)) or 0)
    jpeg, thumb, size = _encode(data, upload_limits(studio))
    sha256 = hashlib.sha256(jpeg).hexdigest()
    known = _same_photo(studio, album.id, sha256)
    if known is not None:
        return known
    photo_id = new_id()
    photo = Photo(
        id=photo_id,
        album_id=album.id,
        user_id=user_id,
        file=f"{photo_id}.jpg",
        shown_name=clean_name(shown_name),
        sha256=sha256,
        width=size[0],
        height=size[1],
        size_bytes=len(jpeg),
    )
    with refusing.told_when_full():
        return _keep(studio, photo, jpeg, thumb)


def upload_limits(studio: Studio) -> PhotoLimits:
    """The operator's limits, in the words of the photo check."""
    from train_lora.limits import PhotoLimits

    pixels = studio.settings.max_pixels_mp * 1_000_000
    return PhotoLimits(
        max_file_bytes=studio.settings.max_upload_mb * 1_000_000,
        max_pixels=pixels,
        max_jpeg_pixels=pixels,
        working_px=LONGEST_SIDE,
    )


def photo_file(studio: Studio, photo: Photo) -> Path:
    """Where the stored photo lies."""
    return studio.layout.photos(photo.user_id, photo.album_id) / photo.file


def thumb_file(studio: Studio, photo: Photo) -> Path:
    """Where its small picture lies: a JPEG of at most 480 px."""
    return studio.layout.thumbs(photo.user_id, photo.album_id) / photo.file


def write_thumb(studio: Studio, photo: Photo) -> None:
    """Make the small picture again from the stored photo."""
    from train_lora.decoding import decode

    image = decode(photo_file(studio, photo).read_bytes(), upload_limits(studio)).image
    with refusing.told_when_full():
        _write(thumb_file(studio, photo), _thumb(image))


def _encode(data: bytes | Path, limits: PhotoLimits) -> tuple[bytes, bytes, tuple[int, int]]:
    """The photo as it is stored, its small picture, and its width and height."""
    from train_lora.decoding import Refused as Unusable
    from train_lora.decoding import decode, read_bytes

    try:
        if isinstance(data, bytes):
            _require_size(len(data), limits)
        else:
            data = read_bytes(data, limits)
        _require_still(data)
        with _decoding:
            image = decode(data, limits).image
            return _jpeg(image, QUALITY), _thumb(image), image.size
    except Unusable as error:
        facts = {name: fact for name, fact in error.facts.items() if not name.startswith("_")}
        raise refusing.refuse_upload(error.code, facts) from error


def _require_size(size: int, limits: PhotoLimits) -> None:
    from train_lora.decoding import Refused as Unusable

    if size == 0:
        raise Unusable("empty_file")
    if size > limits.max_file_bytes:
        megabytes, limit = size // 1_000_000, limits.max_file_bytes // 1_000_000
        raise Unusable("file_too_large", megabytes=megabytes, limit_megabytes=limit)


def _require_still(data: bytes) -> None:
    """An animation is no photo (RFC 9649, section 2.7: the flag of a WebP's extended header)."""
    from train_lora.decoding import Refused as Unusable

    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X" and len(data) > 20 and data[20] & 0x02:
        raise Unusable("unsupported_format", format="Animated WebP")


def _jpeg(image: Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _thumb(image: Image) -> bytes:
    small = image.copy()
    small.thumbnail((THUMB_SIDE, THUMB_SIDE))
    return _jpeg(small, THUMB_QUALITY)


def _keep(studio: Studio, photo: Photo, jpeg: bytes, thumb: bytes) -> Photo:
    """Files first beside their place, then row and place together: what cannot be listed is not kept."""
    final, small = photo_file(studio, photo), thumb_file(studio, photo)
    partial = studio.layout.tmp / f"{photo.id}.jpg"
    kept = False
    try:
        _write(partial, jpeg)
        _write(small, thumb)
        with studio.db.session() as db:
            # Written first: from here on no other upload counts this album's photos.
            changed = db.execute(
                update(Album)
                .where(Album.id == photo.album_id)
                .values(photos_deleted_at=None, keep_photos_until=_keep_until(studio))
            )
            if getattr(changed, "rowcount", 0) != 1:
                raise not_found()
            require_unlocked(db, photo.album_id)
            known = db.scalar(_same(photo.album_id, photo.sha256))
            if known is not None:
                return known
            _require_room(studio, db.scalar(_count(photo.album_id)) or 0)
            db.add(photo)
            db.flush()
            final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.replace(final)
        kept = True
    finally:
        partial.unlink(missing_ok=True)
        if not kept:
            final.unlink(missing_ok=True)
            small.unlink(missing_ok=True)
    return photo


def _keep_until(studio: Studio) -> float:
    return time.time() + studio.settings.photos_days * DAY_S


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _count(album_id: str) -> Select[int]:
    return select(func.count()).select_from(Photo).where(Photo.album_id == album_id)


def _same(album_id: str, sha256: str) -> Select[Photo]:
    return select(Photo).where(Photo.album_id == album_id, Photo.sha256 == sha256)


def _same_photo(studio: Studio, album_id: str, sha256: str) -> Photo | None:
    with studio.db.session() as db:
        return db.scalar(_same(album_id, sha256))


def _require_room(studio: Studio, have: int) -> None:
    if have >= studio.settings.max_photos:
        raise refusing.too_many_photos(studio.settings.max_photos)
