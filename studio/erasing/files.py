"""Files and folders: counted before they go, and gone without following a link."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Size:
    """What is going to be deleted."""

    files: int = 0
    size_bytes: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.files + other.files, self.size_bytes + other.size_bytes)


def measure(paths: Iterable[Path]) -> Size:
    """Files in these files and folders; several names of one file count once."""
    seen: set[tuple[int, int]] = set()
    size_bytes = 0
    for top in paths:
        for path in (top, *top.rglob("*")) if top.is_dir() and not top.is_symlink() else (top,):
            if path.is_symlink() or not path.is_file():
                continue
            stat = path.stat()
            if (stat.st_dev, stat.st_ino) not in seen:
                seen.add((stat.st_dev, stat.st_ino))
                size_bytes += stat.st_size
    return Size(len(seen), size_bytes)


def remove(path: Path) -> None:
    """Delete a file or a folder with all that is in it; nothing when it is gone.

    Raises:
        OSError: Something cannot be deleted.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        if path.exists():  # a file vanished under us, as a lock's holder ended; the rest is still there
            shutil.rmtree(path)


def remove_but(path: Path, keep: Iterable[Path]) -> None:
    """The same, but what is to be kept stays, and the folders it lies in.

    Raises:
        OSError: Something cannot be deleted.
    """
    kept = [top for top in keep if top.exists()]
    if any(path == top or path.is_relative_to(top) for top in kept):
        return
    if not any(top.is_relative_to(path) for top in kept):
        remove(path)
        return
    for entry in sorted(path.iterdir()):
        remove_but(entry, kept)
