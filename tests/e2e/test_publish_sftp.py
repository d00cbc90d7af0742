"""A WebUI whose models folder is reached by SFTP only: published, listed, used, deleted again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stubs.sshd import Sshd, start_sshd

from .conftest import ONE_SMALL_PORTRAIT, PHOTOS, cli, command, environment


@dataclass(frozen=True)
class Remote:
    """Another machine: a sandbox that works there, and an sshd."""

    webui: str
    models: Path
    sshd: Sshd
    photos: Path

    @property
    def models_url(self) -> str:
        return self.sshd.url(self.models)


@pytest.fixture(scope="module")
def remote(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    home = tmp_path_factory.mktemp("remote")
    (home / "models").mkdir()
    sshd = start_sshd(home / "sshd")
    # It names its folder as seen from where it runs, which says nothing to a client in another folder.
    args = ("sandbox", "--port", "0", "--models-dir", "models")
    with subprocess.Popen(
        command(*args),
        cwd=home,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[\d.]+:\d+", line)
        assert found, line + process.stdout.read()
        yield Remote(found.group(), home / "models", sshd, few)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    sshd.stop()


def profile(remote: Remote, cwd: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return cli(
        "make-profile", "--user", str(remote.photos), "--webui", remote.webui,
        "--models-dir", remote.models_url, "--out", "out", "--seed", "7", "--consent",
        *ONE_SMALL_PORTRAIT, *args,
        cwd=cwd, **(remote.sshd.env | env),
    )  # fmt: skip


@pytest.mark.long
def test_from_photos_to_a_portrait_and_back(remote: Remote, tmp_path: Path) -> None:
    done = profile(remote, tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert len(run["portraits"]) == 1
    (lora,) = (remote.models / "Lora").iterdir()
    assert lora.suffix == ".safetensors"
    assert f"published in {remote.models_url}" in done.stderr
    owner = json.loads((tmp_path / "out" / ".work" / "owner.json").read_text())
    assert owner["models_dirs"] == [remote.models_url]

    gone = cli("delete", "--out", "out", "--yes", "--json", cwd=tmp_path, **remote.sshd.env)
    assert gone.returncode == 0, gone.stderr
    receipt = json.loads(gone.stdout)
    assert receipt["loras"] == [f"{remote.models_url}/Lora/{lora.name}"]
    assert receipt["left"] == []
    assert list((remote.models / "Lora").iterdir()) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_unknown_host_ends_it_with_what_to_do(remote: Remote, tmp_path: Path) -> None:
    done = profile(remote, tmp_path, SDWEBUI_SSH_KNOWN_HOSTS=str(tmp_path / "known_hosts"))
    assert done.returncode == 3, done.stderr
    said = " ".join(done.stderr.split())
    assert "is not known" in said
    assert "SHA256:" in said
    assert "ssh-keyscan -p" in said
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_password_in_the_address_is_refused_before_anything_else(remote: Remote, tmp_path: Path) -> None:
    address = remote.models_url.replace("@", ":hunter2@")
    done = cli(
        "make-profile", "--user", str(PHOTOS), "--webui", remote.webui, "--models-dir", address, cwd=tmp_path
    )
    assert done.returncode == 2
    assert "password" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert not any(tmp_path.iterdir())
