"""Moving files between this machine and the GPU host: whole, checked by hash, gone on with after a break."""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._files import sha256_file
from ...dataset import Dataset
from ...errors import ArtifactError, TrainError
from .host import OutFile
from .job import checked_files
from .remote_link import Link

if TYPE_CHECKING:
    from paramiko import SFTPClient

_BUNDLE_BYTES = 4 * 1024 * 1024
"""Of a tar sent at once; what a broken connection costs at most."""
_UPLOAD_S = 600.0
"""For one of them: 7 kB/s."""
_PIECE_BYTES = 8 * 1024 * 1024
"""Of a file brought here at once; what a broken connection costs at most."""


def upload_dataset(
    link: Link,
    python: str,
    dataset: Dataset,
    folder: str,
    *,
    new: bool,
    on_sent: Callable[[int, int], None],
) -> None:
    """Make `folder` on the host hold exactly the dataset's files, sending only those it lacks.

    Args:
        link: The host.
        python: Its interpreter.
        dataset: What to send.
        folder: Where to, on the host.
        new: Whether it is known to be empty.
        on_sent: Called with (files there, files in all).

    Raises:
        TrainError: A training picture changed since the dataset was made, or the host changed what was sent.
    """
    wanted = checked_files(dataset)
    missing = _wrong(wanted, {} if new else link.side(python, "hashes", folder=folder)["files"])
    on_sent(len(wanted) - len(missing), len(wanted))
    for bundle in _bundles(dataset.dir, missing):
        sent = link.side(
            python, "unpack", stdin=_tar(dataset.dir, bundle), timeout_s=_UPLOAD_S, folder=folder
        )
        if wrong := _wrong({name: wanted[name] for name in bundle}, sent["files"]):
            raise TrainError(
                f"{link.where} holds another {wrong[0]} than what was sent.",
                "Check the disk of that machine, then run the same command again.",
            )
        missing = [name for name in missing if name not in bundle]
        on_sent(len(wanted) - len(missing), len(wanted))


def _wrong(wanted: Mapping[str, str], there: Mapping[str, Sequence[Any]]) -> list[str]:
    return [name for name, sha256 in wanted.items() if there.get(name, [""])[0] != sha256]


def _bundles(top: Path, names: Sequence[str]) -> Iterator[list[str]]:
    bundle: list[str] = []
    size = 0
    for name in names:
        if bundle and size + (top / name).stat().st_size > _BUNDLE_BYTES:
            yield bundle
            bundle, size = [], 0
        bundle.append(name)
        size += (top / name).stat().st_size
    if bundle:
        yield bundle


def _tar(top: Path, names: Sequence[str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            data = (top / name).read_bytes()
            # Made here and not by tar.add: owner, rights and times of this machine are nobody's business.
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def download(
    link: Link, python: str, source: str, target: Path, *, parts: Path, on_moved: Callable[[int, int], None]
) -> None:
    """Bring a file here: what an earlier call left of it is gone on with, and it appears only when whole.

    In pieces and not by SFTP: paramiko reads 32 KiB a round trip, or from a thread that dies with a traceback
    when the connection breaks (sftp_file.py@5.1.0, _prefetch_thread).

    Args:
        link: The host.
        python: Its interpreter.
        source: Path there.
        target: Path here.
        parts: Folder here, on the same disk, for files on their way. Kept from call to call.
        on_moved: Called with (bytes here, bytes in all).

    Raises:
        ArtifactError: What arrived twice is not what lies on the host.
        TrainError: It cannot be written here, or not be read there.
    """
    name = source.rpartition("/")[2]
    for _attempt in range(2):
        mark, first = link.piece(python, source, 0, _PIECE_BYTES)
        sha256, size = mark or ("", 0)
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise ArtifactError(f"{link.where} gives {name} no proper SHA-256.", "Log in and look there.")
        part = parts / f"{sha256}.part"
        try:
            parts.mkdir(mode=0o700, parents=True, exist_ok=True)
            _fill(link, python, source, part, first, size, on_moved)
            if sha256_file(part) == sha256:
                part.replace(target)
                return
            part.unlink()
        except OSError as error:
            raise TrainError(
                f"{name} cannot be brought from {link.where}: {error.strerror or error}.",
                "Check the free space and permissions here, then run the same command again: it stays there "
                "until it was fetched.",
            ) from error
    raise ArtifactError(
        f"{name} arrived twice as something else than lies on {link.where}.",
        "The file stays there; check that machine's disk and the network, then run the same command again.",
    )


def _fill(
    link: Link,
    python: str,
    source: str,
    part: Path,
    first: bytes,
    size: int,
    on_moved: Callable[[int, int], None],
) -> None:
    with part.open("ab") as local:
        if not len(first) < local.tell() <= size:
            local.truncate(0)
            local.seek(0)
            local.write(first)
        on_moved(local.tell(), size)
        while (done := local.tell()) < size:
            data = link.piece(python, source, done, min(_PIECE_BYTES, size - done))[1]
            if not data:
                break  # it became shorter there: the hash will tell
            local.write(data)
            on_moved(local.tell(), size)
        local.flush()
        os.fsync(local.fileno())


# ---- by SFTP: small things, often


def read_there(sftp: SFTPClient, path: str, offset: int = 0, size: int | None = None) -> bytes:
    """A file there, from a byte on (negative: counted from its end), at most `size` bytes."""
    with sftp.open(path, "rb") as stream:
        if offset:
            stream.seek(offset if offset > 0 else max(0, (stream.stat().st_size or 0) + offset))
        return stream.read(size)


def write_there(sftp: SFTPClient, path: str, data: bytes) -> None:
    """Write a file there; whole or not at all, for its owner only."""
    with sftp.open(f"{path}.part", "wb") as stream:
        stream.chmod(0o600)
        stream.write(data)
    sftp.posix_rename(f"{path}.part", path)


def overwrite_there(sftp: SFTPClient, path: str, data: bytes) -> None:
    """Write over the beginning of a file there. Fails where it is gone: it must not come back."""
    with sftp.open(path, "r+b") as stream:
        stream.write(data)


def walk_there(sftp: SFTPClient, folder: str, below: str) -> list[OutFile]:
    """Every file below a folder there."""
    found = []
    for entry in sftp.listdir_attr(folder):
        rel = f"{below}{entry.filename}"
        if stat.S_ISDIR(entry.st_mode or 0):
            found += walk_there(sftp, f"{folder}/{entry.filename}", f"{rel}/")
        elif stat.S_ISREG(entry.st_mode or 0):
            found.append(OutFile(rel, entry.st_size or 0))
    return found
