"""Addresses, authentication, retries, and what becomes of everything that can go wrong on the way."""

from __future__ import annotations

import base64
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdwebui_client import (
    AuthError,
    ConnectFailed,
    InvalidRequest,
    NotFound,
    ServerError,
    Timeout,
    Timeouts,
    TransportError,
    UnexpectedResponse,
    WebUIError,
    _transport,
)
from sdwebui_client._transport import Transport, backoff_s, is_loopback, retry_after
from tests.stubs.webui import Reply, StubWebUI

URL = "http://gpu:7860"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_transport, "_FIRST_PAUSE_S", 0.001)


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def sent(wire: responses.RequestsMock, at: int = 0) -> requests.PreparedRequest:
    request: requests.PreparedRequest = wire.calls[at].request
    return request


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://gpu:7860", "http://gpu:7860"),
        ("http://gpu:7860/", "http://gpu:7860"),
        ("gpu:7860", "http://gpu:7860"),
        ("https://me:se%40cret@gpu/forge/", "https://gpu/forge"),
        ("http://[::1]:7860", "http://[::1]:7860"),
    ],
)
def test_addresses(url: str, shown: str) -> None:
    assert Transport(url).url == shown


@pytest.mark.parametrize("url", ["ftp://gpu", "http://", "http://:7860", "http://gpu:port"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(InvalidRequest):
        Transport(url)


@pytest.mark.parametrize(
    "transport",
    [
        Transport(URL, username="me", password="ä:b"),
        Transport("http://me:%C3%A4:b@gpu:7860"),
    ],
)
def test_basic_authentication_goes_out_at_once(wire: responses.RequestsMock, transport: Transport) -> None:
    wire.get(f"{URL}/sdapi/v1/options", json={})
    transport.get("/sdapi/v1/options", dict[str, Any])
    header = sent(wire).headers["Authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")).decode() == "me:ä:b"


def test_a_user_needs_a_password() -> None:
    with pytest.raises(InvalidRequest, match="password"):
        Transport(URL, username="me")


def test_secrets_are_nowhere_to_be_read(
    wire: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    wire.get(f"{URL}/x", status=401, json={"detail": "Incorrect username or password"})
    transport = Transport("http://me:hunter2@gpu:7860")
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthError) as caught:
        transport.get("/x", dict[str, Any])
    everything = f"{transport!r} {caught.value} {caught.value.__dict__} {caplog.text}"
    assert "hunter2" not in everything
    assert base64.b64encode(b"me:hunter2").decode() not in everything


def test_the_users_headers_win(wire: responses.RequestsMock) -> None:
    wire.get(f"{URL}/x", json={})
    Transport(URL, headers={"Accept-Encoding": "gzip", "X-Key": "1"}).get("/x", dict[str, Any])
    assert sent(wire).headers["X-Key"] == "1"
    assert sent(wire).headers["Accept-Encoding"] == "gzip"


def test_gzip_is_not_asked_for(wire: responses.RequestsMock) -> None:
    wire.get(f"{URL}/x", json={})
    Transport(URL).get("/x", dict[str, Any])
    assert sent(wire).headers["Accept-Encoding"] == "identity"


def test_reads_are_tried_again(wire: responses.RequestsMock) -> None:
    wire.get(
        f"{URL}/x", body=requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted."))
    )
    wire.get(f"{URL}/x", status=503)
    wire.get(f"{URL}/x", json=[1])
    assert Transport(URL).get("/x", list[int]) == [1]


def test_reads_are_not_tried_for_ever(wire: responses.RequestsMock) -> None:
    wire.get(f"{URL}/x", status=503, json={"detail": "busy"})
    with pytest.raises(ServerError, match="busy"):
        Transport(URL, retries=3).get("/x", list[int])
    assert len(wire.calls) == 4


def test_errors_of_the_server_itself_are_not_tried_again(wire: responses.RequestsMock) -> None:
    wire.get(f"{URL}/x", status=500, json={"error": "KeyError", "errors": "x"})
    with pytest.raises(ServerError):
        Transport(URL).get("/x", list[int])
    assert len(wire.calls) == 1


def test_a_timeout_is_not_tried_again(wire: responses.RequestsMock) -> None:
    wire.get(f"{URL}/x", body=requests.ReadTimeout("slow"))
    with pytest.raises(Timeout):
        Transport(URL).get("/x", list[int])
    assert len(wire.calls) == 1


@pytest.mark.parametrize("status", [502, 503, 504, 429])
def test_commands_are_sent_once(wire: responses.RequestsMock, status: int) -> None:
    wire.post(f"{URL}/sdapi/v1/txt2img", status=status)
    with pytest.raises(WebUIError):
        Transport(URL).command("/sdapi/v1/txt2img", payload={})
    wire.post(
        f"{URL}/sdapi/v1/img2img",
        body=requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.")),
    )
    with pytest.raises(TransportError):
        Transport(URL).command("/sdapi/v1/img2img", payload={})
    assert len(wire.calls) == 2


def test_a_command_that_never_left_is_sent_again(wire: responses.RequestsMock) -> None:
    refused = urllib3.exceptions.NewConnectionError(None, "[Errno 111] Connection refused")  # type: ignore[arg-type]
    wire.post(f"{URL}/x", body=requests.ConnectionError(refused))
    wire.post(f"{URL}/x", body="null")
    Transport(URL).command("/x")
    assert len(wire.calls) == 2


def test_a_redirect_is_not_followed(wire: responses.RequestsMock) -> None:
    wire.post(f"{URL}/x", status=301, headers={"Location": "https://gpu/x"})
    with pytest.raises(UnexpectedResponse, match="https://gpu/x"):
        Transport(URL).command("/x")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.exceptions.ProxyError("no"), ConnectFailed),
        (requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"), ConnectFailed),
        (requests.exceptions.SSLError("EOF occurred in violation of protocol"), TransportError),
        (requests.exceptions.ConnectTimeout("slow"), ConnectFailed),
        (requests.exceptions.ReadTimeout("slow"), Timeout),
        (requests.exceptions.ChunkedEncodingError("half"), TransportError),
        (ConnectionResetError("reset"), TransportError),
    ],
)
def test_everything_requests_raises_has_a_name_here(
    wire: responses.RequestsMock, error: Exception, expected: type[Exception]
) -> None:
    wire.post(f"{URL}/x", body=error)
    with pytest.raises(expected) as caught:
        Transport(URL, retries=0).command("/x")
    assert type(caught.value) is expected
    assert caught.value.__cause__ is error


def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectFailed, match="refused") as caught:
        Transport(url, retries=0).get("/x", list[int])
    assert "check the address" in caught.value.hint


def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(ConnectFailed):
        Transport("http://no-such-host.invalid", retries=0, timeouts=Timeouts(connect_s=2)).get(
            "/x", list[int]
        )


def test_a_silent_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Timeout):
            Transport(url, timeouts=Timeouts(read_s=0.1)).get("/x", list[int])


@pytest.mark.parametrize("send_only", [0, 1, 10])
def test_a_body_that_breaks_off(send_only: int) -> None:
    with StubWebUI() as stub:
        stub.reads["/x"] = Reply(body=b"[1, 2, 3, 4]", send_only=send_only)
        with pytest.raises(TransportError, match="broke"):
            Transport(stub.url, retries=0).get("/x", list[int])


def test_a_chunk_of_negative_size() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc")

        thread = threading.Thread(target=answer)
        thread.start()
        transport = Transport(f"http://127.0.0.1:{server.getsockname()[1]}", retries=0)
        with transport, pytest.raises(TransportError, match="broke"):
            transport.raw("GET", "/x")
        thread.join(5)


def test_no_answer_at_all() -> None:
    with StubWebUI() as stub:
        stub.reads["/x"] = Reply(drop=True)
        with pytest.raises(TransportError):
            Transport(stub.url, retries=1).get("/x", list[int])
        assert len(stub.seen) == 2


def test_gzip_is_understood_all_the_same(wire: responses.RequestsMock) -> None:
    import gzip

    wire.get(f"{URL}/x", body=gzip.compress(b"[1]"), headers={"Content-Encoding": "gzip"})
    assert Transport(URL).get("/x", list[int]) == [1]


def test_no_content_is_an_answer(wire: responses.RequestsMock) -> None:
    wire.post(f"{URL}/sdapi/v1/interrupt", status=204)
    Transport(URL).command("/sdapi/v1/interrupt")


@pytest.mark.parametrize(
    "path", ["/sdapi/v1/options", "/controlnet/version", "/adetailer/v1/version", "/internal/ping"]
)
def test_an_unknown_route_says_what_is_missing(wire: responses.RequestsMock, path: str) -> None:
    wire.get(URL + path, status=404, json={"detail": "Not Found"})
    with pytest.raises(NotFound) as caught:
        Transport(URL).get(path, dict[str, Any])
    assert caught.value.hint
    assert ("--api" in caught.value.hint) == path.startswith("/sdapi")


def test_proxies_stay_out_of_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with StubWebUI() as stub:
        assert Transport(stub.url).get("/sdapi/v1/samplers", list[Any])
    with pytest.raises(ConnectFailed, match="proxy"):
        Transport("http://gpu.invalid", retries=0).get("/x", list[int])


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:1", True),
        ("http://127.8.0.1", True),
        ("http://[::1]:1", True),
        ("http://webui.localhost", True),
        ("http://192.168.1.2", False),
        ("http://gpu", False),
    ],
)
def test_loopback(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


def test_verify_and_ca_are_passed_on(
    monkeypatch: pytest.MonkeyPatch, wire: responses.RequestsMock, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    seen: list[Any] = []
    original = requests.Session.request

    def spy(self: requests.Session, *args: Any, **kwargs: Any) -> requests.Response:
        seen.append(kwargs["verify"])
        return original(self, *args, **kwargs)

    monkeypatch.setattr(requests.Session, "request", spy)
    wire.get("https://gpu/x", json=[])
    for verify in (True, False, str(bundle)):
        Transport("https://gpu", verify=verify).get("/x", list[int])
    assert seen == [True, False, str(bundle)]


def test_plain_http_behind_https_is_explained() -> None:
    with StubWebUI() as stub, pytest.raises(TransportError, match=r"TLS|broke"):
        Transport(stub.url.replace("http://", "https://"), retries=0).get("/x", list[int])


def test_pauses_grow_up_to_a_limit() -> None:
    assert backoff_s(0) < backoff_s(3) < 7
    assert backoff_s(50) < 7


@pytest.mark.parametrize(
    ("text", "seconds"), [("3", 3.0), ("900", 60.0), ("soon", None), (None, None), ("", None)]
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after(text) == seconds


def test_one_transport_serves_many_threads() -> None:
    with StubWebUI() as stub:
        transport, found = Transport(stub.url), []
        threads = [
            threading.Thread(target=lambda: found.append(len(transport.get("/sdapi/v1/samplers", list[Any]))))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert len(found) == 12
    assert len(set(found)) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=st.integers(min_value=300, max_value=599), body=st.binary(max_size=200))
def test_any_error_status_with_any_body_is_one_of_our_errors(status: int, body: bytes) -> None:
    with responses.RequestsMock() as wire:
        wire.post(f"{URL}/x", status=status, body=body)
        with pytest.raises(WebUIError) as caught:
            Transport(URL, retries=0).command("/x")
    assert caught.value.status == status
    assert str(caught.value)


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(min_value=0, max_value=10_000), kind=st.sampled_from([dict[str, int], list[int]]))
def test_any_cut_off_json_is_one_of_our_errors(cut: int, kind: Any) -> None:
    import json

    whole = json.dumps({f"key{n}": n for n in range(400)}).encode()
    with responses.RequestsMock() as wire:
        wire.get(f"{URL}/x", body=whole[: cut % len(whole)])
        with pytest.raises(UnexpectedResponse):
            Transport(URL, retries=0).get("/x", kind)
