"""A job folder on another machine, over a real sshd on this one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stubs.sshd import Sshd, start_sshd
from train_lora import ArtifactError, Dataset, DatasetItem, TrainError
from train_lora.backends.kohya.remote_files import download
from train_lora.backends.kohya.remote_host import LOGS, SshHost
from train_lora.backends.kohya.remote_link import FOUND, LOST, Link, Patience
from train_lora.backends.kohya.remote_setup import RemoteSetup, locate
from train_lora.ssh import SshAuth, SshTarget, parse_ssh_url

QUICK = Patience(first_wait_s=0.05, longest_wait_s=0.2)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def link(sshd: Sshd, notes: list[str]) -> Iterator[Link]:
    one = _link(sshd, notes)
    yield one
    one.close()


def _link(sshd: Sshd, notes: list[str]) -> Link:
    target = parse_ssh_url(sshd.url("/", "ssh"))
    return Link(target, SshAuth.from_env(sshd.env), patience=QUICK, on_note=notes.append)


@pytest.fixture
def host(link: Link, notes: list[str], tmp_path: Path) -> SshHost:
    return _host(link, notes, tmp_path, "a")


def _host(link: Link, notes: list[str], tmp_path: Path, client: str) -> SshHost:
    return SshHost(
        link, sys.executable, f"{tmp_path}/jobs/job-{'1' * 24}",
        client=client, label=f"{client}@home", parts=tmp_path / "parts", on_note=notes.append, poll_s=0.05,
    )  # fmt: skip


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    folder = tmp_path / "dataset"
    (folder / "reg").mkdir(parents=True)
    items = []
    for name, data in (("001.png", b"face" * 1000), ("002.png", b"other" * 1000)):
        (folder / name).write_bytes(data)
        (folder / name).with_suffix(".txt").write_text("ohwx person\n")
        sha256 = hashlib.sha256(data).hexdigest()
        items.append(
            DatasetItem(
                image=name, caption="ohwx person", sha256=sha256, source_sha256=sha256, width=512, height=512
            )
        )
    (folder / "reg" / "1.png").write_bytes(b"somebody")
    (folder / "reg" / "1.txt").write_text("person")
    (folder / "001_0512x0512_sd.npz").write_bytes(b"latents of a local training")
    return Dataset(folder, tuple(items), "m" * 64, "ohwx person", 512, regularisation=("reg/1.png",))


def spec(code: str) -> dict[str, Any]:
    return {
        "argv": [sys.executable, "-c", code],
        "cwd": "/",
        "env": {},
        "unset": [],
        "time_limit_s": 60,
        "stall_limit_s": 60,
    }


def wait_for(host: SshHost, *states: str) -> dict[str, Any]:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        status = host.status()
        if status is not None and status["state"] in states:
            return status
        time.sleep(0.05)
    raise AssertionError(f"never {states}: {host.status()}")


def test_the_pictures_arrive_whole_for_their_owner_alone_and_once(host: SshHost, dataset: Dataset) -> None:
    host.prepare(dataset)
    there = Path(host.dataset_dir)
    names = {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()}
    assert names == {"001.png", "001.txt", "002.png", "002.txt", "reg/1.png", "reg/1.txt"}
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in there.parent.rglob("*"))
    before = {path: path.stat().st_ino for path in there.rglob("*.png")}
    (there / "002.png").write_bytes(b"cut sho")
    host.prepare(dataset)
    after = {path: path.stat().st_ino for path in there.rglob("*.png")}
    assert [path.name for path in after if after[path] != before[path]] == ["002.png"]


def test_a_picture_that_changed_here_is_not_sent(host: SshHost, dataset: Dataset) -> None:
    (dataset.dir / "002.png").write_bytes(b"somebody else")
    with pytest.raises(TrainError, match=r"002\.png is gone, or has changed"):
        host.prepare(dataset)
    assert not Path(host.dataset_dir).exists()


def test_a_training_is_started_followed_and_ended(host: SshHost, dataset: Dataset) -> None:
    host.prepare(dataset)
    assert host.status() is None
    assert host.read_log("stdout.log", 0) == b""
    host.put_file("train.toml", b"x = 1\n")
    assert host.read_file("train.toml") == b"x = 1\n"
    assert host.read_file("nothing") is None
    code = (
        "import os, time; open('{0}/out/a.txt', 'w').write('1'); print('hello', flush=True); time.sleep(60)"
    )
    host.start(spec(code.format(host.job_dir)))
    wait_for(host, "running")
    until = time.monotonic() + 10
    while host.read_log("stdout.log", 0) != b"hello\n" and time.monotonic() < until:
        time.sleep(0.05)
    assert host.read_log("stdout.log", 3) == b"lo\n"
    assert [(file.rel, file.bytes) for file in host.list_out()] == [("a.txt", 1)]
    host.stop()
    status = wait_for(host, "killed")
    assert status["reason"] == "cancelled"
    host.settle(lambda: ())
    assert list(Path(host.job_dir).parent.iterdir()) == []


def test_a_long_log_comes_in_large_pieces_and_its_end_alone(host: SshHost, tmp_path: Path) -> None:
    Path(host.job_dir).mkdir(parents=True)
    whole = b"".join(b"%07d\n" % number for number in range(200_000))
    Path(host.job_dir, "stdout.log").write_bytes(whole)
    found, calls = b"", 0
    while data := host.read_log("stdout.log", len(found)):
        found, calls = found + data, calls + 1
    assert found == whole
    assert calls <= 3
    assert host.log_tail("stdout.log", 16) == b"0199998\n0199999\n"
    assert host.log_tail("stderr.log", 16) == b""


def test_a_dropped_connection_is_a_note(
    host: SshHost, link: Link, dataset: Dataset, sshd: Sshd, notes: list[str]
) -> None:
    host.prepare(dataset)
    host.start(spec("import time; time.sleep(1); print('still here')"))
    assert sshd.drop_connections() > 0
    assert wait_for(host, "exited")["exit_code"] == 0
    assert host.read_log("stdout.log", 0) == b"still here\n"
    assert [note for note in notes if note in (LOST, FOUND)] == [LOST, FOUND]


def test_a_supervisor_that_was_killed_is_told(host: SshHost, dataset: Dataset) -> None:
    host.prepare(dataset)
    host.start(spec("import time; time.sleep(60)"))
    status = wait_for(host, "running")
    os.kill(status["supervisor_pid"], signal.SIGKILL)
    assert wait_for(host, "killed")["reason"] == "supervisor gone"


def test_a_trainer_that_cannot_be_run_is_told(host: SshHost, dataset: Dataset) -> None:
    host.prepare(dataset)
    host.start({**spec(""), "argv": ["/no/such/python"]})
    assert "cannot start" in wait_for(host, "exited")["reason"]


def test_a_follower_starts_nothing_and_the_leader_waits_for_it(
    sshd: Sshd, host: SshHost, dataset: Dataset, notes: list[str], tmp_path: Path
) -> None:
    host.prepare(dataset)
    host.start(spec("print('one')"))
    theirs: list[str] = []
    link = _link(sshd, theirs)
    other = _host(link, theirs, tmp_path, "b")
    other.prepare(dataset)
    assert theirs == ["a@home started this very training: following it"]
    wait_for(other, "exited")
    other.put_file("train.toml", b"b was here")
    assert other.read_file("train.toml") is None
    other.settle(lambda: ())
    assert Path(host.job_dir).is_dir()
    host.settle(lambda: ())
    assert not Path(host.job_dir).exists()
    link.close()


def test_a_follower_takes_over_from_a_leader_that_left(
    sshd: Sshd, host: SshHost, dataset: Dataset, tmp_path: Path
) -> None:
    host.prepare(dataset)
    theirs: list[str] = []
    link = _link(sshd, theirs)
    other = _host(link, theirs, tmp_path, "b")
    other._claim()
    other.put_file("train.toml", b"b was here")
    assert host.read_file("train.toml") is None
    host._side("leave", client="a")
    other.start(spec("print('two')"))
    assert other.read_file("train.toml") == b"b was here"
    wait_for(other, "exited")
    assert other.read_log("stdout.log", 0) == b"two\n"
    link.close()


def test_of_a_failed_training_the_logs_stay_and_the_photos_go(host: SshHost, dataset: Dataset) -> None:
    host.prepare(dataset)
    host.put_file("dataset.toml", b"caption = 'ohwx'")
    host.start(spec("raise SystemExit('no')"))
    wait_for(host, "exited")
    host.settle(lambda: LOGS)
    kept = {path.name for path in Path(host.job_dir).iterdir()}
    assert kept == set(LOGS)


# ---- bringing files here


def fetch(link: Link, tmp_path: Path, on_moved: Callable[[int, int], None] = lambda done, size: None) -> None:
    download(
        link, sys.executable, str(tmp_path / "there"), tmp_path / "here",
        parts=tmp_path / "parts", on_moved=on_moved,
    )  # fmt: skip


def test_a_download_goes_on_where_it_was(link: Link, tmp_path: Path) -> None:
    data = bytes(range(256)) * 80_000
    (tmp_path / "there").write_bytes(data)
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / f"{hashlib.sha256(data).hexdigest()}.part").write_bytes(data[:15_000_000])
    moved: list[int] = []
    fetch(link, tmp_path, lambda done, size: moved.append(done))
    assert (tmp_path / "here").read_bytes() == data
    assert moved == [15_000_000, len(data)]
    assert list(parts.iterdir()) == []


def test_a_download_survives_dropped_connections(
    link: Link, sshd: Sshd, notes: list[str], tmp_path: Path
) -> None:
    data = bytes(range(256)) * 100_000
    (tmp_path / "there").write_bytes(data)
    dropped: list[int] = []

    def moved(done: int, size: int) -> None:
        if len(dropped) < 2:
            dropped.append(sshd.drop_connections())

    fetch(link, tmp_path, moved)
    assert (tmp_path / "here").read_bytes() == data
    assert len(dropped) == 2
    assert FOUND in notes


def test_what_an_earlier_call_left_damaged_is_fetched_anew(link: Link, tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000
    (tmp_path / "there").write_bytes(data)
    (tmp_path / "parts").mkdir()
    part = tmp_path / "parts" / f"{hashlib.sha256(data).hexdigest()}.part"
    part.write_bytes(b"x" * len(data))
    fetch(link, tmp_path)
    assert (tmp_path / "here").read_bytes() == data


def test_a_file_that_changes_on_its_way_is_refused(link: Link, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(bytes(9_000_000))

    def moved(done: int, size: int) -> None:
        with (tmp_path / "there").open("r+b") as stream:
            stream.seek(8_500_000)
            stream.write(os.urandom(8))

    with pytest.raises(ArtifactError, match="arrived twice as something else"):
        fetch(link, tmp_path, moved)
    assert not (tmp_path / "here").exists()


def test_a_file_that_is_not_there_is_told(link: Link, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="No such file"):
        fetch(link, tmp_path)


# ---- what is found on the host


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "my scripts"
    (folder / "venv" / "bin").mkdir(parents=True)
    (folder / "venv" / "bin" / "python").symlink_to(sys.executable)
    (folder / "train_network.py").touch()
    return folder


def _setup(path: Path | str, **query: str) -> RemoteSetup:
    return RemoteSetup.of(SshTarget("gpu", "me", None, str(path), query))


def test_the_checkouts_own_python_is_found(link: Link, checkout: Path) -> None:
    found = locate(link, _setup(checkout, base_model="~/a.safetensors"))
    assert found.python == f"{checkout}/venv/bin/python"
    assert found.sd_scripts == str(checkout)
    assert found.base_model == f"{Path.home()}/a.safetensors"
    assert found.tokenizers is None
    assert found.jobs == f"{Path.home()}/.sdwebui-jobs"


def test_a_path_that_looks_like_shell_is_a_path(link: Link, checkout: Path, tmp_path: Path) -> None:
    odd = tmp_path / 'a\'b $(touch oops) `x`; "q" %s'
    shutil.copytree(checkout, odd, symlinks=True)
    assert locate(link, _setup(odd)).sd_scripts == str(odd)


def test_what_is_missing_there_is_told_with_the_next_step(link: Link, checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"has no sd-scripts in .*/nowhere.*git clone --branch v"):
        locate(link, _setup(tmp_path / "nowhere"))
    with pytest.raises(TrainError, match=r"has no Python at /no/python.*\?python="):
        locate(link, _setup(checkout, python="/no/python"))
    (checkout / "venv" / "bin" / "python").unlink()
    with pytest.raises(TrainError, match=r"venv/bin/python or .*\.venv/bin/python"):
        locate(link, _setup(checkout))


def test_the_probe_is_answered_by_the_hosts_python(link: Link, tmp_path: Path) -> None:
    facts = link.probe(sys.executable, {"disk": str(tmp_path), "sd_scripts": str(tmp_path)})
    assert facts["platform"].startswith("Linux")
    assert facts["sd_scripts"]["exists"] is False
    assert json.dumps(facts)
    (tmp_path / "python").write_text("#!/bin/sh\necho not a python >&2\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(TrainError, match=r"ended with code 3 .*not a python"):
        link.probe(str(tmp_path / "python"), {})
