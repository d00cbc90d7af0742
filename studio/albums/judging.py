"""What is said of each photo, and of all together, in both languages.

Finding faces takes about half a second a photo. What was found is kept in the album's work folder, where
a job's own check finds it again; so judging again looks at new photos only, and then compares all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from ..access import album_of, photo_of
from ..core import Studio
from ..data import Album, Job, Photo
from ..refusals import Language
from . import refusing
from .albums import require_unlocked
from .uploads import photo_file, thumb_file, write_thumb

if TYPE_CHECKING:
    from train_lora import Photo as Accepted
    from train_lora import PhotoSet, PhotoVerdict
    from train_lora.screened_folder import ScreenedFolder

_LANGUAGES: tuple[Language, ...] = ("ko", "en")
_LEFT_BEHIND_S = 3600.0
"""A file without a row is of an upload that was killed once it is this old."""
_judging = threading.Lock()
"""One photo at a time, since faces are found on all cores; taken anew for each, so that users take turns."""


def judge_photos(studio: Studio, user_id: str, album_id: str) -> list[Photo]:
    """Judge the photos that are new, and all of them together.

    Returns:
        All photos of the album, oldest first, each with its verdict.

    Raises:
        Refused: `not-found`, or `disk-full` (507).
        faces.ModelMissing: The face models are not installed.
    """
    album = album_of(studio, user_id, album_id)
    rows = _rows(studio, album)
    if all(row.accepted is not None and thumb_file(studio, row).is_file() for row in rows):
        return rows
    for row in rows:
        if row.accepted is None:
            with _judging, refusing.told_when_full():
                _look_at(studio, album, row)
    with _judging, refusing.told_when_full():
        rows = _with_files(studio, _rows(studio, album))
        for row in rows:
            if not thumb_file(studio, row).is_file():
                write_thumb(studio, row)
        _judge(studio, album, rows)
    return _rows(studio, album)


def remove_photo(studio: Studio, user_id: str, photo_id: str) -> None:
    """Delete one photo: its file, its small picture, what was found on it and made of it, its row.

    Jobs made training pictures, reports and the like of all photos together; those go. What a model learned
    of it stays in the model, and the portraits stay.

    Raises:
        Refused: `not-found`, or `photos-locked`.
    """
    from train_lora.limits import PhotoLimits

    photo = photo_of(studio, user_id, photo_id)
    album = album_of(studio, user_id, photo.album_id)
    with studio.db.session() as db:
        require_unlocked(db, album.id)
    _remove_made(studio, album)
    path = photo_file(studio, photo)
    if path.is_file():
        _known(studio, album).forget(path, PhotoLimits())
    # The row goes last: what is still listed may still be there, what is not listed is gone.
    path.unlink(missing_ok=True)
    thumb_file(studio, photo).unlink(missing_ok=True)
    with studio.db.session() as db:
        db.execute(delete(Photo).where(Photo.id == photo.id))
    with _judging:
        left = _with_files(studio, _rows(studio, album))
        if left and all(row.accepted is not None for row in left):
            _judge(studio, album, left)


def _remove_made(studio: Studio, album: Album) -> None:
    from stages.errors import WorkFolderBusy
    from stages.lock import FolderLock
    from stages.recipes.ahead import AHEAD

    from ..erasing.files import remove
    from ..erasing.targets import made_of_photos

    work = studio.layout.work(album.user_id, album.id)
    with studio.db.session() as db:
        jobs = list(db.scalars(select(Job.id).where(Job.album_id == album.id)))
    made = made_of_photos([work], [studio.layout.job(album.user_id, job) for job in jobs])
    if not made:
        return
    try:
        with ExitStack() as stack:
            for folder in (work, work / AHEAD):
                if folder.is_dir():
                    stack.enter_context(FolderLock(folder / "lock"))
            for path in made:
                remove(path)
    except WorkFolderBusy:
        raise refusing.photos_locked() from None


def album_advice(studio: Studio, user_id: str, album_id: str) -> list[dict[Language, str]]:
    """What would make the whole set better; nothing while photos are not judged.

    Raises:
        Refused: `not-found`.
    """
    from train_lora.advice import advise

    album = album_of(studio, user_id, album_id)
    rows = _with_files(studio, _rows(studio, album))
    if not rows or any(row.accepted is None for row in rows):
        return []
    found = advise(_look(studio, album))
    return [{language: advice.describe(language) for language in _LANGUAGES} for advice in found]


def _judge(studio: Studio, album: Album, rows: Sequence[Photo]) -> None:
    if not rows:
        return
    found = _look(studio, album)
    verdicts = {verdict.file: verdict for verdict in found.photos}
    used = {photo.file: photo for photo in found.accepted}
    names = {row.file: row.shown_name or row.file for row in rows}
    with studio.db.session() as db:
        for row in rows:
            verdict = verdicts.get(row.file)
            if verdict is None:
                continue
            said = _said(verdict, used.get(row.file), names)
            if (row.accepted, row.verdict) != (verdict.accepted, said):
                db.execute(
                    update(Photo).where(Photo.id == row.id).values(accepted=verdict.accepted, verdict=said)
                )


def _look(studio: Studio, album: Album) -> PhotoSet:
    """The photo check of a job, on the same folder, with the same memory."""
    from train_lora import PhotosError, load_photos

    folder = studio.layout.photos(album.user_id, album.id)
    try:
        return load_photos(folder, known=_known(studio, album))
    except PhotosError as error:
        # Too few, or two people: each photo has its verdict all the same.
        if error.photos is None:
            raise
        return error.photos


def _look_at(studio: Studio, album: Album, row: Photo) -> None:
    """Find the face of one photo; it is remembered until all are compared."""
    from train_lora import screening
    from train_lora.decoding import Refused as Unusable
    from train_lora.limits import PhotoLimits

    with suppress(Unusable):  # remembered too, and told with the others
        _known(studio, album).screened(photo_file(studio, row), PhotoLimits(), screening.screen)


def _known(studio: Studio, album: Album) -> ScreenedFolder:
    from stages.training.photos import SCREENED
    from train_lora.screened_folder import ScreenedFolder

    return ScreenedFolder(studio.layout.work(album.user_id, album.id) / SCREENED)


def _said(verdict: PhotoVerdict, used: Accepted | None, names: Mapping[str, str]) -> dict[str, Any]:
    from train_lora.reasons import describe

    facts = dict(verdict.facts)
    if "other" in facts:
        facts["other"] = names.get(str(facts["other"]), str(facts["other"]))
    words = {language: describe(verdict.code, facts, language) for language in _LANGUAGES}
    return {
        "code": verdict.code,
        "reason": {language: said.reason for language, said in words.items()},
        "advice": {language: said.advice for language, said in words.items()},
        "face": None if used is None else face_share(used),
    }


def face_share(photo: Accepted) -> list[float]:
    """Where the face is on the stored photo: left, top, width and height in shares of its sides, 0..1."""
    width, height = photo.picture_size
    x0, y0, x1, y1 = photo.face.box
    left, top, right, bottom = x0 / width, y0 / height, x1 / width, y1 / height
    # The check turned a picture that lies on its side; the stored one lies there still.
    for _ in range(photo.turned_deg // 90 % 4):
        left, top, right, bottom = 1 - bottom, left, 1 - top, right
    left, top = max(0.0, left), max(0.0, top)
    return [round(x, 4) for x in (left, top, min(1.0, right) - left, min(1.0, bottom) - top)]


def _rows(studio: Studio, album: Album) -> list[Photo]:
    found = select(Photo).where(Photo.album_id == album.id).order_by(Photo.created_at, Photo.id)
    with studio.db.session() as db:
        return list(db.scalars(found))


def _with_files(studio: Studio, rows: Sequence[Photo]) -> list[Photo]:
    """The rows whose photo is there; what an interrupted upload or deletion left behind goes."""
    there = [row for row in rows if photo_file(studio, row).is_file()]
    gone = [row.id for row in rows if row not in there]
    if gone:
        with studio.db.session() as db:
            db.execute(delete(Photo).where(Photo.id.in_(gone)))
    if rows:
        _sweep(photo_file(studio, rows[0]).parent, {row.file for row in there})
    return there


def _sweep(folder: Path, listed: set[str]) -> None:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name not in listed and path.stat().st_mtime < time.time() - _LEFT_BEHIND_S:
            path.unlink(missing_ok=True)
