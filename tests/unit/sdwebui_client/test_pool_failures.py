"""A pool whose servers die, hang, come back, or answer nonsense."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from sdwebui_client import (
    AnswerLost,
    AuthError,
    Cancelled,
    CapabilityMissing,
    ConnectFailed,
    EffectMissing,
    NotFound,
    Timeout,
    UnexpectedResponse,
    ValidationRejected,
    WebUI,
    WebUIError,
    WebUIPool,
)
from sdwebui_client.capabilities import Capabilities, Flavour, LoraInfo
from tests.stubs.webui import StubWebUI


class FakeWebUI(WebUI):
    """A server that only states what it has, or fails to."""

    def __init__(self, name: str, *, error: WebUIError | None = None, loras: tuple[str, ...] = ()) -> None:
        super().__init__(f"http://{name}", retries=0)
        self.error, self.loras_there, self.asked = error, loras, 0

    def capabilities(self, *, refresh: bool = False) -> Capabilities:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Capabilities(flavour=Flavour.A1111, loras=tuple(LoraInfo(name) for name in self.loras_there))


def url(webui: WebUI) -> str:
    return webui.url


@pytest.mark.parametrize(
    "error",
    [
        Timeout("silent"),
        AuthError("who?", status=401),
        NotFound("no API", status=404),
        UnexpectedResponse("a login page"),
        ConnectFailed("refused"),
    ],
)
def test_a_server_that_cannot_be_probed_leaves_the_work_to_others(error: WebUIError) -> None:
    bad = FakeWebUI("bad", error=error)
    with WebUIPool([bad, FakeWebUI("good")]) as pool:
        assert [pool.run(url) for _ in range(4)] == ["http://good"] * 4
    assert bad.asked == 1, "it rests in between"


def test_one_server_alone_is_its_own_error() -> None:
    with WebUIPool([FakeWebUI("bad", error=AuthError("who?", status=401))]) as pool, pytest.raises(AuthError):
        pool.run(url)


def test_all_dead_names_every_one() -> None:
    servers = [FakeWebUI(name, error=ConnectFailed(f"nothing at {name}", hint="look")) for name in "ab"]
    with WebUIPool(servers) as pool, pytest.raises(ConnectFailed) as caught:
        pool.run(url)
    assert "None of the 2 servers" in str(caught.value)
    assert "nothing at a" in str(caught.value)
    assert "nothing at b" in str(caught.value)
    assert caught.value.hint == "look"


def test_a_dead_server_is_asked_again_when_there_is_no_other() -> None:
    server = FakeWebUI("a", error=ConnectFailed("restarting"))
    with WebUIPool([server]) as pool:
        with pytest.raises(ConnectFailed):
            pool.run(url)
        server.error = None
        assert pool.run(url) == "http://a"


def test_a_server_that_stays_dead_rests_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdwebui_client.pool.REST_S", 0.1)
    bad = FakeWebUI("bad", error=ConnectFailed("black hole"))
    with WebUIPool([bad, FakeWebUI("good")]) as pool:
        ends = time.monotonic() + 0.8
        while time.monotonic() < ends:
            pool.run(url)
            time.sleep(0.01)
    assert 2 <= bad.asked <= 4


def test_what_only_a_dead_server_has() -> None:
    bad = FakeWebUI("bad", error=ConnectFailed("gone", url="http://bad"))
    with WebUIPool([bad, FakeWebUI("good")]) as pool, pytest.raises(CapabilityMissing) as caught:
        pool.run(url, loras=["alice"])
    assert "http://good lacks LoRA alice" in str(caught.value)
    assert "http://bad cannot be used: gone" in str(caught.value)


@pytest.mark.parametrize("error", [EffectMissing("no LoRA"), ValidationRejected("422", status=422)])
def test_the_tasks_own_errors_are_no_death(error: WebUIError) -> None:
    servers = [FakeWebUI("a"), FakeWebUI("b")]

    def task(_: WebUI) -> None:
        raise error

    with WebUIPool(servers) as pool:
        with pytest.raises(type(error)):
            pool.run(task, prefer="http://a")
        assert pool.run(url, prefer="http://a") == "http://a"


@pytest.mark.parametrize("silent", [True, False])
def test_a_job_that_hangs_is_handed_on_only_when_its_server_is_silent(silent: bool) -> None:
    """A server that still answers has a job of ours that was given up; one that does not is gone."""
    tried: list[str] = []

    def task(webui: WebUI) -> str:
        tried.append(webui.url)
        if len(tried) == 1:
            raise Timeout("not moved")
        return webui.url

    with StubWebUI() as stub, WebUI(stub.url, retries=0) as first:
        first.capabilities()
        with WebUIPool([first, FakeWebUI("b")]) as pool:
            if silent:
                stub.stop()
                assert pool.run(task, prefer=first.url) == "http://b"
            else:
                with pytest.raises(Timeout):
                    pool.run(task, prefer=first.url)
    assert tried[0] == first.url


def test_a_server_that_fell_silent_on_a_task_never_gets_it_again() -> None:
    """It may be back, and at work on it still."""
    tried: list[str] = []

    def task(webui: WebUI) -> str:
        tried.append(webui.url)
        raise AnswerLost("silence", safe_to_resend=False, server_gone=True)

    with WebUIPool([FakeWebUI("a")]) as pool, pytest.raises(AnswerLost, match="silence"):
        pool.run(task)
    assert tried == ["http://a"]
    tried.clear()
    with WebUIPool([FakeWebUI("a"), FakeWebUI("b")]) as pool, pytest.raises(AnswerLost) as caught:
        pool.run(task)
    assert sorted(tried) == ["http://a", "http://b"]
    assert not caught.value.safe_to_resend


def test_leaving_with_an_error_lets_no_waiting_task_begin() -> None:
    begun: list[str] = []
    release = threading.Event()

    def task(webui: WebUI) -> None:
        begun.append(webui.url)
        release.wait(5)

    futures: list[Any] = []

    def leave() -> None:
        with WebUIPool([FakeWebUI("a")]) as pool:
            futures.extend(pool.submit(task) for _ in range(6))
            while not begun:
                time.sleep(0.005)
            threading.Timer(0.2, release.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert len(begun) == 1
    assert sum(future.cancelled() or isinstance(future.exception(), Cancelled) for future in futures) == 5


def test_leaving_in_peace_waits_for_what_was_submitted() -> None:
    with WebUIPool([FakeWebUI("a")]) as pool:
        futures = [pool.submit(lambda webui: time.sleep(0.02)) for _ in range(6)]
    assert all(future.result(0) is None for future in futures)
