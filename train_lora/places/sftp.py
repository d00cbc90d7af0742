"""A models folder on another machine, over SFTP."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..errors import PublishError, SshError, SshLost
from ..ssh import SshAuth, SshConnection, SshTarget
from ._sftp_extensions import free_bytes, sync_file
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

if TYPE_CHECKING:
    import paramiko

_CHUNK = 1 << 20
_HASH_BYTES_PER_S = 5e6
"""How slowly the other machine may hash before it is thought to hang."""


class SftpPlace:
    """A folder reached by SFTP; a connection that breaks is made again once."""

    def __init__(self, target: SshTarget, auth: SshAuth) -> None:
        """Connect and look at the folder.

        Raises:
            SshError: The machine is not reached.
            PublishError: The folder is no models folder.
        """
        self._target, self._ssh = target, SshConnection(target, auth)
        self._token = secrets.token_hex(4)
        self._runs_commands = True
        self._ssh.open()
        try:
            self._models = self._look()
        except BaseException:
            self._ssh.close()
            raise
        self._loras = self._models / FOLDER

    def close(self) -> None:
        """Hang up."""
        self._ssh.close()

    @property
    def url(self) -> str:
        """The folder's address."""
        return str(self._target)

    def where(self, rel: str) -> str:
        """The file's address."""
        return f"{self.url.rstrip('/')}/{FOLDER}/{rel}"

    def find(self, name: str) -> list[FileInfo]:
        """See `ModelsPlace.find`."""
        with self._said("", "read"):
            return sorted(self._walk(PurePosixPath(), name), key=lambda info: info.rel)

    def sha256(self, rel: str) -> str:
        """See `ModelsPlace.sha256`; the other machine does it where it may, else the file is read back."""
        with self._said(rel, "read"):
            size = self._sftp().stat(self._path(rel)).st_size or 0
        return self._remote_hash(rel, size) or self._hash_read_back(rel, size)

    def read_header(self, rel: str) -> bytes:
        """See `ModelsPlace.read_header`."""
        with self._said(rel, "read"), self._sftp().open(self._path(rel), "rb") as stream:

            def read(begin: int, end: int) -> bytes:
                stream.seek(begin)
                return stream.read(end - begin)

            return header_of(self.where(rel), read)

    def put(self, path: Path, rel: str, *, replaces: bool, sha256: str) -> None:
        """See `ModelsPlace.put`."""
        try:
            self._put(path, rel, replaces=replaces, sha256=sha256)
        except SshLost:
            self._ssh.open()
            # The rename may have been done and only its answer lost.
            if not self._arrived(path, rel, sha256):
                self._put(path, rel, replaces=replaces, sha256=sha256)

    def remove(self, rel: str) -> None:
        """See `ModelsPlace.remove`."""
        with self._said(rel, "removed"), contextlib.suppress(FileNotFoundError):
            self._sftp().remove(self._path(rel))

    def parts(self, name: str, *, ours: bool = False) -> list[str]:
        """See `ModelsPlace.parts`; no lock reaches this far, so the age decides."""
        before = time.time() - ABANDONED_AFTER_S
        with self._said("", "read"):
            return sorted(
                entry.filename
                for entry in self._list(PurePosixPath())
                if is_part(entry.filename, name) and (ours or (entry.st_mtime or 0) < before)
            )

    def _look(self) -> PurePosixPath:
        sftp = self._ssh.sftp()
        with self._ssh.guarded():
            text = self._target.path
            if text.startswith("~"):
                if text[1:2] not in ("", "/"):
                    raise PublishError(f"{self.url}: only one's own ~ is known.", "Write the path in full.")
                text = sftp.normalize(".") + text[1:]
            models = PurePosixPath(text)
            if not self._is_dir(sftp, models):
                raise PublishError(
                    f"The models folder {self.url} is not there, or {self._target.host} does not show it.",
                    "Name the folder that holds Stable-diffusion/ and Lora/, as that machine names it.",
                )
            if models.name.casefold() == FOLDER.casefold() and not self._is_dir(sftp, models / FOLDER):
                above = str(self._target).rstrip("/").rpartition("/")[0]
                raise PublishError(
                    f"{self.url} is the LoRA folder itself.", f"Name the folder above it: {above}"
                )
        return models

    @staticmethod
    def _is_dir(sftp: paramiko.SFTPClient, path: PurePosixPath) -> bool:
        try:
            return stat.S_ISDIR(sftp.stat(str(path)).st_mode or 0)
        except (FileNotFoundError, PermissionError):
            return False

    def _sftp(self) -> paramiko.SFTPClient:
        self._ssh.open()
        return self._ssh.sftp()

    def _path(self, rel: str | PurePosixPath) -> str:
        return str(self._loras / rel)

    def _list(self, folder: PurePosixPath) -> list[paramiko.SFTPAttributes]:
        try:
            return self._sftp().listdir_attr(self._path(folder))
        except FileNotFoundError:
            return []

    def _walk(self, folder: PurePosixPath, name: str) -> Iterator[FileInfo]:
        for entry in self._list(folder):
            rel, mode = folder / entry.filename, entry.st_mode or 0
            if stat.S_ISDIR(mode):
                yield from self._walk(rel, name)
            elif is_named(entry.filename, name):
                size = self._sftp().stat(self._path(rel)).st_size if stat.S_ISLNK(mode) else entry.st_size
                yield FileInfo(str(rel), size or 0)

    def _arrived(self, path: Path, rel: str, sha256: str) -> bool:
        """Whether the file is there after all. What is left of the try before is removed."""
        self.remove(part_of(rel, self._token))
        try:
            with self._said(rel, "read"):
                size = self._sftp().stat(self._path(rel)).st_size
        except PublishError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False
            raise
        return size == path.stat().st_size and self.sha256(rel) == sha256

    def _put(self, path: Path, rel: str, *, replaces: bool, sha256: str) -> None:
        part, size = part_of(rel, self._token), path.stat().st_size
        with self._said(rel, "written", size):
            self._make_folder()
            try:
                self._upload(path, part)
                with contextlib.suppress(
                    OSError
                ):  # a server without modes; the WebUI must be able to read it
                    self._sftp().chmod(self._path(part), 0o644)
                self._verify(part, rel, size, sha256)
                self._rename(part, rel, replaces=replaces)
            except SshLost:
                raise
            except BaseException:
                with contextlib.suppress(OSError, EOFError, SshError):  # the first error is the one to tell
                    self._sftp().remove(self._path(part))
                raise

    def _make_folder(self) -> None:
        sftp = self._sftp()
        if not self._is_dir(sftp, self._loras):
            sftp.mkdir(str(self._loras))

    def _upload(self, path: Path, part: str) -> None:
        sftp = self._sftp()
        with self._ssh.guarded(), path.open("rb") as source:
            out = sftp.open(self._path(part), "wx")
            out.set_pipelined(True)
            try:
                while chunk := source.read(_CHUNK):
                    out.write(chunk)
            finally:
                out.close()  # collects the answers of all writes
            with sftp.open(self._path(part), "r+") as written:
                sync_file(sftp, written)

    def _verify(self, part: str, rel: str, size: int, sha256: str) -> None:
        if self._sftp().stat(self._path(part)).st_size != size:
            raise differs(self.where(rel))
        if self._remote_hash(part, size) != sha256 and self._hash_read_back(part, size) != sha256:
            raise differs(self.where(rel))

    def _rename(self, part: str, rel: str, *, replaces: bool) -> None:
        sftp, source, target = self._sftp(), self._path(part), self._path(rel)
        if replaces:
            self._replace(source, target)
            return
        # By the protocol a plain rename never replaces (draft-ietf-secsh-filexfer-02, 6.5). OpenSSH keeps to
        # it; other servers do not always, so it is looked first.
        if self._exists(target):
            raise taken(self.where(rel))
        try:
            sftp.rename(source, target)
        except OSError as error:
            if self._exists(target):
                raise taken(self.where(rel)) from error
            raise

    def _replace(self, source: str, target: str) -> None:
        sftp = self._sftp()
        try:
            sftp.posix_rename(source, target)
        except (FileNotFoundError, PermissionError):
            raise
        except OSError:
            # A server without posix-rename@openssh.com: the old file steps aside, and back if need be.
            aside = f"{source.removesuffix('.part')}-old.part"
            sftp.rename(target, aside)
            try:
                sftp.rename(source, target)
            except OSError:
                sftp.rename(aside, target)
                raise
            sftp.remove(aside)

    def _exists(self, path: str) -> bool:
        try:
            self._sftp().lstat(path)
        except FileNotFoundError:
            return False
        return True

    def _remote_hash(self, rel: str, size: int) -> str | None:
        """What `sha256sum` there says; None where no commands are run, or it is not installed."""
        if not self._runs_commands:
            return None
        try:
            done = self._ssh.run(
                ["sha256sum", "--", self._path(rel)], timeout_s=30 + size / _HASH_BYTES_PER_S
            )
        except SshLost:
            raise
        except SshError:
            self._runs_commands = False
            return None
        found = re.match(rb"\\?([0-9a-f]{64})\s", done.stdout)
        if done.returncode != 0 or found is None:
            self._runs_commands = False
            return None
        return found.group(1).decode()

    def _hash_read_back(self, rel: str, size: int) -> str:
        digest = hashlib.sha256()
        with self._said(rel, "read"), self._sftp().open(self._path(rel), "rb") as stream:
            stream.prefetch(size)
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    @contextlib.contextmanager
    def _said(self, rel: str, done: str, needed: int = 0) -> Iterator[None]:
        """Turn errors about files into sentences; servers say no more of a full disk than "Failure"."""
        try:
            with self._ssh.guarded():
                yield
        except OSError as error:
            reason, hint = self._reason(error, needed)
            raise PublishError(f"{self.where(rel)} cannot be {done}: {reason}.", hint) from error

    def _reason(self, error: OSError, needed: int) -> tuple[str, str]:
        who = self._target.user or "this user"
        if isinstance(error, PermissionError):
            return f"{who} may not", f"Let {who} write there, or log in as somebody who may."
        if isinstance(error, FileNotFoundError):
            return "it is not there", "Check the folder."
        free = None
        with contextlib.suppress(OSError, EOFError, SshError):
            free = free_bytes(self._sftp(), str(self._models))
        if free is not None and free < needed:
            return (
                f"the disk there is full ({free / 1e6:.1f} MB free, {needed / 1e6:.1f} MB needed)",
                "Make room there, then run it again.",
            )
        said = error.strerror or str(error) or type(error).__name__
        return f'the server says "{said}"', "Check its free space, quota and permissions."
