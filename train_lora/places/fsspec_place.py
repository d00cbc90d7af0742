"""A models folder in any storage fsspec has a driver for: s3://, gs://, abfs://, smb://, memory://, …"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import PublishError, TrainError
from .base import (
    ABANDONED_AFTER_S,
    FOLDER,
    FileInfo,
    differs,
    header_of,
    is_named,
    is_part,
    part_of,
    taken,
)

_CHUNK = 1 << 20


class FsspecPlace:
    """A folder of an fsspec file system. Such storages have no locks, and most no exclusive rename: two that
    publish one name in the same second are not kept apart."""

    def __init__(self, url: str) -> None:
        """Open the storage and look at the folder.

        Args:
            url: Without a password; the driver finds credentials its own way (environment, config file).

        Raises:
            PublishError: No driver, or no such folder.
        """
        self._url = url.rstrip("/")
        self._fs, self._models = _open(url)
        self._loras = f"{self._models.rstrip('/')}/{FOLDER}"
        self._token = secrets.token_hex(4)
        with self._said("", "reached"):
            self._fs.invalidate_cache()
            there = self._fs.isdir(self._models)
            has_loras = there and self._fs.isdir(self._loras)
        if not there:
            raise PublishError(
                f"The models folder {self._url} is not there.",
                "Name the folder that holds Stable-diffusion/ and Lora/.",
            )
        above, _, last = self._url.rpartition("/")
        if last.casefold() == FOLDER.casefold() and not has_loras:
            raise PublishError(
                f"{self._url} is the LoRA folder itself.", f"Name the folder above it: {above}"
            )

    @property
    def url(self) -> str:
        """The folder's address."""
        return self._url

    def where(self, rel: str) -> str:
        """The file's address."""
        return f"{self._url}/{FOLDER}/{rel}"

    def find(self, name: str) -> list[FileInfo]:
        """See `ModelsPlace.find`."""
        return [
            FileInfo(rel, int(info.get("size") or 0))
            for rel, info in self._entries()
            if is_named(rel.rpartition("/")[2], name)
        ]

    def sha256(self, rel: str) -> str:
        """See `ModelsPlace.sha256`; the file is read back."""
        digest = hashlib.sha256()
        with self._said(rel, "read"), self._fs.open(self._path(rel), "rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def read_header(self, rel: str) -> bytes:
        """See `ModelsPlace.read_header`."""
        with self._said(rel, "read"):
            return header_of(
                self.where(rel), lambda begin, end: bytes(self._fs.cat_file(self._path(rel), begin, end))
            )

    def put(self, path: Path, rel: str, *, replaces: bool, sha256: str) -> None:
        """See `ModelsPlace.put`."""
        part = part_of(rel, self._token)
        with self._said(rel, "written"):
            self._fs.makedirs(self._loras, exist_ok=True)
            try:
                self._fs.put_file(str(path), self._path(part))
                self._fs.invalidate_cache()
                if self._fs.size(self._path(part)) != path.stat().st_size or self.sha256(part) != sha256:
                    raise differs(self.where(rel))
                if not replaces and self._fs.exists(self._path(rel)):
                    raise taken(self.where(rel))
                self._fs.mv(self._path(part), self._path(rel))
            finally:
                self._fs.invalidate_cache()
                if self._fs.exists(self._path(part)):
                    self._fs.rm_file(self._path(part))

    def remove(self, rel: str) -> None:
        """See `ModelsPlace.remove`."""
        with self._said(rel, "removed"), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(rel))
        self._fs.invalidate_cache()

    def parts(self, name: str, *, ours: bool = False) -> list[str]:
        """See `ModelsPlace.parts`; no lock reaches this far, so the age decides; unknown is young."""
        before = time.time() - ABANDONED_AFTER_S
        return [
            rel
            for rel, info in self._entries()
            if is_part(rel, name) and (ours or (_modified(info) or time.time()) < before)
        ]

    def _path(self, rel: str) -> str:
        return f"{self._loras}/{rel}"

    def _entries(self) -> list[tuple[str, dict[str, Any]]]:
        with self._said("", "read"):
            self._fs.invalidate_cache()
            if not self._fs.isdir(self._loras):
                return []
            found: dict[str, dict[str, Any]] = self._fs.find(self._loras, detail=True)
        # Drivers differ in whether paths begin with "/".
        prefix = self._loras.strip("/") + "/"
        return sorted((path.strip("/").removeprefix(prefix), info) for path, info in found.items())

    @contextlib.contextmanager
    def _said(self, rel: str, done: str) -> Iterator[None]:
        try:
            yield
        except (TrainError, FileNotFoundError) as error:
            if isinstance(error, TrainError):
                raise
            raise PublishError(f"{self.where(rel)} is not there.", "Check the folder.") from error
        except NotImplementedError as error:
            raise PublishError(
                f"{self.where(rel)} cannot be {done}: this storage can only be read.", "Name another."
            ) from error
        except Exception as error:
            # Drivers raise what their libraries raise: botocore's errors, for one, are no OSError.
            raise PublishError(
                f"{self.where(rel)} cannot be {done}: {str(error).rstrip('.') or type(error).__name__}.",
                "Check the storage's credentials, permissions and space.",
            ) from error


def _open(url: str) -> tuple[Any, str]:
    scheme = urlsplit(url).scheme
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise PublishError(f"{scheme}:// needs fsspec.", 'pip install -e ".[remote]"') from error
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise PublishError(
            f"{scheme}:// needs another package: {error}.", f"pip install 'fsspec[{scheme}]'"
        ) from error
    except ValueError as error:
        raise PublishError(
            f"{scheme}:// is no storage that is known here ({error}).",
            "Name a folder, sftp://user@host/path, or an address fsspec has a driver for.",
        ) from error
    return fs, str(path)


def _modified(info: dict[str, Any]) -> float | None:
    """When a file was written last; every driver has its own word for it."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = info.get(key)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return None
