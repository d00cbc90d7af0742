"""A models folder on this machine, or on a share that is mounted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .._files import sha256_file
from ..errors import PublishError
from .base import FOLDER, FileInfo, differs, header_of, is_named, is_part, part_prefix, taken


class LocalPlace:
    """A folder. Files are locked while they are written, so that others know whether anybody still does."""

    def __init__(self, models_dir: Path) -> None:
        """Look at it.

        Raises:
            PublishError: It is no models folder.
        """
        if not models_dir.is_dir():
            raise PublishError(
                f"The WebUI's models folder {models_dir} is not there.",
                "Name the folder that holds Stable-diffusion/ and Lora/, as seen from this machine.",
            )
        if models_dir.name.casefold() == FOLDER.casefold() and not (models_dir / FOLDER).is_dir():
            raise PublishError(
                f"{models_dir} is the LoRA folder itself.", f"Name the folder above it: {models_dir.parent}"
            )
        self._models, self._loras = models_dir, models_dir / FOLDER

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self._models)

    def where(self, rel: str) -> str:
        """The file's path."""
        return str(self._loras / rel)

    def find(self, name: str) -> list[FileInfo]:
        """See `ModelsPlace.find`."""
        if not self._loras.is_dir():
            return []
        found = sorted(path for path in self._loras.rglob("*") if is_named(path.name, name))
        return [
            FileInfo(path.relative_to(self._loras).as_posix(), path.stat().st_size if path.is_file() else -1)
            for path in found
        ]

    def sha256(self, rel: str) -> str:
        """See `ModelsPlace.sha256`."""
        with self._said(rel, "read"):
            return sha256_file(self._loras / rel)

    def read_header(self, rel: str) -> bytes:
        """See `ModelsPlace.read_header`."""
        with self._said(rel, "read"), (self._loras / rel).open("rb") as stream:

            def read(begin: int, end: int) -> bytes:
                stream.seek(begin)
                return stream.read(end - begin)

            return header_of(self.where(rel), read)

    def put(self, path: Path, rel: str, *, replaces: bool, sha256: str) -> None:
        """See `ModelsPlace.put`."""
        target = self._loras / rel
        with self._said(rel, "written"):
            target.parent.mkdir(exist_ok=True)
            handle, temporary = tempfile.mkstemp(
                prefix=part_prefix(target.name), suffix=".part", dir=target.parent
            )
            part = Path(temporary)
            try:
                with os.fdopen(handle, "wb") as out:
                    with contextlib.suppress(OSError):  # a network share without locks
                        fcntl.flock(out, fcntl.LOCK_EX)
                    with path.open("rb") as source:
                        shutil.copyfileobj(source, out, 1 << 20)
                    out.flush()
                    os.fsync(out.fileno())
                    if sha256_file(part) != sha256:
                        raise differs(str(target))
                    part.chmod(0o644)  # mkstemp gives 0600; the WebUI may run as somebody else
                    if replaces:
                        part.replace(target)
                    else:
                        _rename_new(part, target)
            finally:
                part.unlink(missing_ok=True)

    def remove(self, rel: str) -> None:
        """See `ModelsPlace.remove`."""
        with self._said(rel, "removed"):
            (self._loras / rel).unlink(missing_ok=True)

    def parts(self, name: str, *, ours: bool = False) -> list[str]:
        """See `ModelsPlace.parts`; a lock tells here whether anybody writes, so `ours` says nothing more."""
        del ours
        if not self._loras.is_dir():
            return []
        return sorted(
            path.name for path in self._loras.iterdir() if is_part(path.name, name) and _is_abandoned(path)
        )

    @contextlib.contextmanager
    def _said(self, rel: str, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PublishError(
                f"{self.where(rel)} cannot be {done}: {error.strerror}.",
                "Check its permissions and free space.",
            ) from error


def _is_abandoned(part: Path) -> bool:
    """Whether nobody writes it any more: a writer holds the file's lock, and the kernel lets it go with the
    process."""
    try:
        with part.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _rename_new(part: Path, target: Path) -> None:
    """Give the finished file its name, unless somebody took the name meanwhile:
    a link, unlike a rename, never replaces."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise taken(str(target)) from error
    except OSError:
        # No hard links on this file system (FAT, some network shares).
        if target.exists():
            raise taken(str(target)) from None
        part.rename(target)
