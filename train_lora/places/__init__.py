"""Where a WebUI keeps its models: a folder here, on another machine, or in any storage fsspec reaches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from .._ssh_names import password_may_follow
from ..errors import PublishError
from ..ssh import SshAuth, parse_ssh_url
from .base import FOLDER, FileInfo, ModelsPlace

__all__ = ["FOLDER", "FileInfo", "ModelsPlace", "open_place", "read_place"]


def read_place(text: str | Path) -> Path | str:
    """Understand where a models folder is said to be, without looking there.

    Args:
        text: A folder of this machine, `sftp://user@host/path`, or an address of any storage fsspec knows.

    Returns:
        A path for a folder of this machine, else the address.

    Raises:
        TrainError: A password stands in the address, or it cannot be one. The password is never repeated.
    """
    if isinstance(text, Path) or "://" not in text:
        return Path(text).expanduser()
    text = text.strip()
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise PublishError(
            "That cannot be the address of a models folder.",
            "For example sftp://user@host/srv/webui/models, or a path of this machine.",
        ) from error
    scheme = parts.scheme.lower()
    if scheme in ("sftp", "ssh"):
        return _read_sftp(text)
    shown = _without_password(parts)
    if scheme == "file":
        return Path(unquote(parts.path))
    if scheme in ("http", "https"):
        raise PublishError(
            f"{scheme}://{shown} can only be read; no LoRA can be put there.",
            "Name the models folder itself: a path, sftp://user@host/path, or another storage's address.",
        )
    if "::" in text:
        raise PublishError(f"{text} chains several storages.", "Name one.")
    return text


def _read_sftp(text: str) -> str:
    target = parse_ssh_url(text)
    if target.path == "/":
        raise PublishError(
            f"{target} names no folder.", "Add the path of the models folder there: sftp://user@host/PATH"
        )
    if target.query:
        raise PublishError(
            f"{target.host} is given settings behind a '?', and a models folder has none.",
            "Write the '?' as %3F if it is part of the folder's name.",
        )
    return str(target)


def _without_password(parts: SplitResult) -> str:
    """The storage's name.

    Raises:
        PublishError: A password stands in the address.
    """
    userinfo, _, shown = parts.netloc.rpartition("@")
    if ":" in userinfo or password_may_follow(parts):
        where = f"{parts.scheme}://…@{shown if userinfo else '…'}"
        raise PublishError(
            f"A password stands in {where}: it would end up in logs and process lists.",
            "Give it the way the storage's own tools take it: its environment variables or its config file.",
        )
    return shown


@contextmanager
def open_place(text: str | Path, *, auth: SshAuth | None = None) -> Iterator[ModelsPlace]:
    """Open a models folder; hangs up afterwards.

    Args:
        text: See `read_place`.
        auth: For SFTP; None reads SDWEBUI_SSH_KEY and SDWEBUI_SSH_KNOWN_HOSTS.

    Raises:
        TrainError: It is not reached, or is no models folder.
    """
    place = read_place(text)
    if isinstance(place, Path):
        from .local import LocalPlace

        yield LocalPlace(place)
    elif place.startswith(("sftp://", "ssh://")):
        from .sftp import SftpPlace

        with closing(SftpPlace(parse_ssh_url(place), auth or SshAuth.from_env())) as sftp:
            yield sftp
    else:
        from .fsspec_place import FsspecPlace

        yield FsspecPlace(place)
