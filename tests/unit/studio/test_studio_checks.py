"""`studio check` finds what keeps a studio from working."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr

from studio import checks
from studio.checks import Finding, check_studio
from studio.cli import main
from studio.core import Studio
from studio.data import Flag, Worker
from studio.service_settings import StudioSettings

Opened = Callable[..., Studio]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    for name in [name for name in os.environ if name.startswith("SDWEBUI_")]:
        monkeypatch.delenv(name)
    made: list[Studio] = []

    def open_it(**given: Any) -> Studio:
        made.append(Studio.open(StudioSettings(data_dir=tmp_path / "data", **given)))
        return made[-1]

    yield open_it
    for studio in made:
        studio.close()


def of(studio: Studio, what: str) -> list[Finding]:
    return [one for one in check_studio(studio) if one.what == what]


def verdicts(studio: Studio, what: str) -> list[str]:
    return [one.verdict for one in of(studio, what)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_new_studio_has_doubts_and_nothing_bad(opened: Opened) -> None:
    found = list(check_studio(opened()))
    assert "bad" not in {one.verdict for one in found}
    assert all(one.hint for one in found if one.verdict == "doubt")
    assert {one.what for one in found} == {
        *(
            "data directory",
            "secret",
            "address",
            "database",
            "mail",
            "WebUIs",
            "workers",
            "metrics",
            "backup",
        ),
    }


def test_the_data_directory(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = opened()
    assert verdicts(studio, "data directory") == ["good"]
    studio.layout.root.chmod(0o755)
    assert verdicts(studio, "data directory") == ["doubt", "good"]
    studio.layout.root.chmod(0o700)
    monkeypatch.setattr(checks, "LOW_DISK_BYTES", 10**18)
    assert verdicts(studio, "data directory") == ["doubt"]

    def denied(self: Path, data: bytes) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", denied)
    assert verdicts(studio, "data directory") == ["bad"]


def test_the_secret(opened: Opened) -> None:
    studio = opened()
    assert verdicts(studio, "secret") == ["good"]
    (studio.layout.root / "secret.key").chmod(0o644)
    assert verdicts(studio, "secret") == ["bad"]
    assert verdicts(opened(secret=SecretStr("s" * 40)), "secret") == ["good"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["doubt"]),
        ({"public_url": "http://studio.example.org"}, ["doubt"]),
        ({"public_url": "http://127.0.0.1:8000"}, ["good"]),
        ({"public_url": "https://studio.example.org"}, ["good", "doubt"]),
        ({"public_url": "https://studio.example.org", "trusted_proxies": "127.0.0.1"}, ["good"]),
    ],
)
def test_the_address(opened: Opened, given: dict[str, Any], expected: list[str]) -> None:
    assert verdicts(opened(**given), "address") == expected


def test_a_database_that_does_not_answer(opened: Opened) -> None:
    studio = opened()
    url = f"postgresql://studio:hush@127.0.0.1:{free_port()}/studio"
    gone = Studio.open(
        StudioSettings(data_dir=studio.layout.root, database_url=SecretStr(url)), migrate=False
    )
    try:
        (found,) = of(gone, "database")
    finally:
        gone.close()
    assert found.verdict == "bad"
    assert "hush" not in found.said + found.hint


def test_a_database_of_another_version(opened: Opened) -> None:
    studio = opened()
    with studio.db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    (found,) = of(studio, "database")
    assert found.verdict == "bad"
    assert "0000" in found.said


class Nothing:
    """Takes no mail: only signing in and out is tried."""


@pytest.fixture
def mail_server() -> Iterator[int]:
    controller = Controller(Nothing(), hostname="127.0.0.1", port=free_port())
    controller.start()
    yield int(controller.port)
    controller.stop()


def test_a_mail_server_that_answers(opened: Opened, mail_server: int) -> None:
    settings = {"smtp_host": "127.0.0.1", "smtp_port": mail_server, "smtp_security": "none"}
    (found,) = of(opened(**settings), "mail")
    assert (found.verdict, str(mail_server) in found.said) == ("good", True)


@pytest.mark.parametrize(
    "given",
    [
        {"smtp_security": "starttls"},
        {"smtp_security": "none", "smtp_username": "me", "smtp_password": SecretStr("hush")},
        {"smtp_security": "none", "smtp_username": "me"},
        {"smtp_security": "none", "mail_from": "nobody"},
    ],
)
def test_a_mail_server_that_will_not_do(opened: Opened, mail_server: int, given: dict[str, Any]) -> None:
    (found,) = of(opened(smtp_host="127.0.0.1", smtp_port=mail_server, **given), "mail")
    assert found.verdict == "bad"
    assert found.hint
    assert "hush" not in found.said


def test_a_mail_server_that_is_not_there(opened: Opened) -> None:
    (found,) = of(opened(smtp_host="127.0.0.1", smtp_port=free_port(), smtp_security="none"), "mail")
    assert found.verdict == "bad"


def test_webuis(opened: Opened) -> None:
    from sdwebui_client.sandbox import SandboxServer, SandboxSettings

    studio = opened()
    models = studio.layout.sandbox_models
    models.mkdir(parents=True)
    with SandboxServer(SandboxSettings(models_dir=models, seconds_per_step=0.0)) as server:
        gone = f"http://me:hush@127.0.0.1:{free_port()}"
        good, bad = of(opened(url=f"{server.url}, {gone}"), "WebUIs")
    assert (good.verdict, bad.verdict) == ("good", "bad")
    assert "a1111" in good.said.lower()
    assert "hush" not in bad.said + bad.hint
    assert verdicts(studio, "WebUIs") == ["doubt"]
    assert verdicts(opened(url="sandbox"), "WebUIs") == ["doubt"]


def test_workers(opened: Opened) -> None:
    studio = opened()
    common = {"host": "h", "pid": 1}
    with studio.db.session() as db:
        db.add(Worker(id="a", role="generate", version="1", **common))
        db.add(Worker(id="b", role="all", version="1", heartbeat_at=time.time() - 999, **common))
    said = [one.said for one in of(studio, "workers")]
    assert any("b on h was not heard" in text for text in said)
    assert any("No worker of role train" in text for text in said)
    assert not any("role generate" in text for text in said)
    with studio.db.session() as db:
        db.add(Worker(id="c", role="train", version="2", **common))
    said = [one.said for one in of(studio, "workers")]
    assert not any("No worker of role" in text for text in said)
    assert any("different versions: 1, 2" in text for text in said)


def test_metrics_and_backup(opened: Opened) -> None:
    assert verdicts(opened(), "metrics") == ["good"]
    assert verdicts(opened(metrics_token=SecretStr("short")), "metrics") == ["doubt"]
    studio = opened(metrics_token=SecretStr("t" * 32))
    assert verdicts(studio, "metrics") == ["good"]
    assert verdicts(studio, "backup") == ["doubt"]
    with studio.db.session() as db:
        db.add(Flag(key="backup"))
    assert verdicts(studio, "backup") == []
    with studio.db.session() as db:
        db.merge(Flag(key="backup", at=1.0))
    assert verdicts(studio, "backup") == ["doubt"]


def test_the_c2pa_files(opened: Opened, tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text("x")
    assert verdicts(opened(), "C2PA") == []
    assert verdicts(opened(c2pa_cert_file=cert), "C2PA") == ["good", "bad"]
    assert verdicts(opened(c2pa_cert_file=cert, c2pa_key_file=tmp_path / "no"), "C2PA") == ["good", "bad"]
    assert verdicts(opened(c2pa_cert_file=cert, c2pa_key_file=cert), "C2PA") == ["good", "good"]


def test_the_command(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    studio = opened()
    monkeypatch.setenv("SDWEBUI_DATA_DIR", str(studio.layout.root))
    assert main(["studio", "check"]) == 0
    assert "data directory" in capsys.readouterr().out
    monkeypatch.setenv("SDWEBUI_SMTP_HOST", "mail.example.org")
    monkeypatch.setenv("SDWEBUI_SMTP_SECURITY", "none")
    assert main(["studio", "check", "--json"]) == 3
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mail"]["verdict"] == "bad"
