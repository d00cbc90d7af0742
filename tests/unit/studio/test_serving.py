"""The parts of `serve` and `worker` that need no running studio."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from studio.cli._options import WebUIOptions
from studio.cli.serve import _urls, _worker_args, serve
from studio.cli.worker import worker_name
from studio.connect import Target, parse_address
from studio.core import Studio
from studio.errors import BadInput
from studio.service_settings import StudioSettings
from studio.serving import address_of, alone, bind
from studio.settings import Settings
from tests.stubs.studios import make_studio

NOTHING = {
    "models_dir": None,
    "api_auth_file": None,
    "ca_file": None,
    "insecure": False,
    "trainer": None,
    "base_model": None,
}


def webui(*texts: str) -> WebUIOptions:
    """The options for these addresses."""
    return WebUIOptions(Settings(), Target(tuple(map(parse_address, texts)), "--webui"), None, verify=True)


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BadInput, match=f"127.0.0.1:{port}") as caught:
            bind("127.0.0.1", port)
    assert "--port" in caught.value.hint


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("localhost", "localhost")]
)
def test_the_address_is_one_a_browser_can_open(host: str, shown: str) -> None:
    with bind(host, 0) as listener:
        port = listener.getsockname()[1]
        assert address_of(listener, host) == f"http://{shown}:{port}"


def test_the_listener_is_not_inherited_by_workers() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert not listener.get_inheritable()


def test_credentials_of_a_webui_survive_the_way_to_the_worker() -> None:
    given = "http://us%40er:p%3Aa%2Fss@gpu:7860"
    (url,) = _urls(webui(given))
    assert parse_address(url) == parse_address(given)
    assert parse_address(url).password == "p:a/ss"


def test_no_credential_stands_in_a_workers_arguments(tmp_path: Path) -> None:
    args = _worker_args({**NOTHING, "api_auth_file": str(tmp_path / "auth"), "insecure": True})
    assert args == [
        "--role",
        "all",
        "--gpu",
        "local",
        "--api-auth-file",
        str(tmp_path / "auth"),
        "--insecure",
    ]


def test_a_workers_name_is_made_of_role_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu box/1")
    assert worker_name(None, "train") == "train-gpu-box-1"
    assert worker_name("gpu1", "train") == "gpu1"


@pytest.mark.parametrize("name", ["", " ", "a b", "../x", "-x", "x" * 65, "größe"])
def test_other_names_are_refused(name: str) -> None:
    if not name:
        assert worker_name(name, "all").startswith("all-")
        return
    with pytest.raises(BadInput, match="--name"):
        worker_name(name, "all")


@pytest.mark.parametrize(
    ("url", "stands_in"),
    [("", True), ("Sandbox", True), ("http://gpu:7860", False), ("sandbox http://gpu", False)],
)
def test_a_studio_whose_settings_name_no_webui_draws_stand_ins(
    tmp_path: Path, url: str, stands_in: bool
) -> None:
    studio = Studio.open(StudioSettings(data_dir=tmp_path, url=url))
    studio.close()
    assert studio.sandbox is stands_in


@pytest.mark.parametrize(
    ("args", "stands_in"),
    [
        (["--webui", "http://gpu:7860"], False),
        (["--webui", "sandbox"], True),
        (["--webui", "sandbox", "--no-worker"], False),
    ],
)
def test_the_pages_say_sandbox_only_where_it_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], stands_in: bool
) -> None:
    told: dict[str, object] = {}

    def noted(_settings: StudioSettings, **options: object) -> Studio:
        told.update(options)
        raise BadInput("opened")

    monkeypatch.setattr(Studio, "open", noted)
    monkeypatch.delenv("SDWEBUI_URL", raising=False)
    CliRunner().invoke(serve, [*args, "--port", "0", "--data-dir", str(tmp_path)], standalone_mode=False)
    assert told["sandbox"] is stands_in


def test_a_second_studio_with_a_worker_is_refused_and_a_page_alone_is_not(tmp_path: Path) -> None:
    studio = make_studio(tmp_path / "data")
    alone(studio, worker=True)
    with pytest.raises(BadInput, match=f"process {os.getpid()}") as caught:
        alone(studio, worker=True)
    assert "--no-worker" in caught.value.hint
    alone(studio, worker=False)
