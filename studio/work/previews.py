"""Live previews of a job: small JPEG files `preview-N.jpg` in its folder, each with a name of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

LONGEST_PX = 512
QUALITY = 80
INTERVAL_S = 1.2
"""Between two previews."""
KEPT = 2
"""The newest, and the one before it: somebody may just be fetching that."""
_NAME = re.compile(r"preview-(\d+)\.jpg")


class Previews:
    """Writes them.

    Args:
        folder: The job's; made when there is something to show.
        clock: For tests.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._number = max(_numbers(folder), default=0)
        self._shown_at: float | None = None

    def show(self, picture: bytes) -> str | None:
        """Keep a picture as the newest preview.

        Args:
            picture: Any format Pillow reads; what cannot be read is not shown.

        Returns:
            The file's name; None when the last one is too fresh, or the picture cannot be shown.
        """
        if self._shown_at is not None and self._clock() - self._shown_at < INTERVAL_S:
            return None
        data = small_jpeg(picture, LONGEST_PX, quality=QUALITY)
        if data is None:
            return None
        self._shown_at = self._clock()
        self._number += 1
        name = f"preview-{self._number}.jpg"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._folder / f"{name}.part"
        part.write_bytes(data)
        part.replace(self._folder / name)
        for number in _numbers(self._folder):
            if number <= self._number - KEPT:
                (self._folder / f"preview-{number}.jpg").unlink(missing_ok=True)
        return name


def remove_previews(folder: Path) -> None:
    """Remove all previews of a job."""
    for path in (*folder.glob("preview-*.jpg"), *folder.glob("preview-*.jpg.part")):
        path.unlink(missing_ok=True)


def small_jpeg(picture: bytes, longest_px: int, *, quality: int = 85) -> bytes | None:
    """A picture reduced to `longest_px` on its longer side, without metadata; None when it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(picture)) as image:
            image.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
            shown = image.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None
    out = BytesIO()
    shown.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _numbers(folder: Path) -> list[int]:
    found = (_NAME.fullmatch(path.name) for path in folder.glob("preview-*.jpg"))
    return [int(match.group(1)) for match in found if match]
