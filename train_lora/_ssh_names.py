"""Which machine is meant, as whom, and whose keys are trusted: words only, nothing is sent."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

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
        query = "&".join(f"{key}={value}" for key, value in self.query.items())
        path = quote(self.path if self.path.startswith("/") else f"/{self.path}", safe="/~")
        return f"{self.scheme}://{user}{host}{port}{path}{'?' + query if query else ''}"


def parse_ssh_url(text: str) -> SshTarget:
    """Read `sftp://user@host:2222/abs/path` or `ssh://host/~/path?key=value`.

    Raises:
        SshError: It is no such address, or a password stands in it. The password is never repeated.
    """
    parts = urlsplit(text.strip())
    userinfo, at, shown = parts.netloc.rpartition("@")
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
    example = "For example sftp://user@host/srv/webui/models."
    if parts.scheme not in SCHEMES or not host or port == 0 or any(c.isspace() for c in parts.netloc):
        masked = re.sub(r":[^:@/]*@", ":***@", text)
        raise SshError(f"{masked!r} is no address of a machine reached over SSH.", example)
    if host.startswith("-"):
        raise SshError(f"{host!r} is no host's name.", example)
    if parts.fragment:
        raise SshError(f"The address of {shown} has a '#' in it.", "Write it as %23.")
    path = unquote(parts.path) or "/"
    return SshTarget(
        host,
        unquote(userinfo) or None,
        port,
        path[1:] if path.startswith("/~") else path,
        dict(parse_qsl(parts.query, keep_blank_values=True)),
        parts.scheme,
    )


@dataclass(frozen=True, slots=True)
class SshAuth:
    """Whose keys are used, and which hosts are trusted."""

    key_file: Path | None = None
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
        return self.host if self.port == _DEFAULT_PORT else f"[{self.host}]:{self.port}"


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
    return Endpoint(
        str(found.get("hostname", target.host)),
        port,
        target.user or str(found.get("user") or getpass.getuser()),
        tuple(keys),
    )


def _config(host: str, path: Path) -> Mapping[str, Any]:
    import paramiko

    if not path.is_file():
        return {}
    try:
        config = paramiko.SSHConfig.from_text(path.read_text(encoding="utf-8", errors="replace"))
        return dict(config.lookup(host))
    except (OSError, paramiko.ConfigParseError) as error:
        raise SshError(f"{path} cannot be read: {error}.", "Mend the file.") from error
