"""Which machine is meant, as whom, and whose keys are trusted: words only, nothing is sent."""

from __future__ import annotations

import getpass
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from .errors import SshError

SCHEMES = ("sftp", "ssh")
_DEFAULT_PORT = 22


@dataclass(frozen=True, slots=True)
class SshTarget:
    """A folder on another machine."""

    host: str
    """Its name, address, or alias in ~/.ssh/config."""
    user: str | None
    """None means the alias's user, else the one who runs this."""
    port: int | None
    """None means the alias's port, else 22."""
    path: str
    """Absolute, or beginning with "~"; "/" when the address names none."""
    query: Mapping[str, str] = field(default_factory=dict)
    """What stands behind the "?"."""
    scheme: str = "ssh"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        query = "&".join(f"{key}={quote(value, safe='/~:')}" for key, value in self.query.items())
        path = quote(self.path if self.path.startswith("/") else f"/{self.path}", safe="/~")
        return f"{self.scheme}://{user}{host}{port}{path}{'?' + query if query else ''}"


def parse_ssh_url(text: str) -> SshTarget:
    """Read `sftp://user@host:2222/abs/path` or `ssh://host/~/path?key=value`.

    Raises:
        SshError: It is no such address, or a password stands in it. The password is never repeated.
    """
    text = text.strip()
    example = "For example sftp://user@host/srv/webui/models."
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise _no_address(text, example) from error
    userinfo, at, shown = parts.netloc.rpartition("@")
    if password_may_follow(parts):
        raise SshError(
            "The address has an '@' behind its first '/', which may be part of a password.",
            "Write it as %40 in a path; log in with a key, never with a password in the address.",
        )
    if ":" in userinfo:
        user = userinfo.partition(":")[0]
        raise SshError(
            f"A password stands in the address of {shown}: it would end up in logs and process lists.",
            f"Write {parts.scheme}://{user}{at}{shown}{parts.path} and log in with a key: "
            f"SDWEBUI_SSH_KEY, an agent, or ~/.ssh.",
        )
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in SCHEMES or not host or port == 0 or any(c.isspace() for c in parts.netloc):
        raise _no_address(text, example)
    if not shown.startswith("["):
        host = shown.partition(":")[0]  # as it was written: aliases in ~/.ssh/config have capitals
    user, path = unquote(userinfo), unquote(parts.path) or "/"
    # A user's name ends up in commands people are told to type, and all of it on terminals.
    if host.startswith("-") or user.startswith("-") or _steers(f"{text}{user}{path}"):
        raise _no_address(text, example)
    if parts.fragment:
        raise SshError(f"The address of {shown} has a '#' in it.", "Write it as %23.")
    return SshTarget(
        host, user or None, port, path[1:] if path.startswith("/~") else path, _settings(parts), parts.scheme
    )


def password_may_follow(parts: SplitResult) -> bool:
    """Whether what looks like host and port may be a user and the start of a password with a "/" in it."""
    return "@" not in parts.netloc and ":" in parts.netloc and "@" in f"{parts.path}{parts.query}"


def own_name() -> str | None:
    """Of the user who runs this; None in containers that run by a number nobody has."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def _settings(parts: SplitResult) -> dict[str, str]:
    """What stands behind the "?". A "+" is a plus: these are paths, and no form was filled in."""
    settings: dict[str, str] = {}
    for pair in filter(None, parts.query.split("&")):
        key, _, value = pair.partition("=")
        if unquote(key) in settings:
            raise SshError(f"The address says twice what {unquote(key)!r} is.", "Say it once.")
        settings[unquote(key)] = unquote(value)
    return settings


def _steers(text: str) -> bool:
    return any(unicodedata.category(char) == "Cc" for char in text)


def _no_address(text: str, example: str) -> SshError:
    """Names the text without what may be a password in it, or a key behind a "?"."""
    _, at, rest = text.rpartition("@")
    shown = f"…@{rest}" if at else rest
    shown = shown.partition("?")[0]
    return SshError(f"{shown!r} is no address of a machine reached over SSH.", example)


@dataclass(frozen=True, slots=True)
class SshAuth:
    """Whose keys are used, and which hosts are trusted."""

    key_file: Path | None = field(default=None, repr=False)
    """A private key; None means those of ~/.ssh/config, the agent's, and the usual names in ~/.ssh."""
    known_hosts: Path | None = None
    """Keys of the hosts that are trusted; None means ~/.ssh/known_hosts and the system's."""
    folder: Path | None = None
    """Where `config`, `known_hosts` and keys lie; None means ~/.ssh."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> SshAuth:
        """Read SDWEBUI_SSH_KEY and SDWEBUI_SSH_KNOWN_HOSTS.

        Args:
            env: The variables; None means this process's.
        """
        env = os.environ if env is None else env
        key, known = (env.get(name, "").strip() for name in ("SDWEBUI_SSH_KEY", "SDWEBUI_SSH_KNOWN_HOSTS"))
        home = env.get("HOME", "").strip()
        return cls(
            Path(key).expanduser() if key else None,
            Path(known).expanduser() if known else None,
            Path(home) / ".ssh" if home else None,
        )

    @property
    def ssh_folder(self) -> Path:
        """Where ssh keeps its things."""
        return self.folder if self.folder is not None else Path.home() / ".ssh"

    @property
    def known_hosts_file(self) -> Path:
        """The file a new host is written into."""
        return self.known_hosts if self.known_hosts is not None else self.ssh_folder / "known_hosts"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A machine after ~/.ssh/config was asked."""

    host: str
    port: int
    user: str
    key_files: tuple[Path, ...]
    """Keys named for it, by the caller or by the config; empty when none is."""

    @property
    def known_as(self) -> str:
        """What known_hosts calls it."""
        host = self.host.lower()  # as ssh does
        return host if self.port == _DEFAULT_PORT else f"[{host}]:{self.port}"


def resolve(target: SshTarget, auth: SshAuth) -> Endpoint:
    """Look an alias up in ~/.ssh/config: HostName, Port, User and IdentityFile count.

    Raises:
        SshError: The config cannot be read, or wants a way that is not gone here (a jump host, a proxy).
    """
    found = _config(target.host, auth.ssh_folder / "config")
    for way in ("ProxyJump", "ProxyCommand"):
        if str(found.get(way.lower(), "none")).lower() != "none":
            raise SshError(
                f"~/.ssh/config reaches {target.host} through {way}, which is not done here.",
                f"Open a tunnel with `ssh -N -L 2222:localhost:22 {target.host}` and name localhost:2222.",
            )
    keys = [auth.key_file] if auth.key_file else [Path(p).expanduser() for p in found.get("identityfile", [])]
    try:
        port = target.port or int(found.get("port", _DEFAULT_PORT))
    except ValueError as error:
        raise SshError(f"~/.ssh/config gives {target.host} the port {found['port']!r}.") from error
    user = target.user or found.get("user") or own_name()
    if not user:
        raise SshError(
            f"The user who runs this has no name to log in to {target.host} with.",
            f"Write it into the address: ssh://USER@{target.host}/…",
        )
    return Endpoint(str(found.get("hostname", target.host)), port, str(user), tuple(keys))


def _config(host: str, path: Path) -> Mapping[str, Any]:
    import paramiko

    if not path.is_file():
        return {}
    try:
        config = paramiko.SSHConfig.from_text(path.read_text(encoding="utf-8", errors="replace"))
        return dict(config.lookup(host))
    except (OSError, paramiko.ConfigParseError) as error:
        raise SshError(f"{path} cannot be read: {error}.", "Mend the file.") from error
