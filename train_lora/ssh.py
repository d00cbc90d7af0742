"""Another machine over SSH: its host key is pinned, keys or an agent let us in, and nobody is ever asked."""

from __future__ import annotations

import contextlib
import shlex
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ._ssh_login import log_in, need_paramiko
from ._ssh_names import SshAuth, SshTarget, parse_ssh_url, resolve
from .errors import HostKeyError, SshError, SshLost

if TYPE_CHECKING:
    import paramiko

__all__ = [
    "Completed",
    "HostKeyError",
    "SshAuth",
    "SshConnection",
    "SshError",
    "SshLost",
    "SshTarget",
    "parse_ssh_url",
]


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command on the other machine gave back."""

    returncode: int
    stdout: bytes
    stderr: bytes


class SshConnection:
    """One connection to one machine; a context manager.

    Example:
        >>> with SshConnection(parse_ssh_url("ssh://me@gpu"), SshAuth.from_env()) as ssh:  # doctest: +SKIP
        ...     ssh.run(["nvidia-smi"], timeout_s=30).stdout
    """

    def __init__(self, target: SshTarget, auth: SshAuth, *, timeout_s: float = 20) -> None:
        """Nothing is sent before `open` or `with`.

        Args:
            target: The machine.
            auth: Whose keys are used and trusted.
            timeout_s: How long it may take to reach it, and how long one request about a file may take.
        """
        self.target, self._auth, self._timeout_s = target, auth, timeout_s
        self._transport: paramiko.Transport | None = None
        self._sftp: paramiko.SFTPClient | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Connect, check the host's key, and log in; does nothing while a connection stands.

        Raises:
            HostKeyError: The host's key is unknown or has changed.
            SshError: It is not reached, does not speak SSH, or does not let us in.
        """
        need_paramiko()
        if self.alive:
            return
        self.close()
        self._transport = log_in(resolve(self.target, self._auth), self._auth, self._timeout_s)

    def close(self) -> None:
        """Hang up; twice is as good as once."""
        sftp, transport = self._sftp, self._transport
        self._sftp = self._transport = None
        if sftp is not None:
            with contextlib.suppress(OSError, EOFError):  # the other side hung up first
                sftp.close()
        if transport is not None:
            transport.close()

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known without asking."""
        return self._transport is not None and self._transport.is_active()

    def sftp(self) -> paramiko.SFTPClient:
        """The other machine's files; use it inside `guarded`.

        Raises:
            SshLost: The connection broke.
            SshError: The other side offers no SFTP.
        """
        import paramiko

        if self._sftp is None:
            try:
                client = paramiko.SFTPClient.from_transport(self._live())
            except (paramiko.SSHException, EOFError, OSError) as error:
                if not self.alive:
                    raise self._lost() from error
                raise SshError(
                    f"{self.target.host} speaks SSH but offers no SFTP.",
                    "Its sshd_config needs `Subsystem sftp internal-sftp`.",
                ) from error
            assert client is not None
            channel = client.get_channel()
            if channel is not None:
                channel.settimeout(self._timeout_s)
            self._sftp = client
        return self._sftp

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn a broken connection into `SshLost`; errors about files pass as the OSError they are."""
        import paramiko

        try:
            yield
        except (EOFError, paramiko.SSHException, paramiko.SFTPError, TimeoutError, ConnectionError) as error:
            self.close()
            raise self._lost() from error
        except OSError as error:
            # "Socket is closed" comes as a plain OSError, like a refusal of the server (paramiko@5.1.0).
            if self.alive and "Socket is closed" not in str(error):
                raise
            self.close()
            raise self._lost() from error

    def run(self, argv: Sequence[str], *, stdin: bytes | None = None, timeout_s: float = 60) -> Completed:
        """Run one command there and wait for it.

        Args:
            argv: The program and its arguments; quoted here, so that no shell takes them apart.
            stdin: What it reads; None gives it nothing.
            timeout_s: How long it may take, in seconds.

        Raises:
            SshLost: The connection broke; the command may still run.
            SshError: It took too long, or the other side runs no commands for this user.
        """
        import paramiko

        with self.guarded():
            channel = self._live().open_session(timeout=self._timeout_s)
        with channel, _closed_after(channel, timeout_s) as late:
            try:
                channel.exec_command(shlex.join(argv))
                done = self._collect(channel, stdin or b"")
            except (paramiko.SSHException, EOFError, OSError) as error:
                if not self.alive:
                    raise self._lost() from error
                if not late.is_set():
                    raise SshError(
                        f"{self.target.host} runs no commands for this user.", "Is the account for SFTP only?"
                    ) from error
            if late.is_set():
                raise SshError(
                    f"{argv[0]} on {self.target.host} did not end within {timeout_s:g} s.",
                    "It may still be running.",
                )
        if done.returncode == -1 and not self.alive:
            raise self._lost()
        return done

    def _collect(self, channel: paramiko.Channel, stdin: bytes) -> Completed:
        """Read both streams to their ends while the command is fed."""
        output: dict[str, bytes] = {}

        def read(name: str) -> None:
            receive = channel.recv if name == "stdout" else channel.recv_stderr
            output[name] = b"".join(iter(lambda: receive(1 << 16), b""))

        readers = [threading.Thread(target=read, args=(name,), daemon=True) for name in ("stdout", "stderr")]
        for thread in readers:
            thread.start()
        with contextlib.suppress(OSError):  # a command need not read what it is given
            channel.sendall(stdin)
            channel.shutdown_write()
        for thread in readers:
            thread.join()
        code = channel.recv_exit_status()
        return Completed(code, output.get("stdout", b""), output.get("stderr", b""))

    def start(self, argv: Sequence[str]) -> int:
        """Start a command there that goes on when this connection ends. Its output is thrown away.

        Args:
            argv: The program and its arguments.

        Returns:
            Its process id there.

        Raises:
            SshLost: The connection broke; it may have been started.
            SshError: It could not be started.
        """
        # A background job of a shell without job control leads no group, so setsid keeps its process id.
        detach = (
            'command -v "$1" >/dev/null || { echo "no such program: $1" >&2; exit 127; }; '
            "s=nohup; command -v setsid >/dev/null && s=setsid; "
            '$s "$@" </dev/null >/dev/null 2>&1 & echo $!'
        )
        done = self.run(["sh", "-c", detach, "sh", *argv], timeout_s=max(30.0, self._timeout_s))
        text = done.stdout.decode(errors="replace").strip()
        if done.returncode != 0 or not text.isdigit():
            said = done.stderr.decode(errors="replace").strip() or text or f"exit code {done.returncode}"
            raise SshError(f"{argv[0]} could not be started on {self.target.host}: {said}.")
        return int(text)

    def _live(self) -> paramiko.Transport:
        if self._transport is None or not self._transport.is_active():
            raise self._lost()
        return self._transport

    def _lost(self) -> SshLost:
        return SshLost(f"The connection to {self.target.host} was lost.", "Check the network and try again.")


@contextlib.contextmanager
def _closed_after(channel: paramiko.Channel, seconds: float) -> Iterator[threading.Event]:
    """Close a channel at a deadline, which ends whatever waits for it; gives what is set then."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        channel.close()

    timer = threading.Timer(seconds, give_up)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
