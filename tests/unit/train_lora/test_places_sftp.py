"""What goes wrong between here and a real sshd."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stubs.cut import Cable
from tests.stubs.sshd import Sshd, start_sshd
from train_lora.errors import HostKeyError, PublishError, SshLost
from train_lora.places import open_place
from train_lora.places.sftp import SftpPlace
from train_lora.ssh import SshAuth, parse_ssh_url

MB = 1_000_000


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    return tmp_path / "models"


@contextmanager
def server(folder: Path, *extra: str, file_limit: int | None = None) -> Iterator[Sshd]:
    running = start_sshd(folder, extra=extra, file_limit=file_limit)
    try:
        yield running
    finally:
        running.stop()


def through(cable: Cable, sshd: Sshd, folder: Path) -> SshAuth:
    """A login that knows the host at the cable's end, too."""
    known = folder / "known_hosts"
    known.write_text(sshd.known_hosts.read_text().replace(f":{sshd.port} ", f":{cable.port} "))
    return SshAuth(sshd.key, known)


def make(folder: Path, size: int) -> tuple[Path, str]:
    (folder / "source").write_bytes(data := os.urandom(size))
    return folder / "source", hashlib.sha256(data).hexdigest()


def names(models: Path) -> list[str]:
    return sorted(path.name for path in (models / "Lora").iterdir())


@pytest.mark.slow
def test_an_upload_that_was_cut_is_made_again(sshd: Sshd, models: Path, tmp_path: Path) -> None:
    source, sha256 = make(tmp_path, 4 * MB)
    with Cable(sshd.port, cuts=(2 * MB,)) as cable:
        auth, url = through(cable, sshd, tmp_path), sshd.url(models).replace(str(sshd.port), str(cable.port))
        with open_place(url, auth=auth) as place:
            place.put(source, "a.safetensors", replaces=False, sha256=sha256)
            assert place.sha256("a.safetensors") == sha256
        assert cable.connections > 1
    assert names(models) == ["a.safetensors"]


@pytest.mark.slow
def test_an_upload_that_is_cut_again_and_again_is_given_up(sshd: Sshd, models: Path, tmp_path: Path) -> None:
    source, sha256 = make(tmp_path, 4 * MB)
    with Cable(sshd.port, cuts=(MB, MB, MB, MB, MB)) as cable:
        auth, url = through(cable, sshd, tmp_path), sshd.url(models).replace(str(sshd.port), str(cable.port))
        with open_place(url, auth=auth) as place, pytest.raises(SshLost, match="was lost"):
            place.put(source, "a.safetensors", replaces=False, sha256=sha256)
    assert [name for name in names(models) if not name.endswith(".part")] == []


@pytest.mark.slow
def test_a_side_that_falls_silent_is_not_waited_for_without_end(
    sshd: Sshd, models: Path, tmp_path: Path
) -> None:
    source, sha256 = make(tmp_path, 8 * MB)
    with Cable(sshd.port, cuts=(MB,), mute=True) as cable:
        target = parse_ssh_url(sshd.url(models).replace(str(sshd.port), str(cable.port)))
        place = SftpPlace(target, through(cable, sshd, tmp_path), timeout_s=1)
        begin = time.monotonic()
        place.put(source, "a.safetensors", replaces=False, sha256=sha256)
        place.close()
        assert time.monotonic() - begin < 15
    assert names(models) == ["a.safetensors"]


def test_a_connection_that_was_dropped_between_two_steps_is_made_again(
    sshd: Sshd, models: Path, tmp_path: Path
) -> None:
    source, sha256 = make(tmp_path, 1000)
    with open_place(sshd.url(models), auth=SshAuth.from_env(sshd.env)) as place:
        place.put(source, "a.safetensors", replaces=False, sha256=sha256)
        sshd.drop_connections()
        time.sleep(0.2)
        assert place.sha256("a.safetensors") == sha256
        sshd.drop_connections()
        place.put(source, "b.safetensors", replaces=False, sha256=sha256)
    assert names(models) == ["a.safetensors", "b.safetensors"]


def test_a_full_disk_is_said_and_half_a_file_is_removed(models: Path, tmp_path: Path) -> None:
    source, sha256 = make(tmp_path, 3 * MB)
    with (
        server(tmp_path / "sshd", file_limit=MB) as sshd,
        open_place(sshd.url(models), auth=SshAuth.from_env(sshd.env)) as place,
        pytest.raises(PublishError, match=r"cannot be written: it kept only 1\.0 of 3\.0 MB") as caught,
    ):
        place.put(source, "a.safetensors", replaces=False, sha256=sha256)
    assert "free space" in caught.value.hint
    assert names(models) == []


def test_a_disk_with_too_little_room_is_told_in_numbers(
    sshd: Sshd, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, sha256 = make(tmp_path, 3 * MB)
    monkeypatch.setattr("train_lora.places._sftp_session.free_bytes", lambda sftp, path: MB)
    with (
        open_place(sshd.url(models), auth=SshAuth.from_env(sshd.env)) as place,
        pytest.raises(PublishError, match=r"the disk there is full \(1\.0 MB free, 3\.0 MB needed\)"),
    ):
        place.put(source, "a.safetensors", replaces=False, sha256=sha256)
    assert names(models) == []


def test_the_room_a_server_tells_is_the_disks(sshd: Sshd, models: Path) -> None:
    from train_lora.places._sftp_extensions import free_bytes
    from train_lora.ssh import SshConnection

    with SshConnection(parse_ssh_url(sshd.url(models)), SshAuth.from_env(sshd.env)) as ssh:
        told = free_bytes(ssh.sftp(), str(models))
    disk = os.statvfs(models)
    assert told is not None
    assert abs(told - disk.f_bavail * disk.f_frsize) < 2_000 * MB


def test_a_folder_that_may_not_be_written(models: Path, tmp_path: Path) -> None:
    source, sha256 = make(tmp_path, 1000)
    (models / "Lora" / "b.safetensors").write_bytes(b"1")
    with (
        server(tmp_path / "sshd", "ForceCommand internal-sftp -R") as sshd,
        open_place(sshd.url(models), auth=SshAuth.from_env(sshd.env)) as place,
    ):
        with pytest.raises(PublishError, match=f"cannot be written: {sshd.user} may not"):
            place.put(source, "a.safetensors", replaces=False, sha256=sha256)
        with pytest.raises(PublishError, match=f"cannot be removed: {sshd.user} may not"):
            place.remove("b.safetensors")
    assert names(models) == ["b.safetensors"]


def test_a_server_that_knows_no_extensions_will_do(models: Path, tmp_path: Path) -> None:
    source, sha256 = make(tmp_path, 1000)
    denied = "ForceCommand internal-sftp -P posix-rename,fsync,statvfs,setstat,fsetstat"
    with (
        server(tmp_path / "sshd", denied) as sshd,
        open_place(sshd.url(models), auth=SshAuth.from_env(sshd.env)) as place,
    ):
        place.put(source, "a.safetensors", replaces=False, sha256=sha256)
        newer, sha256 = make(tmp_path, 2000)
        place.put(newer, "a.safetensors", replaces=True, sha256=sha256)
        assert place.sha256("a.safetensors") == sha256
    assert names(models) == ["a.safetensors"]


def test_a_host_that_changed_gets_nothing(sshd: Sshd, models: Path, tmp_path: Path) -> None:
    with server(tmp_path / "impostor") as impostor:
        known = tmp_path / "known_hosts"
        known.write_text(sshd.known_hosts.read_text().replace(f":{sshd.port} ", f":{impostor.port} "))
        auth = SshAuth(impostor.key, known)
        with (
            pytest.raises(HostKeyError, match="HAS CHANGED"),
            open_place(impostor.url(models), auth=auth),
        ):
            pass
        assert "Accepted publickey" not in impostor.log


def test_home_is_the_other_machines(sshd: Sshd) -> None:
    with (
        pytest.raises(PublishError, match="is not there"),
        open_place(f"sftp://{sshd.host}:{sshd.port}/~/no such folder", auth=SshAuth.from_env(sshd.env)),
    ):
        pass
    with (
        pytest.raises(PublishError, match="only one's own"),
        open_place(f"sftp://{sshd.host}:{sshd.port}/~bob/models", auth=SshAuth.from_env(sshd.env)),
    ):
        pass


def test_links_to_folders_are_not_followed_and_links_to_files_are_seen(sshd: Sshd, models: Path) -> None:
    (models / "real.safetensors").write_bytes(b"12345")
    (models / "Lora" / "a.safetensors").symlink_to(models / "real.safetensors")
    (models / "Lora" / "round").symlink_to(models / "Lora")
    (models / "Lora" / "deep").mkdir()
    (models / "Lora" / "deep" / "A.pt").symlink_to(models / "gone")
    with open_place(sshd.url(models), auth=SshAuth.from_env(sshd.env)) as place:
        assert [(info.rel, info.size) for info in place.find("a")] == [
            ("a.safetensors", 5),
            ("deep/A.pt", -1),
        ]


@pytest.mark.slow
def test_forty_megabytes(sshd: Sshd, models: Path, tmp_path: Path) -> None:
    source, sha256 = make(tmp_path, 40 * MB)
    with open_place(sshd.url(models), auth=SshAuth.from_env(sshd.env)) as place:
        begin = time.monotonic()
        place.put(source, "a.safetensors", replaces=False, sha256=sha256)
        print(f"40 MB in {time.monotonic() - begin:.2f} s, compared")  # noqa: T201 (seen with -rP)
    assert (models / "Lora" / "a.safetensors").stat().st_size == 40 * MB
