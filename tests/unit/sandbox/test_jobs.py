"""One job at a time, task ids, progress that falls back, interrupt and skip, clients that go away."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.sandbox.support import FACE, IMG2IMG, SMALL, TXT2IMG, Client, wait_for


def _job(task_id: str, **changes: Any) -> dict[str, Any]:
    return {**SMALL, "force_task_id": task_id, **changes}


def _internal(client: Client, task_id: str | None) -> dict[str, Any]:
    return dict(client.post("/internal/progress", {"id_task": task_id, "id_live_preview": -1}).json())


def test_jobs_run_in_the_order_they_came(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.02)
    threads = []
    for name in ("one", "two", "three"):
        threads.append(c.later(TXT2IMG, _job(name, steps=10)))
        wait_for(lambda name=name: name in c.server.sandbox.tasks.made)
    assert _internal(c, "one")["active"]
    assert _internal(c, "three") | {"textinfo": ""} == {**_internal(c, "two"), "textinfo": ""}
    assert _internal(c, "three")["textinfo"] == "In queue: 2/2"
    assert c.get("/internal/pending-tasks").json() == {"size": 2, "tasks": ["two", "three"]}
    for thread in threads:
        thread.join()
    assert c.server.sandbox.tasks.finished == ["one", "two", "three"]
    assert _internal(c, "one")["completed"]


def test_gets_stay_quick_while_a_job_runs(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.05)
    thread = c.later(TXT2IMG, _job("long", steps=20))
    wait_for(lambda: _internal(c, "long")["active"])
    for path in ("/sdapi/v1/options", "/sdapi/v1/sd-models", "/sdapi/v1/progress", "/sdapi/v1/loras"):
        answer = c.get(path)
        assert answer.ok
        assert answer.elapsed.total_seconds() < 0.3, path
    c.post("/sdapi/v1/interrupt")
    thread.join()


def test_progress_goes_to_one_and_falls_back_with_adetailer(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.01)
    thread = c.later(TXT2IMG, _job("faces", steps=20, alwayson_scripts=FACE))
    seen: list[float] = []
    states: list[dict[str, Any]] = []
    while thread.is_alive():
        answer = c.get("/sdapi/v1/progress?skip_current_image=true").json()
        seen.append(answer["progress"])
        states.append(answer["state"])
    thread.join()
    falls = [(a, b) for a, b in itertools.pairwise(seen) if b < a and b > 0]
    assert any(a > 0.8 and 0.45 <= b <= 0.7 for a, b in falls), seen
    assert any(state["job_count"] == 2 for state in states)
    assert any(state["sampling_steps"] == 9 for state in states), "int(0.4 * 20) + 1 steps of the second pass"
    idle = c.get("/sdapi/v1/progress").json()
    assert (idle["progress"], idle["state"]["job_count"], idle["state"]["job"]) == (0.0, 0, "")


def test_previews_come_every_ten_steps(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.02)
    thread = c.later(TXT2IMG, _job("seen", steps=30))
    preview = wait_for(lambda: _internal(c, "seen")["live_preview"])
    assert preview.startswith("data:image/png;base64,")
    assert c.get("/sdapi/v1/progress").json()["current_image"]
    assert c.get("/sdapi/v1/progress?skip_current_image=true").json()["current_image"] is None
    c.post("/sdapi/v1/interrupt")
    thread.join()


def test_no_previews_when_they_are_off(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.01)
    c.post("/sdapi/v1/options", {"live_previews_enable": False})
    thread = c.later(TXT2IMG, _job("blind", steps=25))
    wait_for(lambda: c.server.sandbox.progress.sampling_step > 12)
    assert c.get("/sdapi/v1/progress").json()["current_image"] is None
    thread.join()


def test_interrupt_ends_whatever_runs_without_a_mark(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.05)
    thread = c.later(TXT2IMG, _job("cut", steps=60, n_iter=3, alwayson_scripts=FACE))
    wait_for(lambda: c.server.sandbox.progress.sampling_step >= 2)
    assert c.post("/sdapi/v1/interrupt").json() == {}
    thread.join()
    answer = c.answers["cut"]
    info = json.loads(answer.json()["info"])
    assert answer.status_code == 200
    assert len(answer.json()["images"]) == 1
    assert len(info["all_seeds"]) == 3
    assert "ADetailer model" in info["infotexts"][0]
    assert c.get("/sdapi/v1/progress").json()["state"]["interrupted"], "stays until the next job"
    assert c.post(TXT2IMG, SMALL).ok
    assert not c.get("/sdapi/v1/progress").json()["state"]["interrupted"]


def test_skip_ends_one_iteration(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.02)
    thread = c.later(TXT2IMG, _job("skipped", steps=40, n_iter=2))
    wait_for(lambda: c.server.sandbox.progress.sampling_step >= 2)
    assert c.post("/sdapi/v1/skip").json() is None
    wait_for(lambda: not c.server.sandbox.progress.skipped)
    c.post("/sdapi/v1/skip")
    thread.join()
    assert len(c.answers["skipped"].json()["images"]) == 2


def test_an_idle_interrupt_does_not_stop_the_next_job(client: Callable[..., Client]) -> None:
    c = client()
    c.post("/sdapi/v1/interrupt")
    assert len(c.post(TXT2IMG, {**SMALL, "n_iter": 2}).json()["images"]) == 2


def test_a_client_that_goes_away_does_not_stop_its_job(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.01)
    connection = http.client.HTTPConnection(c.server.url.removeprefix("http://"))
    body = json.dumps(_job("orphan", steps=30))
    connection.request("POST", TXT2IMG, body, {"Content-Type": "application/json"})
    wait_for(lambda: _internal(c, "orphan")["active"])
    connection.close()
    wait_for(lambda: _internal(c, "orphan")["completed"])


def test_a_bad_picture_leaves_its_id_pending(client: Callable[..., Client]) -> None:
    c = client()
    answer = c.post(IMG2IMG, _job("bad", init_images=["not base64"]))
    assert answer.status_code == 500
    assert c.get("/internal/pending-tasks").json()["tasks"] == ["bad"]


def test_a_used_id_is_completed_while_it_runs_again(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.02)
    c.post(TXT2IMG, _job("again"))
    thread = c.later(TXT2IMG, _job("again", steps=20))
    answer = wait_for(lambda: (now := _internal(c, "again"))["active"] and now)
    assert answer["completed"]
    thread.join()


def test_no_id_counts_as_active_when_nothing_runs(client: Callable[..., Client]) -> None:
    c = client()
    assert c.post("/internal/progress", {}).json()["active"] is True
    assert _internal(c, "nobody")["textinfo"] == "Waiting..."


def test_refresh_checkpoints_waits_for_the_running_job(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.02)
    thread = c.later(TXT2IMG, _job("busy", steps=15))
    wait_for(lambda: _internal(c, "busy")["active"])
    answer = c.post("/sdapi/v1/refresh-checkpoints")
    assert c.server.sandbox.tasks.finished == ["busy"]
    assert answer.json() is None
    thread.join()


def test_upscale_shows_a_pass_a_tile(client: Callable[..., Client]) -> None:
    c = client(seconds_per_step=0.01)
    source = c.post(TXT2IMG, {**SMALL, "width": 128, "height": 128}).json()["images"][0]
    args = [None, 64, 64, 8, 32, 64, 0.35, 16, 3, False, 0, False, 4, 0, 2, 512, 512, 2]
    body = _job("tiles", steps=10, init_images=[source], denoising_strength=0.2)
    thread = c.later(IMG2IMG, {**body, "script_name": "Ultimate SD upscale", "script_args": args})
    state = wait_for(
        lambda: (s := c.get("/sdapi/v1/progress").json()["state"])["job_no"] > 1 and s["job"] and s, 10
    )
    assert (state["job"], state["job_count"], state["sampling_steps"]) == ("(unknown)", 16, 3)
    thread.join()
    assert json.loads(c.answers["tiles"].json()["info"])["width"] == 256


@pytest.mark.parametrize("flavour", ["a1111", "forge", "reforge"])
def test_ids_are_known_in_every_a1111_family_flavour(client: Callable[..., Client], flavour: str) -> None:
    c = client(flavour=flavour)
    c.post(TXT2IMG, _job("mine"))
    assert _internal(c, "mine")["completed"]


def test_nowebui_has_no_internal_routes(client: Callable[..., Client]) -> None:
    c = client(nowebui=True)
    assert c.get("/internal/ping").status_code == 404
    assert c.post("/internal/progress", {"id_task": "x"}).status_code == 404
    assert c.get("/").status_code == 404
    assert c.get("/sdapi/v1/progress").ok
