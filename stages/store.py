"""A content-addressed store: what a stage made, found again by everything that went into it.

    DIR/blobs/ab/abcd…          bytes, named by their SHA-256
    DIR/records/12/1234….json   one finished stage: its key's parts, its outputs' hashes, its small results
    DIR/tmp/                    unfinished writes; emptied when the store is opened

A record is written after its blobs and by rename, so a process killed at
any moment leaves either a whole record or none. Whatever is read is
hashed again: a damaged blob or record counts as absent and is made anew.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .canonical import canonical_json, digest, sha256_hex
from .errors import DiskFull

RECORD_SCHEMA = "sdwebui-stage-record/1"


@dataclass(frozen=True)
class Record:
    """One finished stage."""

    key: str
    """Hash of everything that went in."""
    material: dict[str, Any]
    """What was hashed: stage, version, params, inputs, server."""
    outputs: dict[str, str]
    """Output name -> SHA-256 of its blob."""
    payload: dict[str, Any]
    """Small results: the request, the seed, the evidence, a score."""
    seconds: float
    """How long it took when it was made."""


class Store:
    """Blobs and records under one folder. Safe for several threads; one process at a time (see `lock`)."""

    def __init__(self, folder: Path, *, sweep: bool = True) -> None:
        """
        Args:
            folder: Made when it is not there.
            sweep: Remove unfinished writes; False for who only reads while another process may write.
        """
        self.folder = folder
        self._blobs, self._records, self._tmp = folder / "blobs", folder / "records", folder / "tmp"
        self._verified: set[str] = set()
        with explain_full_disk(folder):
            for part in (self._blobs, self._records, self._tmp):
                part.mkdir(parents=True, exist_ok=True)
        for leftover in self._tmp.iterdir() if sweep else ():
            leftover.unlink(missing_ok=True)

    # ---- blobs

    def put(self, data: bytes) -> str:
        """Keep bytes; returns their SHA-256. Putting the same bytes again costs one comparison of hashes."""
        sha = sha256_hex(data)
        if sha not in self._verified and not self.has(sha):
            self._write(self._blob_path(sha), data)
            self._verified.add(sha)
        return sha

    def has(self, sha: str) -> bool:
        """Whether the blob is there and undamaged. A damaged one is removed."""
        if sha in self._verified and self._blob_path(sha).is_file():
            return True
        return self._read(sha) is not None

    def get(self, sha: str) -> bytes:
        """The bytes of a blob.

        Raises:
            KeyError: It is not there, or what is there is damaged.
        """
        data = self._read(sha)
        if data is None:
            raise KeyError(sha)
        return data

    @property
    def tmp(self) -> Path:
        """Where unfinished files of the same disk may lie; emptied when the store is opened."""
        return self._tmp

    def path_of(self, sha: str) -> Path:
        """Where the blob lies."""
        return self._blob_path(sha)

    # ---- records

    def find(self, key: str) -> Record | None:
        """The finished stage of this key, with all its blobs undamaged; else None."""
        path = self._record_path(key)
        try:
            text = path.read_text("utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        record = _parse(key, text)
        if record is None or not all(self.has(sha) for sha in record.outputs.values()):
            return None
        return record

    def was_here(self, key: str) -> bool:
        """Whether there is something under this key, damaged or not: tells "damaged" from "never made"."""
        return self._record_path(key).exists()

    def save(
        self,
        material: Mapping[str, Any],
        *,
        outputs: Mapping[str, bytes],
        payload: Mapping[str, Any],
        seconds: float,
    ) -> Record:
        """Keep a finished stage: blobs first, the record last.

        Raises:
            DiskFull: Nothing half-written is left behind.
        """
        names = {name: self.put(data) for name, data in outputs.items()}
        # What is handed back is what a later run reads: the same order of keys, floats as JSON writes them.
        plain = json.loads(canonical_json({"material": dict(material), "payload": dict(payload)}))
        record = Record(digest(material), plain["material"], names, plain["payload"], seconds)
        body = {
            "schema": RECORD_SCHEMA,
            "key": record.key,
            "material": record.material,
            "outputs": record.outputs,
            "payload": record.payload,
            "seconds": round(seconds, 3),
        }
        whole = canonical_json({"digest": digest(body), "record": body})
        self._write(self._record_path(record.key), whole.encode("utf-8"))
        return record

    # ---- files

    def _blob_path(self, sha: str) -> Path:
        return self._blobs / sha[:2] / sha

    def _record_path(self, key: str) -> Path:
        return self._records / key[:2] / f"{key}.json"

    def _read(self, sha: str) -> bytes | None:
        path = self._blob_path(sha)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            self._verified.discard(sha)
            return None
        if sha256_hex(data) != sha:
            self._verified.discard(sha)
            path.unlink(missing_ok=True)
            return None
        self._verified.add(sha)
        return data

    def _write(self, path: Path, data: bytes) -> None:
        with explain_full_disk(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data, tmp_dir=self._tmp)


def _parse(key: str, text: str) -> Record | None:
    """The record in `text`, or None when it is damaged, of another schema, or another key's."""
    try:
        whole = json.loads(text)
        body = whole["record"]
        if whole["digest"] != digest(body) or body["schema"] != RECORD_SCHEMA or body["key"] != key:
            return None
        return Record(key, body["material"], body["outputs"], body["payload"], float(body["seconds"]))
    except (ValueError, KeyError, TypeError):
        return None


def write_atomically(path: Path, data: bytes, *, tmp_dir: Path | None = None) -> None:
    """Write so that `path` holds either its old content or all of `data`, also after a power cut.

    Args:
        path: Target; its folder must exist.
        data: The whole content.
        tmp_dir: Where the unfinished file lies; must be on the same file system. Default: beside the target.
    """
    handle, name = tempfile.mkstemp(prefix=".part-", dir=tmp_dir or path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for the owner alone; what is delivered gets what the user's umask says.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _umask() -> int:
    return _UMASK


def _read_umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


# Read once at import: os.umask can only be read by setting it, which is not safe once threads are running.
_UMASK = _read_umask()


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut. Not every file system lets a folder be synced; that is no error."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def explain_full_disk(folder: Path) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into `DiskFull`; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(folder) from error
        raise
