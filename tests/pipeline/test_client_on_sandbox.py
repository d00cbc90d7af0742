"""The client against the sandbox:
the same calls on each flavour, and what it does when the server misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdwebui_client import (
    ADetailer,
    AnswerLost,
    AuthError,
    Cancelled,
    EncodedImage,
    OutOfMemory,
    Progress,
    ServerError,
    Timeout,
    Timeouts,
    UnexpectedResponse,
    WebUI,
    WebUIError,
    _aftermath,
)

pytest.importorskip("starlette", reason="the sandbox extra is not installed")

from sdwebui_client.sandbox import Fault, SandboxServer, SandboxSettings

Start = Callable[..., SandboxServer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[SandboxServer] = []

    def begin(*faults: Fault, seconds_per_step: float = 0.0, **settings: object) -> SandboxServer:
        server = SandboxServer(
            SandboxSettings(models_dir=tmp_path, faults=faults, seconds_per_step=seconds_per_step, **settings)
        )
        running.append(server)
        return server.start()

    yield begin
    for server in running:
        server.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_aftermath, "ASK_EVERY_S", 0.05)


@pytest.mark.parametrize("flavour", ["a1111", "forge", "reforge"])
def test_a_picture_goes_through(start: Start, flavour: str) -> None:
    seen: list[Progress] = []
    with WebUI(start(flavour=flavour, seconds_per_step=0.05).url) as webui:
        result = webui.txt2img(
            prompt="portrait",
            width=256,
            height=320,
            steps=12,
            seed=3,
            units=[ADetailer.face()],
            on_progress=seen.append,
        )
        again = webui.img2img(init_images=[result.images[0]], width=256, height=320, steps=2)
    assert result.images[0].size == again.images[0].size == (256, 320)
    assert result.info.seed == 3
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert seen[-1].stage == "done"


@pytest.mark.parametrize("flavour", ["a1111", "forge", "reforge"])
def test_our_job_is_cancelled(start: Start, flavour: str) -> None:
    with WebUI(start(flavour=flavour, seconds_per_step=0.1).url) as webui:
        webui.capabilities()
        threading.Timer(0.3, webui.cancel).start()
        with pytest.raises(Cancelled):
            webui.txt2img(prompt="portrait", width=64, height=64, steps=100)
        assert webui.txt2img(prompt="portrait", width=64, height=64, steps=1).images


def test_a_password_is_needed_and_used(start: Start) -> None:
    server = start(api_auth="me:secret")
    with pytest.raises(AuthError), WebUI(server.url) as webui:
        webui.capabilities()
    with WebUI(server.url, username="me", password="secret") as webui:
        assert webui.samplers()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("500", ServerError), ("oom", OutOfMemory), ("truncated", AnswerLost), ("reset", WebUIError)],
)
def test_faults_have_names(start: Start, kind: str, expected: type[WebUIError]) -> None:
    url = start(Fault(kind=kind, count=0)).url
    with WebUI(url, timeouts=Timeouts(recover_s=2)) as webui, pytest.raises(expected) as caught:
        webui.txt2img(prompt="portrait", width=64, height=64, steps=1)
    assert str(caught.value)


def test_a_web_page_for_a_read(start: Start) -> None:
    url = start(Fault(kind="html", count=0, path="/sdapi/v1/samplers")).url
    expected = (UnexpectedResponse, ServerError)
    with WebUI(url, retries=0) as webui, pytest.raises(expected, match="Bad Gateway"):
        webui.samplers()


def test_a_hanging_job_is_given_up(start: Start) -> None:
    url = start(Fault(kind="hang", seconds=3)).url
    with WebUI(url, timeouts=Timeouts(idle_s=0.5)) as webui, pytest.raises(Timeout):
        webui.txt2img(prompt="portrait", width=64, height=64, steps=1)


def test_a_restart_is_survived(start: Start) -> None:
    with WebUI(start(Fault(kind="restart", seconds=0.5)).url, timeouts=Timeouts(recover_s=10)) as webui:
        result = webui.txt2img(prompt="portrait", width=64, height=64, steps=1, seed=5)
    assert isinstance(result.images[0], EncodedImage)
    assert result.task_id.endswith("~2")


def test_many_threads_share_one_client(start: Start) -> None:
    seeds: list[int] = []
    with WebUI(start().url) as webui:

        def draw(seed: int) -> None:
            result = webui.txt2img(prompt="portrait", width=64, height=64, steps=1, seed=seed)
            seeds.append(result.info.seed)

        threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(seeds) == list(range(6))
