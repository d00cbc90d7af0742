"""Each fault does what its name says, as often as it was told to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from sdwebui_client.sandbox import Fault, SandboxError
from tests.unit.sandbox.support import SMALL, TXT2IMG, Client, wait_for


def _switch(client: Client, *faults: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/sandbox/faults", {"faults": list(faults)})
    assert answer.ok, answer.text
    return dict(answer.json())


def test_count_and_after(client: Callable[..., Client]) -> None:
    c = client()
    _switch(c, {"kind": "500", "after": 1, "count": 2})
    assert [c.post(TXT2IMG, SMALL).status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    (fault,) = c.get("/sandbox/faults").json()["faults"]
    assert (fault["hit"], fault["kind"]) == (2, "500")


def test_count_zero_is_for_ever_and_an_empty_list_ends_it(client: Callable[..., Client]) -> None:
    c = client()
    _switch(c, {"kind": "500", "count": 0})
    assert {c.post(TXT2IMG, SMALL).status_code for _ in range(3)} == {500}
    _switch(c)
    assert c.post(TXT2IMG, SMALL).ok


@pytest.mark.parametrize(
    ("flavour", "key"), [("a1111", "errors"), ("forge", "message"), ("reforge", "errors")]
)
def test_out_of_memory_in_the_flavours_words(client: Callable[..., Client], flavour: str, key: str) -> None:
    c = client(flavour=flavour)
    _switch(c, {"kind": "oom"})
    answer = c.post(TXT2IMG, SMALL)
    assert answer.status_code == 500
    assert answer.json()["error"] == "OutOfMemoryError"
    assert answer.json()[key].startswith("CUDA out of memory.")
    assert c.post(TXT2IMG, SMALL).ok


def test_a_reset_connection(client: Callable[..., Client]) -> None:
    c = client()
    _switch(c, {"kind": "reset"})
    with pytest.raises(requests.ConnectionError):
        c.post(TXT2IMG, SMALL)
    assert c.server.sandbox.generations["txt2img"] == 0
    assert c.post(TXT2IMG, SMALL).ok


def test_half_an_answer_after_the_work_was_done(client: Callable[..., Client]) -> None:
    c = client()
    _switch(c, {"kind": "truncated"})
    with pytest.raises(requests.RequestException):
        _ = c.post(TXT2IMG, {**SMALL, "force_task_id": "half"}).json()
    assert c.server.sandbox.tasks.finished == ["half"]


def test_a_gateways_page(client: Callable[..., Client]) -> None:
    c = client()
    _switch(c, {"kind": "html", "path": "/sdapi/v1/options"})
    answer = c.get("/sdapi/v1/options")
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    assert "<html>" in answer.text
    assert answer.headers["x-sdwebui-sandbox"] == "1"


def test_a_hanging_job_makes_no_progress_until_it_is_let_go(client: Callable[..., Client]) -> None:
    c = client()
    _switch(c, {"kind": "hang", "seconds": 60})
    thread = c.later(TXT2IMG, {**SMALL, "force_task_id": "stuck"})
    wait_for(lambda: c.server.sandbox.tasks.current == "stuck")
    time.sleep(0.2)
    assert c.post("/internal/progress", {"id_task": "stuck"}).json()["progress"] == 0.0
    _switch(c)
    thread.join(5)
    assert c.answers["stuck"].ok


def test_a_hanging_get(client: Callable[..., Client]) -> None:
    c = client()
    _switch(c, {"kind": "hang", "path": "/sdapi/v1/options", "seconds": 60})
    with pytest.raises(requests.Timeout):
        requests.get(c.server.url + "/sdapi/v1/options", timeout=0.3)


def test_slow_steps(client: Callable[..., Client]) -> None:
    c = client()
    _switch(c, {"kind": "slow", "seconds": 0.1})
    started = time.monotonic()
    c.post(TXT2IMG, {**SMALL, "steps": 5})
    assert time.monotonic() - started > 0.4
    started = time.monotonic()
    c.post(TXT2IMG, {**SMALL, "steps": 5})
    assert time.monotonic() - started < 0.4


def test_a_restart_refuses_connections_and_forgets_its_queue(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.05)
    thread = c.later(TXT2IMG, {**SMALL, "steps": 100, "force_task_id": "lost"})
    wait_for(lambda: c.server.sandbox.tasks.current == "lost")
    _switch(c, {"kind": "restart", "path": "/sdapi/v1/memory", "seconds": 0.6})
    with pytest.raises(requests.ConnectionError):
        c.get("/sdapi/v1/memory")
    thread.join(5)
    assert isinstance(c.answers["lost"], requests.ConnectionError)
    wait_for(lambda: _refused(c))
    wait_for(lambda: not _refused(c))
    assert c.post("/internal/progress", {"id_task": "lost"}).json()["textinfo"] == "Waiting..."
    assert c.get("/internal/pending-tasks").json()["size"] == 0
    assert c.post(TXT2IMG, SMALL).ok


def _refused(client: Client) -> bool:
    try:
        return not client.get("/internal/ping").ok
    except requests.ConnectionError:
        return True


def test_a_server_that_stops_closes_the_connection(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.05)
    thread = c.later(TXT2IMG, {**SMALL, "steps": 200, "force_task_id": "cut"})
    wait_for(lambda: c.server.sandbox.tasks.current == "cut")
    started = time.monotonic()
    c.server.stop()
    thread.join(5)
    assert isinstance(c.answers["cut"], requests.ConnectionError)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "body",
    [{}, [], {"faults": "oom"}, {"faults": [{"kind": "nope"}]}, {"faults": [{"kind": "oom", "counts": 2}]}],
)
def test_nonsense_is_refused(client: Callable[..., Client], body: Any) -> None:
    answer = client().post("/sandbox/faults", body)
    assert answer.status_code == 422
    assert "faults" in answer.json()["detail"]


def test_a_fault_names_what_is_wrong_with_it() -> None:
    with pytest.raises(SandboxError, match="unknown fault 'melt'"):
        Fault(kind="melt")  # type: ignore[arg-type]
    with pytest.raises(SandboxError, match="unknown key of a fault: often"):
        Fault.parse({"kind": "oom", "often": 3})


def test_faults_of_the_settings_hold_from_the_start(client: Callable[..., Client]) -> None:
    c = client(faults=(Fault(kind="oom"),))
    assert c.post(TXT2IMG, SMALL).status_code == 500
    assert c.post(TXT2IMG, SMALL).ok
