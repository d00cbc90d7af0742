"""A job nobody waits for any more is stopped, in whatever state it is, and nobody else's with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sdwebui_client import (
    AnswerLost,
    Cancelled,
    CancelToken,
    Progress,
    Timeout,
    Timeouts,
    WebUI,
    _aftermath,
    _jobs,
    _letgo,
)
from sdwebui_client._letgo import LettingGo
from sdwebui_client._transport import Transport
from sdwebui_client._watch import TaskWatch
from tests.stubs.webui import Reply, StubWebUI, picture_answer

FIELDS: dict[str, Any] = {"prompt": "portrait", "steps": 2, "width": 256, "height": 256}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_jobs, "POLL_S", 0.02)
    monkeypatch.setattr(_aftermath, "ASK_EVERY_S", 0.02)
    monkeypatch.setattr(_letgo, "ASK_EVERY_S", 0.02)
    monkeypatch.setattr("sdwebui_client._transport._FIRST_PAUSE_S", 0.01)


@pytest.fixture
def stub() -> Iterator[StubWebUI]:
    with StubWebUI() as server:
        server.hold.clear()
        yield server


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def gateway_gives_up(stub: StubWebUI) -> None:
    """The next generation goes on behind a gateway that answers 504."""

    def give_up() -> Reply:
        request = stub.seen[-1][2]
        threading.Thread(target=stub.run, args=(request,), daemon=True).start()
        task = request["force_task_id"]
        wait_for(lambda: stub.current == task or task in stub.pending)
        return Reply(504, b"<title>504 Gateway Time-out</title>", "text/html")

    stub.hooks["/sdapi/v1/txt2img"] = give_up


def drawing(webui: WebUI, **fields: Any) -> tuple[threading.Thread, dict[str, BaseException]]:
    out: dict[str, BaseException] = {}

    def run() -> None:
        try:
            webui.txt2img(**{**FIELDS, **fields})
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            out["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    return thread, out


def test_cancelling_after_the_answer_was_lost_interrupts_the_job(stub: StubWebUI) -> None:
    gateway_gives_up(stub)
    token = CancelToken()
    with WebUI(stub.url) as webui:
        thread, out = drawing(webui, cancel=token)
        assert stub.started.wait(5)
        wait_for(lambda: any(path == "/internal/progress" for _, path, _ in stub.seen))
        token.cancel()
        thread.join(30)
    assert isinstance(out["error"], Cancelled)
    assert stub.interrupts >= 1
    assert stub.current is None
    assert len(stub.generations()) == 1


def test_ctrl_c_after_the_answer_was_lost_interrupts_the_job(
    stub: StubWebUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway_gives_up(stub)

    def ctrl_c(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_aftermath.Aftermath, "settle", ctrl_c)
    with WebUI(stub.url) as webui, pytest.raises(KeyboardInterrupt):
        webui.txt2img(**FIELDS)
    assert stub.interrupts >= 1
    wait_for(lambda: stub.current is None)


def test_a_lost_job_that_still_waits_is_interrupted_when_it_starts(stub: StubWebUI) -> None:
    theirs = threading.Thread(target=stub.run, args=({"force_task_id": "task(theirs)"},), daemon=True)
    theirs.start()
    assert stub.started.wait(5)
    gateway_gives_up(stub)
    with WebUI(stub.url) as webui:
        thread, out = drawing(webui, task_id="task(ours)")
        wait_for(lambda: stub.pending == ["task(ours)"])
        webui.cancel("task(ours)")
        thread.join(30)
        assert isinstance(out["error"], Cancelled)
        assert stub.interrupts == 0, "theirs must go on"
        stub.interrupted = True  # theirs ends by itself
        wait_for(lambda: stub.finished == ["task(theirs)", "task(ours)"])
    assert stub.interrupts >= 1


def test_a_proxy_that_gives_up_after_the_cancel_does_not_end_the_watch(stub: StubWebUI) -> None:
    """A 504 is no answer: the cancelled job still waits on the server, and must not be drawn later."""
    theirs = threading.Thread(target=stub.run, args=({"force_task_id": "task(theirs)"},), daemon=True)
    theirs.start()
    assert stub.started.wait(5)
    gave_up = threading.Event()
    gateway_gives_up(stub)
    at_once = stub.hooks["/sdapi/v1/txt2img"]

    def late() -> Reply | None:
        reply = at_once()
        assert gave_up.wait(30)
        return reply

    stub.hooks["/sdapi/v1/txt2img"] = late
    with WebUI(stub.url) as webui:
        thread, out = drawing(webui, task_id="task(ours)")
        wait_for(lambda: stub.pending == ["task(ours)"])
        webui.cancel("task(ours)")
        thread.join(30)
        assert isinstance(out["error"], Cancelled)
        gave_up.set()
        wait_for(lambda: not [t for t in threading.enumerate() if t.name == "sdwebui-job"])
        assert stub.interrupts == 0, "theirs must go on"
        stub.interrupted = True  # theirs ends by itself
        wait_for(lambda: stub.finished == ["task(theirs)", "task(ours)"])
    assert stub.interrupts >= 1


def test_the_total_limit_holds_while_a_lost_job_is_waited_for(stub: StubWebUI) -> None:
    gateway_gives_up(stub)
    with WebUI(stub.url, timeouts=Timeouts(total_s=0.3)) as webui, pytest.raises(Timeout, match=r"0\.3 s"):
        webui.txt2img(**FIELDS)
    assert stub.interrupts >= 1


def test_a_callback_may_raise_cancelled_itself(stub: StubWebUI) -> None:
    def enough(_: Progress) -> None:
        raise Cancelled("enough")

    with WebUI(stub.url) as webui, pytest.raises(Cancelled, match="enough"):
        webui.txt2img(**FIELDS, on_progress=enough)
    assert stub.interrupts >= 1
    wait_for(lambda: stub.current is None)


def test_a_job_that_was_sent_again_is_cancelled_by_the_id_it_was_given(stub: StubWebUI) -> None:
    replies = [Reply(drop=True)]
    stub.hooks["/sdapi/v1/txt2img"] = lambda: replies.pop() if replies else None
    with WebUI(stub.url) as webui:
        thread, out = drawing(webui, task_id="task(ours)")
        wait_for(lambda: stub.current == "task(ours)~2")
        assert webui.cancel("task(ours)")
        thread.join(30)
    assert isinstance(out["error"], Cancelled)


def test_a_cancel_while_the_request_is_written_is_not_slept_through(
    stub: StubWebUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking at the token and waiting, `cancel()` must still wake the wait (up to half an hour)."""
    token = CancelToken()

    class Wake(threading.Event):
        def clear(self) -> None:
            if not stub.started.is_set():
                token.cancel()
            super().clear()

    monkeypatch.setattr("sdwebui_client._jobs.threading.Event", Wake)
    began = time.monotonic()
    with WebUI(stub.url, timeouts=Timeouts(idle_s=None)) as webui:
        webui.capabilities()
        with pytest.raises(Cancelled):
            webui.txt2img(**FIELDS, cancel=token)
    assert time.monotonic() - began < 5


def test_a_job_that_starts_between_two_questions_is_not_taken_for_ours(stub: StubWebUI) -> None:
    """Ours is asked about last: once it ended, the next one may be somebody else's."""
    stub.current = "task(ours)"

    def ours_ends() -> None:
        stub.current = "task(theirs)"

    stub.hooks["/sdapi/v1/progress"] = ours_ends  # type: ignore[assignment]  # None: goes on to the usual answer
    watch = TaskWatch(Transport(stub.url), has_ids=True)
    LettingGo(watch, "task(ours)", answered=lambda: False, pause=lambda _: None)._step()
    assert stub.interrupts == 0


def test_a_silent_server_is_not_asked_for_ever(stub: StubWebUI) -> None:
    stub.hooks["/sdapi/v1/progress"] = lambda: Reply(503)
    before = set(threading.enumerate())
    watch = TaskWatch(Transport(stub.url), has_ids=True)
    LettingGo(watch, "task(ours)", answered=lambda: None, patience_s=0.1).now()
    wait_for(lambda: not [t for t in set(threading.enumerate()) - before if t.name == "sdwebui-reaper"])


def test_a_starting_server_does_not_lose_its_ids(stub: StubWebUI) -> None:
    """For a moment a starting server answers 404 everywhere (recorded: s01_startup_trace)."""
    stub.hold.set()
    stub.hooks["/sdapi/v1/txt2img"] = lambda: Reply(drop=True) if len(stub.generations()) == 1 else None
    missing = Reply.json({"detail": "Not Found"}, 404)
    began: list[float] = []

    def starting() -> Reply | None:
        began.append(time.monotonic())
        return missing if began[-1] - began[0] < 0.1 else None

    with WebUI(stub.url) as webui:
        webui.capabilities()
        for path in ("/internal/progress", "/internal/pending-tasks", "/sdapi/v1/progress"):
            stub.hooks[path] = starting
        webui.txt2img(**FIELDS, task_id="task(a)")
    assert [sent.get("force_task_id") for sent in stub.generations()] == ["task(a)", "task(a)~2"]


@pytest.mark.parametrize(
    "answer",
    [
        {"progress": None, "eta_relative": None, "current_image": None},
        {"progress": float("nan"), "eta_relative": float("inf")},
    ],
)
def test_a_bar_nobody_can_read_does_not_end_a_job_that_moves(stub: StubWebUI, answer: dict[str, Any]) -> None:
    began = time.monotonic()

    def moving() -> Reply:
        if time.monotonic() - began > 0.8:
            stub.hold.set()
        step = int((time.monotonic() - began) * 100)
        state = {"job": "x", "job_count": 1, "job_no": None, "sampling_step": step, "sampling_steps": 500}
        return Reply.json({**answer, "state": {**state, "interrupted": None, "skipped": None}})

    stub.hooks["/sdapi/v1/progress"] = moving
    with WebUI(stub.url, timeouts=Timeouts(idle_s=0.3)) as webui:
        assert webui.txt2img(**FIELDS).images


def test_a_bar_that_is_no_number_is_no_movement(stub: StubWebUI) -> None:
    """NaN is never equal to itself, so it would look like movement for ever."""
    task = {"active": True, "progress": float("nan"), "eta": float("nan")}
    stub.hooks["/internal/progress"] = lambda: Reply.json(task)
    limits = Timeouts(idle_s=0.2, total_s=3)
    with WebUI(stub.url, timeouts=limits) as webui, pytest.raises(Timeout, match="not moved"):
        webui.txt2img(**FIELDS)


def forget_ids(stub: StubWebUI) -> None:
    """As a server started with --nowebui, and SD.Next."""
    stub.has_internal = False
    stub.reads = {path: reply for path, reply in stub.reads.items() if not path.startswith("/internal")}


@pytest.mark.parametrize("busy", [False, True], ids=["the server was idle", "it worked for somebody else"])
def test_without_ids_only_a_job_that_went_first_is_interrupted(stub: StubWebUI, busy: bool) -> None:
    forget_ids(stub)
    theirs = threading.Thread(target=stub.run, args=({"force_task_id": "theirs"},), daemon=True)
    token = CancelToken()
    with WebUI(stub.url) as webui:
        webui.capabilities()
        if busy:
            theirs.start()
            wait_for(lambda: stub.current == "theirs")
        threading.Timer(0.2, token.cancel).start()
        with pytest.raises(Cancelled):
            webui.txt2img(**FIELDS, cancel=token)
        assert (stub.interrupts > 0) is not busy
    stub.hold.set()


def test_without_ids_a_half_made_picture_is_refused_too(stub: StubWebUI) -> None:
    forget_ids(stub)

    def interrupted(_: Any) -> Reply:
        stub.interrupted = True
        return Reply.json(picture_answer())

    stub.reply = interrupted
    stub.hold.set()
    with WebUI(stub.url) as webui, pytest.raises(Cancelled, match="somebody else"):
        webui.txt2img(**FIELDS)


def test_no_thread_stays_behind(stub: StubWebUI) -> None:
    stub.hold.set()
    before = set(threading.enumerate())
    with WebUI(stub.url, timeouts=Timeouts(recover_s=0.2)) as webui:
        webui.txt2img(**FIELDS)
        stub.reply = lambda request: Reply(drop=True)
        with pytest.raises(AnswerLost):
            webui.txt2img(**FIELDS)
    wait_for(lambda: not [t for t in set(threading.enumerate()) - before if t.name.startswith("sdwebui")])
