"""A real sshd on this machine's loopback: its own host key, its own client key, one folder, no passwords."""

from __future__ import annotations

import getpass
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_STARTS_WITHIN_S = 15.0

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey "{folder}/host_key"
PidFile none
AuthorizedKeysFile "{folder}/authorized_keys"
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
{extra}
"""


@dataclass
class Sshd:
    """A running server.

    Attributes:
        folder: Where its keys, its configuration and its log lie.
        key: A private key it lets in.
        known_hosts: A file that pins its host key.
    """

    host: str
    port: int
    user: str
    folder: Path
    key: Path
    known_hosts: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """What it said so far."""
        return (self.folder / "sshd.log").read_text(errors="replace")

    @property
    def env(self) -> dict[str, str]:
        """Environment variables that let a client in, and make it trust the host."""
        return {"SDWEBUI_SSH_KEY": str(self.key), "SDWEBUI_SSH_KNOWN_HOSTS": str(self.known_hosts)}

    def url(self, path: Path | str, scheme: str = "sftp") -> str:
        """The address of a path of this machine, as seen through the server."""
        return f"{scheme}://{self.user}@{self.host}:{self.port}{path}"

    def stop(self) -> None:
        """End the server and its connections; commands that were detached live on."""
        self.drop_connections()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def drop_connections(self) -> int:
        """Cut every connection without a word, as a network would; new ones are welcome.

        Returns:
            How many server processes were ended.
        """
        mine = _descendants(self.process.pid)
        for pid in mine:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return len(mine)


def start_sshd(folder: Path, *, extra: Sequence[str] = (), file_limit: int | None = None) -> Sshd:
    """Start a server as the current user; its sessions see this machine's files.

    Args:
        folder: For its keys and its log; made if need be.
        extra: More lines of sshd_config.
        file_limit: The largest file its sessions may write, in bytes; a write beyond it fails as on a full
            disk does (the server says "Failure").

    Raises:
        RuntimeError: No sshd is installed, or it did not start; with its own words.
    """
    binary = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin")
    if binary is None or shutil.which("ssh-keygen") is None:
        raise RuntimeError(
            "This test needs a real sshd: install openssh-server (apt-get install openssh-server)."
        )
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in ("host_key", "client_key"):
        if not (folder / name).exists():
            make_key(folder / name)
    shutil.copy(folder / "client_key.pub", folder / "authorized_keys")
    port = _free_port()
    config = folder / "sshd_config"
    config.write_text(_CONFIG.format(port=port, folder=folder, extra="\n".join(extra)))
    key = (folder / "host_key.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(key)}\n")

    def limit() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(
            [binary, "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Python ignores SIGXFSZ; sshd inherits that: a write beyond the limit fails and kills nobody.
            restore_signals=False,
            preexec_fn=limit,
        )
    sshd = Sshd(
        "127.0.0.1", port, getpass.getuser(), folder, folder / "client_key", folder / "known_hosts", process
    )
    _wait(sshd)
    return sshd


def make_key(path: Path, *, passphrase: str = "") -> None:
    """Make an ed25519 key pair: `path` and `path.pub`."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", str(path)], check=True
    )


def _wait(sshd: Sshd) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline and sshd.process.poll() is None:
        try:
            with socket.create_connection((sshd.host, sshd.port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    sshd.process.kill()
    sshd.process.wait()
    raise RuntimeError(f"sshd did not start:\n{sshd.log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _descendants(root: int) -> list[int]:
    """Server processes below a process. Commands they run are spared: they must outlive a connection."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        parents[int(entry.name)] = (int(rest.split()[1]), name)
    found: list[int] = []
    level = {root}
    while level:
        level = {
            pid for pid, (parent, name) in parents.items() if parent in level and name.startswith("sshd")
        }
        found += level
    return found
