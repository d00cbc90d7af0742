"""A models folder on another machine, over SFTP."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..errors import PublishError, SshError, SshLost
from ..ssh import SshAuth, SshTarget
from ._sftp_extensions import sync_file
from ._sftp_session import SftpSession, ShortError, is_dir
from .base import (
    ABANDONED_AFTER_S,
    FileInfo,
    differs,
    header_of,
    is_named,
    is_part,
    part_of,
    taken,
)

if TYPE_CHECKING:
    import paramiko

_CHUNK = 1 << 20


class SftpPlace:
    """A folder reached by SFTP; a connection that breaks is made again once."""

    def __init__(self, target: SshTarget, auth: SshAuth, *, timeout_s: float = 20) -> None:
        """Connect and look at the folder.

        Args:
            target: The models folder.
            auth: Whose keys are used and trusted.
            timeout_s: How long the other machine may be silent.

        Raises:
            SshError: The machine is not reached.
            PublishError: The folder is no models folder.
        """
        self._at = SftpSession(target, auth, timeout_s=timeout_s)
        self._token = secrets.token_hex(4)

    def close(self) -> None:
        """Hang up."""
        self._at.ssh.close()

    @property
    def url(self) -> str:
        """The folder's address."""
        return str(self._at.target)

    def where(self, rel: str) -> str:
        """The file's address."""
        return self._at.where(rel)

    def find(self, name: str) -> list[FileInfo]:
        """See `ModelsPlace.find`."""
        with self._at.said("", "read"):
            return sorted(self._walk(PurePosixPath(), name), key=lambda info: info.rel)

    def sha256(self, rel: str) -> str:
        """See `ModelsPlace.sha256`; the other machine does it where it may, else the file is read back."""
        with self._at.said(rel, "read"):
            size = self._at.client().stat(self._at.path(rel)).st_size or 0
        return self._at.remote_hash(rel, size) or self._at.hash_read_back(rel, size)

    def read_header(self, rel: str) -> bytes:
        """See `ModelsPlace.read_header`."""
        with self._at.said(rel, "read"), self._at.client().open(self._at.path(rel), "rb") as stream:

            def read(begin: int, end: int) -> bytes:
                stream.seek(begin)
                return stream.read(end - begin)

            return header_of(self.where(rel), read)

    def put(self, path: Path, rel: str, *, replaces: bool, sha256: str) -> None:
        """See `ModelsPlace.put`."""
        try:
            self._put(path, rel, replaces=replaces, sha256=sha256)
        except SshLost:
            self._at.ssh.open()
            # The rename may have been done and only its answer lost.
            if not self._arrived(path, rel, sha256):
                self._put(path, rel, replaces=replaces, sha256=sha256)

    def remove(self, rel: str) -> None:
        """See `ModelsPlace.remove`."""
        with self._at.said(rel, "removed"), contextlib.suppress(FileNotFoundError):
            self._at.client().remove(self._at.path(rel))

    def parts(self, name: str, *, ours: bool = False) -> list[str]:
        """See `ModelsPlace.parts`; no lock reaches this far, so the age decides."""
        before = time.time() - ABANDONED_AFTER_S
        with self._at.said("", "read"):
            return sorted(
                entry.filename
                for entry in self._list(PurePosixPath())
                if is_part(entry.filename, name) and (ours or (entry.st_mtime or 0) < before)
            )

    def _list(self, folder: PurePosixPath) -> list[paramiko.SFTPAttributes]:
        try:
            return self._at.client().listdir_attr(self._at.path(folder))
        except FileNotFoundError:
            return []

    def _walk(self, folder: PurePosixPath, name: str) -> Iterator[FileInfo]:
        for entry in self._list(folder):
            rel, mode = folder / entry.filename, entry.st_mode or 0
            if stat.S_ISDIR(mode):
                yield from self._walk(rel, name)
            elif is_named(entry.filename, name):
                yield FileInfo(str(rel), self._linked_size(rel) if stat.S_ISLNK(mode) else entry.st_size or 0)

    def _linked_size(self, rel: PurePosixPath) -> int:
        """Of what a link leads to; -1 when that is nothing, or no file."""
        try:
            found = self._at.client().stat(self._at.path(rel))
        except (FileNotFoundError, PermissionError):
            return -1
        return (found.st_size or 0) if stat.S_ISREG(found.st_mode or 0) else -1

    def _arrived(self, path: Path, rel: str, sha256: str) -> bool:
        """Whether the file is there after all. What is left of the try before is removed."""
        self.remove(part_of(rel, self._token))
        try:
            with self._at.said(rel, "read"):
                size = self._at.client().stat(self._at.path(rel)).st_size
        except PublishError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False
            raise
        return size == path.stat().st_size and self.sha256(rel) == sha256

    def _put(self, path: Path, rel: str, *, replaces: bool, sha256: str) -> None:
        part, size = part_of(rel, self._token), path.stat().st_size
        with self._at.said(rel, "written", size):
            self._make_folder()
            if (free := self._at.free()) is not None and free < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            try:
                self._upload(path, part)
                with contextlib.suppress(OSError):  # a server that has no modes
                    self._at.client().chmod(self._at.path(part), 0o644)
                self._verify(part, rel, size, sha256)
                self._rename(part, rel, replaces=replaces)
            except SshLost:
                raise
            except BaseException:
                with contextlib.suppress(OSError, EOFError, SshError):  # the first error is the one to tell
                    self._at.client().remove(self._at.path(part))
                raise

    def _make_folder(self) -> None:
        sftp = self._at.client()
        if not is_dir(sftp, self._at.loras):
            sftp.mkdir(str(self._at.loras))

    def _upload(self, path: Path, part: str) -> None:
        sftp = self._at.client()
        with self._at.ssh.guarded(), path.open("rb") as source:
            out = sftp.open(self._at.path(part), "wx")
            out.set_pipelined(True)
            try:
                while chunk := source.read(_CHUNK):
                    out.write(chunk)
            finally:
                out.close()
            with sftp.open(self._at.path(part), "r+") as written:
                sync_file(sftp, written)

    def _verify(self, part: str, rel: str, size: int, sha256: str) -> None:
        # paramiko forgets what a server answers to the last writes of a pipelined file (sftp_file.py@5.1.0).
        kept = self._at.client().stat(self._at.path(part)).st_size or 0
        if kept != size:
            raise ShortError(f"it kept only {kept / 1e6:.1f} of {size / 1e6:.1f} MB")
        if self._at.remote_hash(part, size) != sha256 and self._at.hash_read_back(part, size) != sha256:
            raise differs(self.where(rel))

    def _rename(self, part: str, rel: str, *, replaces: bool) -> None:
        sftp, source, target = self._at.client(), self._at.path(part), self._at.path(rel)
        if replaces:
            self._replace(source, target)
            return
        # By the protocol a plain rename never replaces (draft-ietf-secsh-filexfer-02, 6.5). OpenSSH keeps to
        # it; other servers do not always, so it is looked first.
        if self._at.exists(target):
            raise taken(self.where(rel))
        try:
            sftp.rename(source, target)
        except OSError as error:
            if self._at.exists(target):
                raise taken(self.where(rel)) from error
            raise

    def _replace(self, source: str, target: str) -> None:
        sftp = self._at.client()
        try:
            sftp.posix_rename(source, target)
        except FileNotFoundError:
            raise
        except OSError:
            # A server without posix-rename@openssh.com, or one that denies it (sftp-server -P): the old file
            # steps aside, and back if need be.
            aside = f"{source.removesuffix('.part')}-old.part"
            sftp.rename(target, aside)
            try:
                sftp.rename(source, target)
            except OSError:
                sftp.rename(aside, target)
                raise
            sftp.remove(aside)
