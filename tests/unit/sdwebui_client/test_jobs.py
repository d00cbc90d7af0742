"""Generations over a real socket: progress, cancelling, limits, and what happens when an answer is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sdwebui_client import (
    AnswerLost,
    Cancelled,
    CancelToken,
    ConnectFailed,
    Progress,
    ServerError,
    Timeout,
    Timeouts,
    UnexpectedResponse,
    WebUI,
    _aftermath,
    _jobs,
)
from tests.stubs.webui import Reply, StubWebUI, picture_answer

FIELDS: dict[str, Any] = {"prompt": "portrait", "steps": 2, "width": 256, "height": 256}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_jobs, "POLL_S", 0.02)
    monkeypatch.setattr(_aftermath, "ASK_EVERY_S", 0.02)
    monkeypatch.setattr("sdwebui_client._transport._FIRST_PAUSE_S", 0.01)


@pytest.fixture
def stub() -> Iterator[StubWebUI]:
    with StubWebUI() as server:
        yield server


@pytest.fixture
def webui(stub: StubWebUI) -> Iterator[WebUI]:
    with WebUI(stub.url, timeouts=Timeouts(recover_s=1.0)) as client:
        client.capabilities()
        stub.seen.clear()
        yield client


def in_background(call: Any) -> tuple[threading.Thread, dict[str, Any]]:
    out: dict[str, Any] = {}

    def run() -> None:
        try:
            out["result"] = call()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            out["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    return thread, out


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def test_pictures_come_back_untouched(webui: WebUI) -> None:
    result = webui.txt2img(**FIELDS)
    assert result.images[0].to_base64() == picture_answer()["images"][0]
    assert result.info.seed == 1234
    assert result.endpoint == "/sdapi/v1/txt2img"


def test_each_job_gets_an_id_of_its_own(stub: StubWebUI, webui: WebUI) -> None:
    ids = {webui.txt2img(**FIELDS).task_id for _ in range(3)}
    assert len(ids) == 3
    assert {request["force_task_id"] for request in stub.generations()} == ids


def test_the_request_in_the_result_is_the_one_that_was_sent(stub: StubWebUI, webui: WebUI) -> None:
    result = webui.txt2img(**FIELDS, task_id="task(mine)")
    assert result.request == stub.generations()[0] == {**FIELDS, "force_task_id": "task(mine)"}


def test_nothing_is_asked_about_progress_unless_somebody_watches(stub: StubWebUI, webui: WebUI) -> None:
    webui.txt2img(**FIELDS)
    assert not [path for _, path, _ in stub.seen if path.startswith("/internal")]


def test_progress_is_reported_in_the_callers_thread(stub: StubWebUI, webui: WebUI) -> None:
    stub.hold.clear()
    seen: list[Progress] = []
    threads = set()

    def watch(progress: Progress) -> None:
        threads.add(threading.current_thread())
        seen.append(progress)
        stub.steps[0] = min(stub.steps[0] + 5, 20)
        if len(seen) >= 4:
            stub.hold.set()

    webui.txt2img(**FIELDS, on_progress=watch)
    assert threads == {threading.current_thread()}
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert seen[0].stage == "sampling"
    assert seen[0].steps == 20
    assert seen[-1] == Progress("done", 1.0, eta_s=0.0)


def test_a_waiting_job_tells_its_place(stub: StubWebUI, webui: WebUI) -> None:
    stub.hold.clear()
    first, _ = in_background(lambda: webui.txt2img(**FIELDS))
    stub.started.wait(5)
    seen: list[Progress] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        stub.hold.set()

    webui.txt2img(**FIELDS, on_progress=watch)
    first.join(5)
    assert (seen[0].stage, seen[0].queue_position) == ("queued", 1)


def test_a_callback_that_raises_ends_the_job(stub: StubWebUI, webui: WebUI) -> None:
    stub.hold.clear()

    def watch(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        webui.txt2img(**FIELDS, on_progress=watch)
    assert stub.interrupts >= 1
    wait_for(lambda: stub.current is None)


def test_cancel_interrupts_a_running_job(stub: StubWebUI, webui: WebUI) -> None:
    stub.hold.clear()
    thread, out = in_background(lambda: webui.txt2img(**FIELDS, task_id="task(ours)"))
    stub.started.wait(5)
    assert webui.running == ("task(ours)",)
    assert webui.cancel("task(somebody else's)") is False
    assert webui.cancel("task(ours)") is True
    thread.join(5)
    assert isinstance(out["error"], Cancelled)
    assert stub.interrupts >= 1
    assert webui.cancel() is False


def test_a_token_cancels_too(stub: StubWebUI, webui: WebUI) -> None:
    stub.hold.clear()
    token = CancelToken()
    thread, out = in_background(lambda: webui.txt2img(**FIELDS, cancel=token))
    stub.started.wait(5)
    token.cancel()
    thread.join(5)
    assert isinstance(out["error"], Cancelled)


def test_a_token_cancelled_beforehand_sends_nothing(stub: StubWebUI, webui: WebUI) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        webui.txt2img(**FIELDS, cancel=token)
    assert stub.generations() == []


def test_cancelling_a_waiting_job_spares_the_running_one(stub: StubWebUI, webui: WebUI) -> None:
    stub.hold.clear()
    first, first_out = in_background(lambda: webui.txt2img(**FIELDS, task_id="task(first)"))
    stub.started.wait(5)
    second, second_out = in_background(lambda: webui.txt2img(**FIELDS, task_id="task(second)"))
    wait_for(lambda: stub.pending == ["task(second)"])
    webui.cancel("task(second)")
    second.join(5)
    assert isinstance(second_out["error"], Cancelled)
    assert stub.interrupts == 0
    started_at = len(stub.finished)
    stub.hold.set()
    first.join(5)
    assert "result" in first_out
    wait_for(lambda: len(stub.finished) >= started_at + 2)


def test_a_cancelled_waiting_job_is_interrupted_when_it_starts(stub: StubWebUI, webui: WebUI) -> None:
    stub.hold.clear()
    other = threading.Thread(target=stub.run, args=({"force_task_id": "task(somebody else)"},))
    other.start()
    stub.started.wait(5)
    thread, out = in_background(lambda: webui.txt2img(**FIELDS, task_id="task(ours)"))
    wait_for(lambda: stub.pending == ["task(ours)"])
    webui.cancel()
    thread.join(5)
    assert isinstance(out["error"], Cancelled)
    assert stub.interrupts == 0
    stub.interrupted = True  # somebody else ends their own job; ours starts and must be interrupted
    wait_for(lambda: stub.finished == ["task(somebody else)", "task(ours)"])
    assert stub.interrupts >= 1


def test_ctrl_c_interrupts_our_job_and_stays_ctrl_c(stub: StubWebUI, webui: WebUI) -> None:
    stub.hold.clear()

    def watch(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        webui.txt2img(**FIELDS, on_progress=watch)
    assert stub.interrupts >= 1


def test_a_picture_somebody_else_interrupted_is_refused(stub: StubWebUI, webui: WebUI) -> None:
    def interrupted(_: Any) -> Reply:
        stub.interrupted = True
        return Reply.json(picture_answer())

    stub.reply = interrupted
    with pytest.raises(Cancelled, match="somebody else"):
        webui.txt2img(**FIELDS)


def test_a_job_that_does_not_move_is_given_up_and_interrupted(stub: StubWebUI) -> None:
    stub.hold.clear()
    with WebUI(stub.url, timeouts=Timeouts(idle_s=0.2)) as webui, pytest.raises(Timeout, match="not moved"):
        webui.txt2img(**FIELDS)
    assert stub.interrupts >= 1


def test_a_job_that_moves_is_not_given_up(stub: StubWebUI) -> None:
    stub.hold.clear()
    stub.steps = [0, 1000]
    began = time.monotonic()

    def move() -> None:
        stub.steps[0] += 1
        if time.monotonic() - began > 0.8:
            stub.hold.set()

    stub.hooks["/sdapi/v1/progress"] = move  # type: ignore[assignment]  # returns None: goes on to the usual answer
    with WebUI(stub.url, timeouts=Timeouts(idle_s=0.2)) as webui:
        assert webui.txt2img(**FIELDS).images


def test_the_total_limit_holds(stub: StubWebUI) -> None:
    stub.hold.clear()
    with WebUI(stub.url, timeouts=Timeouts(total_s=0.2)) as webui, pytest.raises(Timeout, match=r"0\.2 s"):
        webui.txt2img(**FIELDS)
    assert stub.interrupts >= 1


@pytest.mark.parametrize(
    "loss", [Reply(drop=True), Reply(body=b'{"images": ["' + b"A" * 9000, send_only=500)]
)
def test_a_lost_answer_of_a_finished_job_is_not_drawn_twice(
    stub: StubWebUI, webui: WebUI, loss: Reply
) -> None:
    stub.reply = lambda request: loss
    with pytest.raises(AnswerLost) as caught:
        webui.txt2img(**FIELDS)
    assert caught.value.safe_to_resend
    assert len(stub.generations()) == 1


def test_a_job_is_waited_for_after_its_connection_broke(stub: StubWebUI, webui: WebUI) -> None:
    """A gateway gives up, the job goes on (recorded: j09_disconnect_trace)."""
    stub.hold.clear()

    def gateway() -> Reply:
        request = stub.seen[-1][2]
        threading.Thread(target=stub.run, args=(request,), daemon=True).start()
        stub.started.wait(5)
        return Reply(504, b"<html><title>504 Gateway Time-out</title></html>", "text/html")

    stub.hooks["/sdapi/v1/txt2img"] = gateway
    thread, out = in_background(lambda: webui.txt2img(**FIELDS))
    time.sleep(0.2)
    assert thread.is_alive(), "it must wait while the job runs"
    stub.hold.set()
    thread.join(5)
    assert isinstance(out["error"], AnswerLost)
    assert out["error"].safe_to_resend
    assert out["error"].status == 504
    assert len(stub.generations()) == 1


def test_a_job_that_never_started_is_sent_again(stub: StubWebUI, webui: WebUI) -> None:
    tries: list[str] = []

    def refuse_once() -> Reply | None:
        tries.append("x")
        return Reply(drop=True) if len(tries) == 1 else None

    stub.hooks["/sdapi/v1/txt2img"] = refuse_once
    result = webui.txt2img(**FIELDS, task_id="task(a)")
    assert [request["force_task_id"] for request in stub.generations()] == ["task(a)", "task(a)~2"]
    assert result.task_id == "task(a)~2"
    assert result.request["force_task_id"] == "task(a)~2"


def test_it_is_sent_again_only_once(stub: StubWebUI, webui: WebUI) -> None:
    stub.hooks["/sdapi/v1/txt2img"] = lambda: Reply(drop=True)
    with pytest.raises(AnswerLost) as caught:
        webui.txt2img(**FIELDS)
    assert len(stub.generations()) == 2
    assert caught.value.safe_to_resend


def test_a_server_that_dies_during_the_job_leaves_it_open(stub: StubWebUI, webui: WebUI) -> None:
    def die(_: Any) -> Reply:
        threading.Thread(target=stub.stop).start()
        time.sleep(0.1)
        return Reply(drop=True)

    stub.reply = die
    with pytest.raises(AnswerLost) as caught:
        webui.txt2img(**FIELDS)
    assert not caught.value.safe_to_resend
    assert caught.value.server_gone


def test_without_ids_a_lost_answer_is_never_sent_again(stub: StubWebUI) -> None:
    stub.has_internal = False
    stub.reads = {path: reply for path, reply in stub.reads.items() if not path.startswith("/internal")}
    stub.reply = lambda request: Reply(drop=True)
    with WebUI(stub.url) as webui:
        assert not webui.capabilities().has_task_ids
        with pytest.raises(AnswerLost) as caught:
            webui.txt2img(**FIELDS)
    assert caught.value.safe_to_resend
    assert len(stub.generations()) == 1
    assert "force_task_id" not in stub.generations()[0]


def test_a_waiting_job_nobody_works_on_is_left_alone(
    stub: StubWebUI, webui: WebUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leaked entry of the waiting list looks like this,
    and so does a job that waits for a model to load."""
    monkeypatch.setattr(_aftermath, "LEAKED_AFTER_S", 0.1)

    def leak() -> Reply:
        stub.pending.append(stub.seen[-1][2]["force_task_id"])
        return Reply(drop=True)

    stub.hooks["/sdapi/v1/txt2img"] = leak
    with pytest.raises(AnswerLost) as caught:
        webui.txt2img(**FIELDS)
    assert not caught.value.safe_to_resend
    assert len(stub.generations()) == 1


def test_an_error_of_the_job_is_no_lost_answer(stub: StubWebUI, webui: WebUI) -> None:
    stub.reply = lambda request: Reply.json({"error": "RuntimeError", "errors": "boom"}, 500)
    with pytest.raises(ServerError, match="boom"):
        webui.txt2img(**FIELDS)
    assert len(stub.generations()) == 1


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b'"text"', b"{}", b'{"images": 5, "info": "{}"}', b'{"images": ["@@"], "info": "{}"}'],
)
def test_an_answer_of_another_shape_is_reported(stub: StubWebUI, webui: WebUI, body: bytes) -> None:
    stub.reply = lambda request: Reply(body=body)
    with pytest.raises(UnexpectedResponse):
        webui.txt2img(**FIELDS)


def test_a_generation_nobody_received_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with StubWebUI() as stub:
        webui = WebUI(stub.url)
        webui.capabilities()
    with pytest.raises(ConnectFailed, match="Nothing answers"):
        webui.txt2img(**FIELDS)


CTRL_C = """
import sys
from sdwebui_client import WebUI
try:
    WebUI(sys.argv[1]).txt2img(prompt="portrait", width=256, height=256)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_a_real_ctrl_c_ends_the_process_and_our_job(stub: StubWebUI) -> None:
    stub.hold.clear()
    with subprocess.Popen([sys.executable, "-c", CTRL_C, stub.url]) as process:
        assert stub.started.wait(20)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert stub.interrupts >= 1
    wait_for(lambda: stub.current is None)
