"""One run at a time in an output folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import WorkFolderBusy


class FolderLock:
    """Holds `path` for as long as the process lives.

    The lock is the kernel's (`flock`): it ends with the process, however that dies, so nothing stale can be
    left and nobody has to guess whether a noted process is still the same one. The file only says who holds
    it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            WorkFolderBusy: Another run has it; names its process.
        """
        # Photos, datasets and LoRAs lie beside it: nobody else on this machine has business there.
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32)
            os.close(descriptor)
            raise WorkFolderBusy(self._path.parent.parent, _pid(holder)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it go. The file stays: removing it would let two runs hold two files of one name."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _pid(note: bytes) -> int | None:
    text = note.strip()
    return int(text) if text.isdigit() else None
