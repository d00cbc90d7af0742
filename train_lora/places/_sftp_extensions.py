"""Two things OpenSSH's SFTP server can do that paramiko has no method for (OpenSSH, PROTOCOL, section 4)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import paramiko


def sync_file(sftp: paramiko.SFTPClient, file: paramiko.SFTPFile) -> None:
    """Have the server write a file to its disk, where it can: fsync@openssh.com.

    A server that cannot is no error: what it wrote is read back and compared anyway.
    """
    with contextlib.suppress(OSError):
        _extended(sftp, "fsync@openssh.com", file.handle)


def free_bytes(sftp: paramiko.SFTPClient, path: str) -> int | None:
    """What an ordinary user may still write below a path; None when the server does not say.

    statvfs@openssh.com answers with bsize, frsize, blocks, bfree, bavail, …, each of 64 bits.
    """
    try:
        answer = _extended(sftp, "statvfs@openssh.com", path)
    except OSError:
        return None
    if answer is None:
        return None
    _, fragment, _, _, available = (int(answer.get_int64()) for _ in range(5))
    return fragment * available


def _extended(sftp: paramiko.SFTPClient, name: str, *arguments: Any) -> Any:
    """Send an extended request as SFTPClient.posix_rename does (paramiko@5.1.0 sftp_client.py)."""
    from paramiko.sftp import CMD_EXTENDED

    request: Any = sftp._request  # type: ignore[attr-defined]
    _, message = request(CMD_EXTENDED, name, *arguments)
    return message
