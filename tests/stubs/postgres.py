"""A real PostgreSQL on this machine's loopback: its own data, its own port, gone when it is stopped."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

_STARTS_WITHIN_S = 60.0
_DEBIAN = Path("/usr/lib/postgresql")
_USER = "studio"
# Nothing of it has to outlive a power cut. A commit outlives a killed server: synchronous_commit stays on.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    # The path of a socket may have 107 characters; those of a test's folder often have more.
    "unix_socket_directories": "",
}


def postgres_available() -> bool:
    """Whether PostgreSQL's server is installed here."""
    return _programs() is not None


@dataclass
class Postgres:
    """A running server.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        url: A database of it that is empty at first, as `SDWEBUI_DATABASE_URL` takes it.
        data: Its own files.
        log_file: What it says.
    """

    port: int
    data: Path
    log_file: Path
    process: subprocess.Popen[bytes]
    _made: int = field(default=0, repr=False)

    @property
    def url(self) -> str:
        """The first database."""
        return self._url("studio")

    @property
    def log(self) -> str:
        """What it said so far."""
        return self.log_file.read_text(errors="replace")

    def new_database(self) -> str:
        """Make another empty database.

        Returns:
            Its URL.
        """
        self._made += 1
        name = f"extra{self._made}"
        self.ask(f"CREATE DATABASE {name}")
        return self._url(name)

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement outside of any transaction, as the administrator."""
        import psycopg

        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return list(cursor.fetchall()) if cursor.description else []

    def kill_connections(self) -> int:
        """Cut every connection of every database, as an administrator would; new ones are welcome.

        Returns:
            How many there were.
        """
        killed = self.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return len(killed)

    def halt(self) -> None:
        """End the server at once, as a power cut would: no connection hears a word."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)

    def begin(self) -> None:
        """Start it again on the same port, with what it had."""
        self.process = _launch(self.data, self.port, self.log_file)

    def restart(self) -> None:
        """End it at once and start it again; returns when it answers."""
        self.halt()
        self.begin()

    def stop(self) -> None:
        """End the server and remove its data."""
        atexit.unregister(self.stop)
        self.halt()
        shutil.rmtree(self.data, ignore_errors=True)

    def _url(self, name: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"


def start_postgres(folder: Path) -> Postgres:
    """Start a server with one empty database.

    Args:
        folder: For its log, and for its data unless the tests run as root: PostgreSQL refuses to, and the
            unprivileged user it runs as then may not be able to reach the folder.

    Raises:
        RuntimeError: It did not come up; with what it said.
    """
    programs = _programs()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    folder.mkdir(parents=True, exist_ok=True)
    data = _data_folder(folder)
    _run(
        [
            programs / "initdb",
            "--auth=trust",
            f"--username={_USER}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            data,
        ]
    )
    with (data / "postgresql.conf").open("a", encoding="utf-8") as stream:
        stream.writelines(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())
    log_file, port = folder / "postgres.log", _free_port()
    server = Postgres(port, data, log_file, _launch(data, port, log_file))
    # A test run that ends early must not leave a server behind.
    atexit.register(server.stop)
    server.ask("CREATE DATABASE studio")
    return server


def _programs() -> Path | None:
    """The folder of the newest server programs, on the PATH or where Debian puts them."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = [path.parent for path in _DEBIAN.glob("*/bin/initdb")]
    return max(versions, key=lambda path: float(path.parent.name), default=None)


def _data_folder(folder: Path) -> Path:
    if os.geteuid() != 0:
        return folder / "postgres"
    path = Path(tempfile.mkdtemp(prefix="postgres-"))
    somebody = _somebody()
    os.chown(path, somebody.pw_uid, somebody.pw_gid)
    return path


def _somebody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _as_whom() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    somebody = _somebody()
    return {"user": somebody.pw_uid, "group": somebody.pw_gid, "extra_groups": []}


def _run(command: list[Path | str]) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd="/", check=False, **_as_whom()
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _launch(data: Path, port: int, log_file: Path) -> subprocess.Popen[bytes]:
    programs = _programs()
    assert programs is not None
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            **_as_whom(),
        )
    _wait(process, port, log_file)
    return process


def _wait(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    import psycopg

    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            psycopg.connect(f"postgresql://{_USER}@127.0.0.1:{port}/postgres", connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                said = log_file.read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not come up:\n{said}") from error
        time.sleep(0.05)
