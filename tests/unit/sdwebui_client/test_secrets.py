"""Passwords stay where they were put: not in messages, not in causes, and not replaced by others."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
import responses

from sdwebui_client import ConnectFailed, InvalidRequest, WebUI
from sdwebui_client._transport import Transport, retry_after

SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"http://bob:{SECRET}/x@gpu:7860",
        f"http://bob:{SECRET}#x@gpu",
        f"http://bob:a?{SECRET}@gpu",
        f"http://bob:1234/{SECRET}@gpu",
        f"http://bob:p@ss/{SECRET}@gpu",
        f"ftp://bob:p@{SECRET}@gpu",
        f"htp://bob:a/{SECRET}@gpu",
        f"http://bob:{SECRET}@[::1",
        f"http://bob:{SECRET}@gpu:99999",
    ],
)
def test_an_address_that_cannot_be_read_keeps_its_password(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        WebUI(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in str(caught.value.__dict__)


def test_blanks_around_an_address_do_not_matter() -> None:
    assert WebUI(" http://gpu:7860/sd/ \n").url == "http://gpu:7860/sd"


@pytest.mark.parametrize(
    "value", [f"Bearer {SECRET}\n", f" {SECRET}", f"{SECRET}€", f"{SECRET}ß", f"{SECRET}\x00"]
)
def test_a_header_http_cannot_carry_is_refused_unseen(value: str) -> None:
    with pytest.raises(InvalidRequest, match="X-Token") as caught:
        WebUI("http://gpu", headers={"X-Token": value})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_netrc_does_not_replace_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine gpu login eve password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with responses.RequestsMock() as wire:
        wire.get("http://gpu/x", json={})
        Transport("http://gpu", username="a", password="b").get("/x", dict[str, Any])
        assert wire.calls[0].request.headers["Authorization"] == "Basic YTpi"


def test_user_name_and_password_may_come_apart() -> None:
    whole = Transport("http://bob@gpu", password="b")._headers["Authorization"]
    assert whole == Transport("http://bob:b@gpu")._headers["Authorization"]
    with pytest.raises(InvalidRequest, match="without a user name"):
        Transport("http://gpu", password="b")


def test_a_missing_ca_bundle_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest, match=r"nope\.pem"):
        WebUI("https://gpu", verify="nope.pem")


def test_a_host_name_nobody_can_have_is_no_lost_answer() -> None:
    with pytest.raises(ConnectFailed, match="no address"):
        Transport("http://" + "a" * 70, retries=0).get("/x", dict[str, Any])


@pytest.mark.parametrize("text", ["²", "٣x", "1e9", ""])
def test_an_odd_retry_after_is_none(text: str) -> None:
    assert retry_after(text) is None
