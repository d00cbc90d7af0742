"""Reaching a machine, knowing it for the one that is meant, and being let in."""

from __future__ import annotations

import contextlib
import logging
import shlex
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ._ssh_names import Endpoint, SshAuth
from .errors import HostKeyError, SshError

if TYPE_CHECKING:
    import paramiko

_Key: TypeAlias = "tuple[paramiko.PKey, str]"
"""A key, and what it is called in a message."""

_KEEPALIVE_S = 15
"""How often a silent connection shows that it is alive: routers forget it after minutes."""
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")


def need_paramiko() -> None:
    """Say what is missing before anything else is tried.

    Raises:
        SshError: paramiko is not installed.
    """
    try:
        import paramiko  # noqa: F401
    except ModuleNotFoundError as error:
        raise SshError("Reaching another machine needs paramiko.", 'pip install -e ".[remote]"') from error
    # paramiko logs tracebacks of what it also raises; Python prints them when nobody set up logging.
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def log_in(end: Endpoint, auth: SshAuth, timeout_s: float) -> paramiko.Transport:
    """Connect, check the host's key, and authenticate.

    Raises:
        HostKeyError: The key is unknown or has changed.
        SshError: Anything else that keeps us out, one sentence each.
    """
    import paramiko

    transport = paramiko.Transport(_dial(end, timeout_s))
    transport.banner_timeout = transport.auth_timeout = transport.channel_timeout = timeout_s
    try:
        known = _known_keys(end, auth)
        _prefer(transport, [key.get_name() for key in known])
        try:
            transport.start_client(timeout=timeout_s)
            key = transport.get_remote_server_key()  # fails when the time was over
        except (paramiko.SSHException, EOFError, OSError) as error:
            said = str(error).rstrip(".") or "it hung up"
            raise SshError(
                f"{end.host}:{end.port} answers, but not as an SSH server ({said}).", "Is the port right?"
            ) from error
        _check(key, known, end, auth)
        _authenticate(transport, end, auth)
        transport.set_keepalive(_KEEPALIVE_S)
    except BaseException:
        transport.close()
        raise
    return transport


def _dial(end: Endpoint, timeout_s: float) -> socket.socket:
    where = f"{end.host}:{end.port}"
    try:
        return socket.create_connection((end.host, end.port), timeout=timeout_s)
    except (socket.gaierror, UnicodeError) as error:
        raise SshError(f"No machine of the name {end.host} is known.", "Check the name.") from error
    except TimeoutError as error:
        raise SshError(
            f"{where} did not answer within {timeout_s:g} s.", "Is it switched on, and is the port open?"
        ) from error
    except ConnectionRefusedError as error:
        raise SshError(f"Nothing listens at {where}.", "Is sshd running there, and on this port?") from error
    except OSError as error:
        raise SshError(f"{where} is not reached: {error.strerror or error}.", "Check the network.") from error


def _known_keys(end: Endpoint, auth: SshAuth) -> list[paramiko.PKey]:
    """Every key known_hosts has for this machine; lines marked @revoked or @cert-authority do not count."""
    import paramiko

    files = [auth.known_hosts_file, *([] if auth.known_hosts else [_SYSTEM_KNOWN_HOSTS])]
    found = []
    for path in files:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        except OSError as error:
            raise SshError(
                f"{path} cannot be read: {error.strerror}.", "It holds the host keys that are trusted."
            ) from error
        for line in lines:
            entry = _entry(line)
            if entry is None or entry.key is None:
                continue
            names = paramiko.HostKeys()
            for name in entry.hostnames or ():
                names.add(name, entry.key.get_name(), entry.key)
            if names.lookup(end.known_as) is not None:
                found.append(entry.key)
    return found


def _entry(line: str) -> paramiko.hostkeys.HostKeyEntry | None:
    import paramiko

    if not line.strip() or line.lstrip().startswith(("#", "@")):
        return None
    try:
        return paramiko.hostkeys.HostKeyEntry.from_line(line)
    except paramiko.SSHException:
        return None  # a line of another kind of key than paramiko speaks


def _prefer(transport: paramiko.Transport, names: list[str]) -> None:
    """Ask for a key of a kind that is known: a server has several, and shows the one asked for first."""
    options = transport.get_security_options()
    wanted = [
        kind
        for name in names
        for kind in (("rsa-sha2-512", "rsa-sha2-256") if name == "ssh-rsa" else (name,))
        if kind in options.key_types
    ]
    options.key_types = tuple(dict.fromkeys((*wanted, *options.key_types)))


def _check(key: paramiko.PKey, known: list[paramiko.PKey], end: Endpoint, auth: SshAuth) -> None:
    if key in known:
        return
    path = auth.known_hosts_file
    scan = f"ssh-keyscan -p {end.port} {shlex.quote(end.host)} >> {shlex.quote(str(path))}"
    compare = (
        "compare it with what `for k in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $k; done` prints on "
        "that machine"
    )
    if known:
        raise HostKeyError(
            f"THE HOST KEY OF {end.known_as} HAS CHANGED: it shows {_fingerprint(key)}, but {path} knows "
            f"{' or '.join(sorted({_fingerprint(other) for other in known}))}. "
            f"Somebody may stand in between; nothing was sent.",
            f"If the machine was set up anew, {compare}, then `ssh-keygen -R {shlex.quote(end.known_as)} "
            f"-f {shlex.quote(str(path))}` and `{scan}`.",
        )
    raise HostKeyError(
        f"{end.known_as} is not known: {path} has no host key of it. It shows {_fingerprint(key)}.",
        f"{compare[0].upper()}{compare[1:]}; if it is the same, `{scan}`.",
    )


def _fingerprint(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"


def _authenticate(transport: paramiko.Transport, end: Endpoint, auth: SshAuth) -> None:
    """Offer the keys one after the other: those named, the agent's, the usual ones."""
    locked: list[str] = []
    keys = _named_keys(end, auth, locked)
    # A key that was named and opens is the only one offered, as with `ssh -i -o IdentitiesOnly=yes`.
    with contextlib.ExitStack() as stack:
        if auth.key_file is None or locked:
            agent = stack.enter_context(contextlib.closing(_agent()))
            keys += [(key, f"the agent's {key.fingerprint}") for key in agent.get_keys()]
        if not end.key_files:
            keys += _load_all((auth.ssh_folder / name for name in _DEFAULT_KEYS), locked)
        for key, _ in keys:
            if _accepted(transport, end, key):
                return
    _refused(end, [label for _, label in keys], locked)


def _named_keys(end: Endpoint, auth: SshAuth, locked: list[str]) -> list[_Key]:
    if auth.key_file is not None and not auth.key_file.is_file():
        raise SshError(f"There is no key file {auth.key_file}.", "SDWEBUI_SSH_KEY names the private key.")
    return _load_all(end.key_files, locked)


def _agent() -> paramiko.Agent:
    import paramiko

    try:
        return paramiko.Agent()
    except (paramiko.SSHException, OSError) as error:
        raise SshError(
            f"The agent at SSH_AUTH_SOCK does not answer as one ({error}).",
            "Name a key with SDWEBUI_SSH_KEY.",
        ) from error


def _accepted(transport: paramiko.Transport, end: Endpoint, key: paramiko.PKey) -> bool:
    import paramiko

    try:
        if not transport.auth_publickey(end.user, key):
            return True
    except paramiko.BadAuthenticationType as error:
        instead = ", ".join(error.allowed_types) or "nothing"
        raise SshError(
            f"{end.host} takes no keys from {end.user}, only {instead}.",
            "Passwords are not used here: allow `PubkeyAuthentication` in its sshd_config.",
        ) from error
    except paramiko.AuthenticationException:
        return False
    except (paramiko.SSHException, EOFError, OSError) as error:
        said = str(error).rstrip(".") or "it hung up"
        raise SshError(
            f"{end.host} ended the login of {end.user}: {said}.",
            "With many keys in the agent, name the right one with SDWEBUI_SSH_KEY.",
        ) from error
    raise SshError(
        f"{end.host} wants more from {end.user} than a key (a code or a password).",
        "Nobody is there to answer; give this account a login by key alone.",
    )


def _load_all(paths: Iterable[Path], locked: list[str]) -> list[_Key]:
    return [key for path in paths if path.is_file() and (key := _load(path, locked)) is not None]


def _load(path: Path, locked: list[str]) -> _Key | None:
    """A key from its file; None for one that a passphrase locks, which is then in `locked`."""
    import paramiko

    try:
        return paramiko.PKey.from_path(path), str(path)
    # A plain TypeError is how `cryptography` says that it is encrypted; paramiko@5.1.0 lets that through.
    except (TypeError, paramiko.PasswordRequiredException):
        locked.append(str(path))
    except (ValueError, paramiko.SSHException) as error:
        raise SshError(
            f"{path} is no private key that can be read ({error}).", "Name the private key, not the .pub."
        ) from error
    except OSError as error:
        raise SshError(
            f"The key {path} cannot be read: {error.strerror}.", "It must belong to you."
        ) from error
    return None


def _refused(end: Endpoint, tried: list[str], locked: list[str]) -> None:
    if locked:
        raise SshError(
            f"The key {locked[0]} is locked by a passphrase, and nobody is there to ask.",
            f"Open it in an agent first: `ssh-add {shlex.quote(locked[0])}` (needs SSH_AUTH_SOCK).",
        )
    if not tried:
        raise SshError(
            f"There is no key to log in to {end.host} with: no agent, and none in ~/.ssh.",
            "Name one with SDWEBUI_SSH_KEY, or make one with `ssh-keygen -t ed25519`.",
        )
    whom = f"{end.user}@{end.host}"
    raise SshError(
        f"{end.host} does not let {end.user} in with {', '.join(tried)}.",
        f"Add the public key there: `ssh-copy-id -p {end.port} {shlex.quote(whom)}`.",
    )
