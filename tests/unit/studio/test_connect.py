from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio import connect as module
from studio.connect import Address, Target, choose, connect, is_listening, parse_address
from studio.errors import BadInput
from studio.settings import DEFAULT_URL, Settings


@pytest.fixture
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_listening", lambda url: False)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://gpu:7860", "http://gpu:7860"),
        ("http://gpu:7860/", "http://gpu:7860"),
        ("https://example.org/webui/", "https://example.org/webui"),
        ("http://[::1]:7860", "http://[::1]:7860"),
    ],
)
def test_an_address(text: str, url: str) -> None:
    assert parse_address(text) == Address(url)


def test_credentials_are_taken_out_of_the_address() -> None:
    address = parse_address("http://me:p%40ss@gpu:7860")
    assert address == Address("http://gpu:7860", "me", "p@ss")
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("gpu:7860", "http://gpu:7860"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("ftp://gpu", "http://gpu"),
        ("http://", "For example"),
        ("http://gpu:99999", "For example"),
        ("http://gpu:abc", "For example"),
        ("http://a b", "For example"),
        ("http://gpu/?x=1", "http://gpu"),
        ("", "For example"),
    ],
)
def test_no_address_is_refused_with_what_was_meant(text: str, hint: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_address(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text", ["me:secret@gpu", "ftp://me:secret@gpu", "http://me:secret@gpu:abc", "http://me:secret@gpu/?x"]
)
def test_a_refused_address_does_not_show_its_password(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_address(text)
    assert "secret" not in caught.value.message + caught.value.hint


@pytest.mark.usefixtures("nobody_listens")
def test_nothing_named_and_nothing_there_means_the_sandbox() -> None:
    target = choose((), Settings())
    assert target == Target((), "")
    assert target.sandbox


def test_nothing_named_but_something_there_means_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_listening", lambda url: url == DEFAULT_URL)
    assert choose((), Settings()).addresses == (Address(DEFAULT_URL),)


@pytest.mark.usefixtures("nobody_listens")
def test_what_was_named_is_never_replaced_by_the_sandbox() -> None:
    assert not choose(("http://gpu:7860",), Settings()).sandbox
    assert not choose((), Settings(urls=("http://gpu:7860",))).sandbox


def test_the_command_line_wins_over_the_environment() -> None:
    target = choose(("http://a",), Settings(urls=("http://b",)))
    assert target == Target((Address("http://a"),), "--webui")


def test_the_sandbox_can_be_asked_for() -> None:
    assert choose(("sandbox",), Settings(urls=("http://b",))) == Target((), "--webui")
    assert choose((), Settings(urls=("Sandbox",))) == Target((), "SDWEBUI_URL")


def test_the_sandbox_beside_a_webui_is_refused() -> None:
    with pytest.raises(BadInput, match="sandbox and a real WebUI"):
        choose(("sandbox", "http://a"), Settings())


def test_the_same_address_twice_is_one_server() -> None:
    assert len(choose(("http://a/", "http://a", "http://b"), Settings()).addresses) == 2


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_listening_is_noticed(listener: int) -> None:
    assert is_listening(f"http://127.0.0.1:{listener}")


def test_a_closed_port_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not is_listening(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_the_sandbox_has_a_checkpoint_of_the_presets_family_loaded(family: str, tmp_path: Path) -> None:
    target = Target((), "--webui")
    with connect(target, Settings(), sandbox_models=tmp_path / "models", family=family) as connection:
        assert connection.sandbox
        assert connection.servers[0].capabilities().loaded_checkpoint.startswith(f"sandbox_{family}")
