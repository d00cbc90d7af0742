from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stubs.sshd import Sshd, make_key, start_sshd
from train_lora._ssh_names import resolve
from train_lora.ssh import (
    HostKeyError,
    SshAuth,
    SshConnection,
    SshError,
    SshLost,
    parse_ssh_url,
)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An ~/.ssh with nothing in it."""
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh"


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def let_in(sshd: Sshd) -> SshAuth:
    return SshAuth.from_env(sshd.env)


def connection(sshd: Sshd, auth: SshAuth | None = None, *, host: str | None = None) -> SshConnection:
    url = sshd.url("/tmp", "ssh")
    return SshConnection(parse_ssh_url(url.replace("127.0.0.1", host) if host else url), auth or let_in(sshd))


def test_a_command_runs_and_its_arguments_stay_whole(sshd: Sshd) -> None:
    odd = "a b; $(c) 'd' 한"
    with connection(sshd) as ssh:
        done = ssh.run(["sh", "-c", 'printf %s "$1"; cat; echo no >&2; exit 3', "sh", odd], stdin=b"<in>")
    assert (done.returncode, done.stdout.decode(), done.stderr) == (3, f"{odd}<in>", b"no\n")


def test_much_on_both_streams_does_not_block(sshd: Sshd) -> None:
    script = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero"
    with connection(sshd) as ssh:
        done = ssh.run(["sh", "-c", script], stdin=b"x" * 100_000)
    assert (len(done.stdout), len(done.stderr)) == (3_000_000, 3_000_000)


def test_a_command_that_takes_too_long_is_said(sshd: Sshd) -> None:
    with connection(sshd) as ssh:
        with pytest.raises(SshError, match=r"did not end within 0\.2 s"):
            ssh.run(["sleep", "20"], timeout_s=0.2)
        assert ssh.run(["true"]).returncode == 0


def test_what_was_started_outlives_the_connection(sshd: Sshd, tmp_path: Path) -> None:
    done = tmp_path / "done"
    with connection(sshd) as ssh:
        pid = ssh.start(["sh", "-c", 'sleep 0.5; echo "$$ $1" > "$2"', "sh", "a b", str(done)])
        assert sshd.drop_connections() > 0
    deadline = time.monotonic() + 10
    while not (done.exists() and done.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done.read_text() == f"{pid} a b\n"


def test_a_program_that_is_not_there_cannot_be_started(sshd: Sshd) -> None:
    with connection(sshd) as ssh, pytest.raises(SshError, match="no such program: nonsense"):
        ssh.start(["nonsense", "-x"])


def test_a_dropped_connection_is_said_and_can_be_made_again(sshd: Sshd) -> None:
    with connection(sshd) as ssh:
        ssh.sftp()
        sshd.drop_connections()
        with pytest.raises(SshLost, match="was lost"), ssh.guarded():
            ssh.sftp().listdir("/")
        with pytest.raises(SshLost):
            ssh.run(["true"])
        ssh.open()
        assert ssh.run(["true"]).returncode == 0
        assert ssh.sftp().listdir("/")


def test_garbage_instead_of_an_answer_is_a_lost_connection(sshd: Sshd) -> None:
    import paramiko

    with connection(sshd) as ssh:
        with pytest.raises(SshLost), ssh.guarded():
            raise paramiko.SFTPError("Garbage packet received")
        assert not ssh.alive


def test_an_error_about_a_file_is_no_lost_connection(sshd: Sshd) -> None:
    with connection(sshd) as ssh:
        with pytest.raises(FileNotFoundError), ssh.guarded():
            ssh.sftp().stat("/nowhere/at/all")
        assert ssh.alive


def test_an_unknown_host_is_refused_with_its_fingerprint(sshd: Sshd, empty: Path) -> None:
    known = empty / "known hosts"
    auth = SshAuth(key_file=sshd.key, known_hosts=known)
    with pytest.raises(HostKeyError) as caught:
        connection(sshd, auth).open()
    printed = subprocess.run(
        ["ssh-keygen", "-lf", str(sshd.folder / "host_key.pub")], capture_output=True, text=True, check=True
    )
    assert printed.stdout.split()[1] in caught.value.message
    assert f"ssh-keyscan -p {sshd.port} 127.0.0.1 >> '{known}'" in caught.value.hint
    assert not known.exists()


def test_following_the_advice_lets_it_in(sshd: Sshd, empty: Path) -> None:
    known = empty / "known_hosts"
    scanned = subprocess.run(
        ["ssh-keyscan", "-p", str(sshd.port), "127.0.0.1"], capture_output=True, text=True, check=True
    )
    known.write_text("# a comment\n\n@revoked * ssh-ed25519 AAAA\nnonsense\n" + scanned.stdout)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=False, capture_output=True)
    with connection(sshd, SshAuth(key_file=sshd.key, known_hosts=known)) as ssh:
        assert ssh.alive


def test_a_changed_host_key_is_refused_loudly(sshd: Sshd, empty: Path) -> None:
    make_key(empty / "another")
    other = " ".join((empty / "another.pub").read_text().split()[:2])
    (empty / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {other}\n")
    with pytest.raises(HostKeyError, match="HAS CHANGED") as caught:
        connection(sshd, SshAuth(key_file=sshd.key, known_hosts=empty / "known_hosts")).open()
    assert caught.value.message.count("SHA256:") == 2
    assert "ssh-keygen -R" in caught.value.hint


def test_a_second_key_on_record_is_as_good(sshd: Sshd, empty: Path) -> None:
    make_key(empty / "another")
    other = " ".join((empty / "another.pub").read_text().split()[:2])
    (empty / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {other}\n{sshd.known_hosts.read_text()}")
    with connection(sshd, SshAuth(key_file=sshd.key, known_hosts=empty / "known_hosts")) as ssh:
        assert ssh.alive


def test_a_key_the_host_does_not_know_is_named(sshd: Sshd, empty: Path) -> None:
    make_key(empty / "stranger")
    with pytest.raises(SshError, match=r"does not let .* in with .*stranger") as caught:
        connection(sshd, SshAuth(key_file=empty / "stranger", known_hosts=sshd.known_hosts)).open()
    assert "ssh-copy-id" in caught.value.hint


def test_a_key_behind_a_passphrase_needs_an_agent(sshd: Sshd, empty: Path) -> None:
    make_key(empty / "locked", passphrase="hunter2")
    with pytest.raises(SshError, match="locked by a passphrase") as caught:
        connection(sshd, SshAuth(key_file=empty / "locked", known_hosts=sshd.known_hosts)).open()
    assert "ssh-add" in caught.value.hint


def test_an_agent_opens_a_locked_key(
    sshd: Sshd, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["cp", str(sshd.key), str(empty / "locked")], check=True)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "hunter2", "-f", str(empty / "locked")], check=True)
    agent_socket = Path(f"/tmp/agent.{tmp_path.name[-20:]}.{time.monotonic_ns()}")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(agent_socket)], stdout=subprocess.DEVNULL)
    try:
        while not agent_socket.exists() and agent.poll() is None:
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent_socket))
        subprocess.run(["ssh-add", "-q", str(sshd.key)], check=True)
        for auth in (
            SshAuth(key_file=empty / "locked", known_hosts=sshd.known_hosts),
            SshAuth(known_hosts=sshd.known_hosts, folder=empty / "nothing here"),
        ):
            with connection(sshd, auth) as ssh:
                assert ssh.alive
    finally:
        agent.terminate()
        agent.wait()
        agent_socket.unlink(missing_ok=True)


def test_no_key_at_all_is_said(sshd: Sshd, empty: Path) -> None:
    with pytest.raises(SshError, match="no key to log in"):
        connection(sshd, SshAuth(known_hosts=sshd.known_hosts, folder=empty)).open()


@pytest.mark.parametrize(("text", "match"), [(None, "no key file"), ("no key", "no private key")])
def test_a_key_file_that_is_none(sshd: Sshd, empty: Path, text: str | None, match: str) -> None:
    if text is not None:
        (empty / "key").write_text(text)
    with pytest.raises(SshError, match=match):
        connection(sshd, SshAuth(key_file=empty / "key", known_hosts=sshd.known_hosts)).open()


def test_an_alias_of_the_config_is_understood(sshd: Sshd, empty: Path) -> None:
    (empty / "config").write_text(
        f"Host gpu\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {sshd.user}\n  IdentityFile {sshd.key}\n"
    )
    with SshConnection(parse_ssh_url("ssh://gpu"), SshAuth(None, sshd.known_hosts, empty)) as ssh:
        assert ssh.run(["true"]).returncode == 0


def test_a_jump_host_is_said_to_be_out_of_reach(empty: Path) -> None:
    (empty / "config").write_text("Host gpu\n  ProxyJump bastion\n")
    with pytest.raises(SshError, match="through ProxyJump") as caught:
        SshConnection(parse_ssh_url("ssh://gpu"), SshAuth(folder=empty)).open()
    assert "ssh -N -L" in caught.value.hint


def test_a_name_nobody_knows(empty: Path) -> None:
    with pytest.raises(SshError, match=r"No machine of the name nowhere\.invalid"):
        SshConnection(parse_ssh_url("ssh://nowhere.invalid"), SshAuth(folder=empty)).open()


def test_a_port_nobody_listens_at(empty: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(SshError, match=f"Nothing listens at 127.0.0.1:{port}"):
            SshConnection(parse_ssh_url(f"ssh://127.0.0.1:{port}"), SshAuth(folder=empty)).open()


@pytest.mark.parametrize("says", [b"HTTP/1.0 400 Bad Request\r\n\r\n", None])
def test_a_port_where_something_else_listens(says: bytes | None, empty: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                if says:
                    client.sendall(says)
                    return
                while client.recv(1024):  # silent for as long as the client waits
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"ssh://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SshError, match="not as an SSH server"):
            SshConnection(parse_ssh_url(url), SshAuth(folder=empty), timeout_s=0.5).open()
        thread.join(5)


def test_without_paramiko_the_command_is_named(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(SshError, match="paramiko") as caught:
        SshConnection(parse_ssh_url("ssh://gpu"), SshAuth(folder=empty)).open()
    assert caught.value.hint == 'pip install -e ".[remote]"'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sftp://me@gpu:2222/srv/models", ("gpu", "me", 2222, "/srv/models")),
        ("ssh://gpu", ("gpu", None, None, "/")),
        ("ssh://gpu/~/sd-scripts", ("gpu", None, None, "~/sd-scripts")),
        ("sftp://a%40b@[::1]:22/with%20space", ("::1", "a@b", 22, "/with space")),
    ],
)
def test_addresses(text: str, parts: tuple[object, ...]) -> None:
    target = parse_ssh_url(text)
    assert (target.host, target.user, target.port, target.path) == parts
    assert parse_ssh_url(str(target)) == target


def test_what_stands_behind_the_question_mark() -> None:
    target = parse_ssh_url("ssh://gpu/x?python=/venv/bin/python&jobs=~/jobs")
    assert target.query == {"python": "/venv/bin/python", "jobs": "~/jobs"}


@pytest.mark.parametrize(
    "text",
    [
        "sftp://me:hunter2@gpu/x", "ssh://me:hunter2@", "sftp:me:hunter2@gpu", "http://me:hunter2@gpu/",
        "sftp://me:hun/hunter2@gpu/x", "sftp://me:22/hunter2@gpu/x", "sftp://me:hunter2\u2488@gpu/x",
        "ftp://gpu/x?key=hunter2", "sftp://me:a?hunter2@gpu", "sftp://me:hunter2@[gpu/x",
    ],
)  # fmt: skip
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SshError) as caught:
        parse_ssh_url(text)
    assert "hunter2" not in str(caught.value)


def test_paths_with_a_plus_or_an_ampersand_stay_what_they_are() -> None:
    target = parse_ssh_url("ssh://gpu/x?base_model=/m/a+b.safetensors&jobs=/a%26b%20c")
    assert target.query == {"base_model": "/m/a+b.safetensors", "jobs": "/a&b c"}
    assert parse_ssh_url(str(target)) == target
    with pytest.raises(SshError, match="twice"):
        parse_ssh_url("ssh://gpu/x?python=/a&python=/b")


def test_an_alias_keeps_its_capitals_and_known_hosts_has_none(empty: Path) -> None:
    (empty / "config").write_text("Host GPU\n  HostName Real.Example\n  User me\n")
    end = resolve(parse_ssh_url("ssh://GPU/x"), SshAuth(folder=empty))
    assert (end.host, end.user, end.known_as) == ("Real.Example", "me", "real.example")


def test_keys_do_not_stand_in_a_representation(tmp_path: Path) -> None:
    assert "secret-key" not in repr(SshAuth(key_file=tmp_path / "secret-key"))


def test_a_user_without_a_name_has_to_be_named(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", unknown)
    with pytest.raises(SshError, match="no name"):
        resolve(parse_ssh_url("ssh://gpu/x"), SshAuth(folder=empty))
    assert resolve(parse_ssh_url("ssh://me@gpu/x"), SshAuth(folder=empty)).user == "me"


@pytest.mark.parametrize(
    "text",
    ["", "gpu", "ftp://gpu/x", "ssh:///x", "ssh://gpu:0", "ssh://gpu:x", "ssh://-oX/", "ssh://[::1/x",
     "ssh://-oProxyCommand=x@gpu/", "ssh://gpu/a\nb", "ssh://gpu/a%0ab", "ssh://a%1b%5b2Jb@gpu/x", "ssh://gpu/a%00"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(SshError):
        parse_ssh_url(text)
