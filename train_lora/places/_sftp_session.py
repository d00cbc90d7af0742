"""A connection to a models folder over SFTP, and what its errors mean."""

from __future__ import annotations

import contextlib
import hashlib
import re
import stat
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..errors import PublishError, SshError, SshLost
from ..ssh import SshAuth, SshConnection, SshTarget
from ._sftp_extensions import free_bytes
from .base import FOLDER

if TYPE_CHECKING:
    import paramiko

_CHUNK = 1 << 20
_HASH_BYTES_PER_S = 5e6
"""How slowly the other machine may hash before it is thought to hang."""


class ShortError(OSError):
    """Less of a file arrived than was sent."""


class SftpSession:
    """The folder's files by their path below the LoRA folder; a connection that broke is made again."""

    def __init__(self, target: SshTarget, auth: SshAuth, *, timeout_s: float) -> None:
        """Connect and look at the folder; see `SftpPlace`."""
        self.target, self.ssh = target, SshConnection(target, auth, timeout_s=timeout_s)
        self._runs_commands = True
        self.ssh.open()
        try:
            self.models = self._look()
        except BaseException:
            self.ssh.close()
            raise
        self.loras = self.models / FOLDER

    def _look(self) -> PurePosixPath:
        sftp = self.ssh.sftp()
        with self.ssh.guarded():
            text = self.target.path
            if text.startswith("~"):
                if text[1:2] not in ("", "/"):
                    raise PublishError(
                        f"{self.target}: only one's own ~ is known.", "Write the path in full."
                    )
                text = sftp.normalize(".") + text[1:]
            models = PurePosixPath(text)
            if not is_dir(sftp, models):
                raise PublishError(
                    f"The models folder {self.target} is not there, or {self.target.host} does not show it.",
                    "Name the folder that holds Stable-diffusion/ and Lora/, as that machine names it.",
                )
            if models.name.casefold() == FOLDER.casefold() and not is_dir(sftp, models / FOLDER):
                above = str(self.target).rstrip("/").rpartition("/")[0]
                raise PublishError(
                    f"{self.target} is the LoRA folder itself.", f"Name the folder above it: {above}"
                )
        return models

    def where(self, rel: str) -> str:
        """A file's address, for people."""
        return f"{str(self.target).rstrip('/')}/{FOLDER}/{rel}"

    def client(self) -> paramiko.SFTPClient:
        """The other machine's files; use it inside `said`."""
        self.ssh.open()
        return self.ssh.sftp()

    def path(self, rel: str | PurePosixPath) -> str:
        """A file's path on the other machine."""
        return str(self.loras / rel)

    def exists(self, path: str) -> bool:
        """Whether anything has this path there; use it inside `said`."""
        try:
            self.client().lstat(path)
        except FileNotFoundError:
            return False
        return True

    def remote_hash(self, rel: str, size: int) -> str | None:
        """What `sha256sum` there says; None where no commands are run, or it is not installed."""
        if not self._runs_commands:
            return None
        try:
            done = self.ssh.run(["sha256sum", "--", self.path(rel)], timeout_s=30 + size / _HASH_BYTES_PER_S)
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

    def hash_read_back(self, rel: str, size: int) -> str:
        """SHA-256 of a file, fetched once more."""
        digest = hashlib.sha256()
        with self.said(rel, "read"), self.client().open(self.path(rel), "rb") as stream:
            stream.prefetch(size)
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    @contextlib.contextmanager
    def said(self, rel: str, done: str, needed: int = 0) -> Iterator[None]:
        """Turn errors about files into sentences; servers say no more of a full disk than "Failure"."""
        try:
            with self.ssh.guarded():
                yield
        except OSError as error:
            reason, hint = self._reason(error, needed)
            raise PublishError(f"{self.where(rel)} cannot be {done}: {reason}.", hint) from error

    def _reason(self, error: OSError, needed: int) -> tuple[str, str]:
        who = self.target.user or "this user"
        if isinstance(error, PermissionError):
            return f"{who} may not", f"Let {who} write there, or log in as somebody who may."
        if isinstance(error, FileNotFoundError):
            return "it is not there", "Check the folder."
        free = self.free()
        if free is not None and free < needed:
            return (
                f"the disk there is full ({free / 1e6:.1f} MB free, {needed / 1e6:.1f} MB needed)",
                "Make room there, then run it again.",
            )
        hint = "Check its free space, quota and permissions."
        if isinstance(error, ShortError):
            return str(error), hint
        return f'the server says "{error.strerror or str(error) or type(error).__name__}"', hint

    def free(self) -> int | None:
        """Bytes one may still write there; None when the server does not say."""
        with contextlib.suppress(OSError, EOFError, SshError):
            return free_bytes(self.client(), str(self.models))
        return None


def is_dir(sftp: paramiko.SFTPClient, path: PurePosixPath) -> bool:
    """Whether a folder is there, as far as one may see."""
    try:
        return stat.S_ISDIR(sftp.stat(str(path)).st_mode or 0)
    except (FileNotFoundError, PermissionError):
        return False
