"""A folder of photos becomes a `PhotoSet`: each file accepted or refused, with the reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from .decoding import Refused
from .errors import PhotosError
from .grouping import find_copies, find_doubtful, find_person
from .limits import PhotoLimits
from .photo_set import Photo, PhotoSet, PhotoVerdict, printable_name
from .reasons import describe
from .screened_folder import ScreenedFolder
from .screening import Screened, screen

__all__ = ["OnPhoto", "OnProgress", "Photo", "PhotoSet", "PhotoVerdict", "list_files", "load_photos"]

_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
_SIDECARS = (".aae", ".xmp", ".md")
"""Edits that phones and photo programs keep beside a photo, and notes about the folder."""


OnPhoto: TypeAlias = Callable[[PhotoVerdict, int, int], None]
"""Told each file's final verdict, its number from 1, and how many there are."""
OnProgress: TypeAlias = Callable[[int, int], None]
"""Told how many files have been looked at, and how many there are."""


def load_photos(
    folder: Path,
    *,
    limits: PhotoLimits | None = None,
    on_photo: OnPhoto | None = None,
    on_progress: OnProgress | None = None,
    known: ScreenedFolder | None = None,
) -> PhotoSet:
    """Check every photo of a folder.

    One bad file never stops the others. Hidden files, what systems leave behind (Thumbs.db) and sidecars
    are passed over; anything else gets a verdict. Whose photos they are is decided by the set itself: the
    person most photos agree on.

    Args:
        folder: Where the photos lie; folders inside it are not looked into.
        limits: Thresholds.
        on_photo: Called once a file, in order, when all verdicts are final.
        on_progress: Called after each file that was looked at.
        known: Keeps what was found on each photo: the same file is looked at once.

    Returns:
        Verdicts in the order of the files' names, and the accepted photos.

    Raises:
        PhotosError: The folder is missing, not a folder, unreadable or empty; too few photos are usable;
            or they show two people. It carries the verdicts as `photos`.
        faces.ModelMissing: The face models are not installed.
    """
    limits = limits or PhotoLimits()
    files = list_files(folder)
    if not files:
        raise PhotosError(f"There are no photos in {folder}.", "Put about ten photos of one person into it.")
    checked: list[Screened | PhotoVerdict] = []
    for number, path in enumerate(files, start=1):
        checked.append(_check(path, number, limits, known))
        if on_progress is not None:
            on_progress(number, len(files))
    photo_set = _judge_together(Path(folder), checked, limits)
    if on_photo is not None:
        for number, verdict in enumerate(photo_set.photos, start=1):
            on_photo(verdict, number, len(files))
    _require_enough(photo_set, limits)
    return photo_set


def list_files(folder: Path) -> list[Path]:
    """What lies in a folder, in a fixed order, without hidden files, system files and sidecars.

    Raises:
        PhotosError: It is missing, not a folder, or may not be read.
    """
    folder = Path(folder)
    try:
        names = os.listdir(folder)  # noqa: PTH208 - iterdir hides the errors until it is walked
    except FileNotFoundError as error:
        raise PhotosError(f"There is no folder {folder}.", "Check the path after --user.") from error
    except NotADirectoryError as error:
        raise PhotosError(
            f"{folder} is a file, not a folder.", "Name the folder the photos lie in."
        ) from error
    except OSError as error:
        raise PhotosError(
            f"The folder {folder} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    seen = [name for name in names if not _is_passed_over(name)]
    return [folder / name for name in sorted(seen, key=lambda name: (name.casefold(), name))]


def _is_passed_over(name: str) -> bool:
    lower = name.lower()
    return lower.startswith(".") or lower in _SYSTEM_FILES or lower.endswith(_SIDECARS)


def _check(
    path: Path, number: int, limits: PhotoLimits, known: ScreenedFolder | None
) -> Screened | PhotoVerdict:
    try:
        if number > limits.max_photos:
            raise Refused("too_many_photos", limit=limits.max_photos)
        if path.is_dir():
            raise Refused("subfolder")
        if path.exists() and not path.is_file():
            raise Refused("not_a_file")
        return screen(path, limits) if known is None else known.screened(path, limits, screen)
    except Refused as refused:
        facts = dict(refused.facts)
        sha256, width, height = (
            facts.pop("_sha256", None),
            facts.pop("_width", None),
            facts.pop("_height", None),
        )
        return _verdict(
            printable_name(path),
            refused.code,
            facts,
            None if sha256 is None else str(sha256),
            None if width is None or height is None else (int(width), int(height)),
        )


def _verdict(
    file: str,
    code: str,
    facts: Mapping[str, str | int],
    sha256: str | None,
    size: tuple[int, int] | None,
    quality: float | None = None,
) -> PhotoVerdict:
    words = describe(code, facts)
    return PhotoVerdict(
        file=file,
        accepted=code.startswith("ok"),
        code=code,
        reason=words.reason,
        advice=words.advice,
        sha256=sha256,
        width=size[0] if size else None,
        height=size[1] if size else None,
        facts=MappingProxyType(dict(facts)),
        quality=None if quality is None else round(quality, 3),
    )


def _judge_together(folder: Path, checked: list[Screened | PhotoVerdict], limits: PhotoLimits) -> PhotoSet:
    passed = [item for item in checked if isinstance(item, Screened)]
    overruled: dict[Path, tuple[str, dict[str, str | int]]] = {}
    for copy in find_copies(passed, limits):
        code = "duplicate_file" if copy.same_file else "near_duplicate"
        overruled[passed[copy.index].path] = code, {"other": printable_name(passed[copy.of].path)}
    alone = [item for item in passed if item.path not in overruled]
    identity = find_person([item.embedding for item in alone], limits)
    for index in identity.others:
        overruled[alone[index].path] = "someone_else", {}
    for group, members in enumerate((identity.person, identity.rival), start=1):
        for index in members if identity.rival else ():
            overruled[alone[index].path] = "two_people", {"group": group}
    doubtful = {
        alone[index].path for index in find_doubtful([i.embedding for i in alone], identity.person, limits)
    }
    verdicts = []
    for item in checked:
        if isinstance(item, PhotoVerdict):
            verdicts.append(item)
            continue
        mild = "ok_unlike" if item.path in doubtful else item.code
        code, facts = overruled.get(item.path, (mild, dict(item.facts)))
        name, size = printable_name(item.path), (item.width, item.height)
        verdicts.append(_verdict(name, code, facts, item.sha256, size, item.quality.overall))
    accepted = tuple(_photo(item, limits) for item in alone if item.path not in overruled)
    return PhotoSet(folder, tuple(verdicts), accepted)


def _photo(item: Screened, limits: PhotoLimits) -> Photo:
    return Photo(
        path=item.path,
        sha256=item.sha256,
        width=item.width,
        height=item.height,
        face=item.face,
        embedding=item.embedding,
        quality=item.quality,
        picture_size=item.picture_size,
        turned_deg=item.turned_deg,
        taken=item.taken,
        limits=replace(limits),
    )


def _require_enough(photo_set: PhotoSet, limits: PhotoLimits) -> None:
    groups: dict[int | str, list[str]] = {}
    for verdict in photo_set.photos:
        if verdict.code == "two_people":
            groups.setdefault(verdict.facts["group"], []).append(verdict.file)
    if groups:
        named = "; ".join(
            f"person {group}: {', '.join(files)}" for group, files in sorted(groups.items(), key=str)
        )
        raise PhotosError(
            f"The photos show two people about equally often ({named}).\n{photo_set.table()}\n",
            "Leave the photos of one person only in the folder.",
            photos=photo_set,
        )
    count = len(photo_set.accepted)
    if count < limits.min_photos:
        total, table = len(photo_set.photos), photo_set.table()
        raise PhotosError(
            f"Only {count} of {total} files can be used; {limits.min_photos} are needed.\n{table}\n",
            f"Add {limits.min_photos - count} more clear photos of the same person; about ten are best.",
            photos=photo_set,
        )
