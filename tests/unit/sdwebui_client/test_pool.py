"""Several servers as one: who gets what, and what becomes of a dead server's work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sdwebui_client import (
    AnswerLost,
    CapabilityMissing,
    ConnectFailed,
    InvalidRequest,
    ServerError,
    WebUI,
    WebUIPool,
)
from sdwebui_client.capabilities import Capabilities, CheckpointInfo, Flavour, LoraInfo


class FakeWebUI(WebUI):
    """A server that only states what it has."""

    def __init__(self, name: str, *, loras: tuple[str, ...] = ("alice",), checkpoint: str = "base") -> None:
        super().__init__(f"http://{name}")
        self.dead = False
        self.caps = Capabilities(
            flavour=Flavour.A1111,
            version="v1.10.1",
            loras=tuple(LoraInfo(name=lora, alias=f"{lora}_alias", path="") for lora in loras),
            checkpoints=(CheckpointInfo(f"{checkpoint}.safetensors [0123456789]", checkpoint),),
        )

    def capabilities(self, *, refresh: bool = False) -> Capabilities:
        if self.dead:
            raise ConnectFailed("gone", url=self.url)
        return self.caps


@pytest.fixture
def servers() -> list[FakeWebUI]:
    return [FakeWebUI("a"), FakeWebUI("b")]


@pytest.fixture
def pool(servers: list[FakeWebUI]) -> Iterator[WebUIPool]:
    with WebUIPool(servers) as found:
        yield found


def work(seconds: float = 0.0) -> Any:
    def task(webui: WebUI) -> str:
        time.sleep(seconds)
        return webui.url

    return task


def test_a_task_gets_a_server_and_its_result_comes_back(pool: WebUIPool) -> None:
    assert pool.run(work()) in ("http://a", "http://b")
    assert pool.submit(work()).result(5) in ("http://a", "http://b")


def test_both_servers_work_one_task_each_at_a_time(pool: WebUIPool) -> None:
    running: dict[str, int] = {"http://a": 0, "http://b": 0}
    most: list[int] = []
    lock = threading.Lock()

    def task(webui: WebUI) -> str:
        with lock:
            running[webui.url] += 1
            most.append(running[webui.url])
        time.sleep(0.02)
        with lock:
            running[webui.url] -= 1
        return webui.url

    used = [future.result(5) for future in [pool.submit(task) for _ in range(10)]]
    assert set(used) == {"http://a", "http://b"}
    assert max(most) == 1
    assert sum(pool.done.values()) == 10


def test_a_slow_server_gets_less(servers: list[FakeWebUI], pool: WebUIPool) -> None:
    def task(webui: WebUI) -> str:
        time.sleep(0.15 if webui.url == "http://a" else 0.01)
        return webui.url

    with ThreadPoolExecutor(3) as threads:
        used = list(threads.map(lambda _: pool.run(task), range(30)))
    assert 1 <= used.count("http://a") <= 8


def test_a_hanging_server_does_not_hold_the_others_back(pool: WebUIPool) -> None:
    for name in ("http://a", "http://b"):
        pool.run(work(0.01), prefer=name)
    release = threading.Event()
    hanging = pool.submit(lambda webui: release.wait(10), prefer="http://a")
    time.sleep(0.05)
    assert [pool.run(work(0.01)) for _ in range(4)] == ["http://b"] * 4
    release.set()
    hanging.result(5)


@pytest.mark.parametrize("lora", ["bob", "bob_alias"])
def test_a_task_goes_where_its_lora_is(lora: str) -> None:
    with WebUIPool([FakeWebUI("a"), FakeWebUI("b", loras=("alice", "bob"))]) as pool:
        assert {pool.run(work(), loras=[lora]) for _ in range(4)} == {"http://b"}


@pytest.mark.parametrize("form", ["xl", "xl.safetensors", "xl.safetensors [0123456789]"])
def test_a_task_goes_where_its_checkpoint_is(form: str) -> None:
    with WebUIPool([FakeWebUI("a"), FakeWebUI("b", checkpoint="xl")]) as pool:
        assert pool.run(work(), checkpoint=form) == "http://b"


def test_what_no_server_has_is_refused_with_the_near_match(pool: WebUIPool) -> None:
    with pytest.raises(CapabilityMissing, match=r"LoRA alcie .*alice"):
        pool.run(work(), loras=["alcie"])


def test_a_loaded_checkpoint_is_kept() -> None:
    both = [FakeWebUI(name) for name in "ab"]
    for server in both:
        server.caps = Capabilities(
            flavour=Flavour.A1111,
            version="v1.10.1",
            checkpoints=(CheckpointInfo("x.safetensors", "x"), CheckpointInfo("y.safetensors", "y")),
        )
    with WebUIPool(both) as pool:
        pool.run(work(0.01), checkpoint="x", prefer="http://a")
        pool.run(work(0.01), checkpoint="y", prefer="http://b")
        assert {pool.run(work(0.01), checkpoint="x") for _ in range(3)} == {"http://a"}
        assert {pool.run(work(0.01), checkpoint="y") for _ in range(3)} == {"http://b"}


def test_prefer_waits_for_its_server(pool: WebUIPool) -> None:
    busy = pool.submit(work(0.15), prefer="http://a")
    time.sleep(0.03)
    assert pool.run(work(), prefer="http://a/") == "http://a"
    assert busy.done()


def test_a_server_that_is_gone_hands_its_work_on(servers: list[FakeWebUI], pool: WebUIPool) -> None:
    def task(webui: WebUI) -> str:
        if webui.url == "http://a":
            raise ConnectFailed("gone", url=webui.url)
        return webui.url

    assert [pool.run(task, prefer="http://a") for _ in range(3)] == ["http://b"] * 3
    assert pool.done == {"http://a": 0, "http://b": 3}


def test_a_server_that_never_answered_is_passed_over(servers: list[FakeWebUI], pool: WebUIPool) -> None:
    servers[0].dead = True
    assert {pool.run(work()) for _ in range(3)} == {"http://b"}


def test_a_server_that_comes_back_is_used_again(
    servers: list[FakeWebUI], pool: WebUIPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdwebui_client.pool.REST_S", 0.05)
    servers[0].dead = True
    pool.run(work())
    servers[0].dead = False
    time.sleep(0.06)
    assert pool.run(work(), prefer="http://a") == "http://a"


def test_all_gone(servers: list[FakeWebUI], pool: WebUIPool) -> None:
    for server in servers:
        server.dead = True
    with pytest.raises(ConnectFailed):
        pool.run(work())


@pytest.mark.parametrize(
    ("safe", "gone", "handed_on"),
    [(True, False, True), (False, True, True), (False, False, False)],
)
def test_lost_answers_are_handed_on_only_when_nothing_can_be_running(
    pool: WebUIPool, safe: bool, gone: bool, handed_on: bool
) -> None:
    tried: list[str] = []

    def task(webui: WebUI) -> str:
        tried.append(webui.url)
        if len(tried) == 1:
            raise AnswerLost("lost", safe_to_resend=safe, server_gone=gone)
        return webui.url

    if handed_on:
        assert pool.run(task) != tried[0]
    else:
        with pytest.raises(AnswerLost):
            pool.run(task)
    assert len(tried) == (2 if handed_on else 1)


def test_answers_lost_again_and_again_end(pool: WebUIPool) -> None:
    tried: list[str] = []

    def task(webui: WebUI) -> str:
        tried.append(webui.url)
        raise AnswerLost("lost", safe_to_resend=True)

    with pytest.raises(AnswerLost):
        pool.run(task)
    assert 2 <= len(tried) <= 4
    assert set(tried) == {"http://a", "http://b"}


def test_the_servers_own_errors_stay_with_their_task(pool: WebUIPool) -> None:
    tried: list[str] = []

    def task(webui: WebUI) -> str:
        tried.append(webui.url)
        raise ServerError("boom", status=500)

    with pytest.raises(ServerError):
        pool.run(task)
    assert len(tried) == 1
    assert pool.run(work())


def test_leaving_with_an_error_cancels(servers: list[FakeWebUI], monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[str] = []
    monkeypatch.setattr(WebUI, "cancel", lambda self, task_id=None: cancelled.append(self.url) or True)
    with pytest.raises(KeyboardInterrupt), WebUIPool(servers):
        raise KeyboardInterrupt
    assert cancelled == ["http://a", "http://b"]


def test_a_pool_of_nothing_or_of_twice_the_same() -> None:
    with pytest.raises(InvalidRequest):
        WebUIPool([])
    with pytest.raises(InvalidRequest):
        WebUIPool([FakeWebUI("a"), FakeWebUI("a")])
