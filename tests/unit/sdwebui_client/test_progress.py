"""One bar that never runs backwards, made of the server's that does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdwebui_client import CancelToken, EncodedImage
from sdwebui_client._watch import TaskWatch
from sdwebui_client.progress import (
    JobPlan,
    ProgressTracker,
    TaskState,
    decode_preview,
    queue_position,
)
from tests.recorded import recordings

ADETAILER: dict[str, Any] = {"ADetailer": {"args": [True, False, {"ad_model": "face_yolov8n.pt"}]}}


def states(flavour: str, name: str) -> list[TaskState]:
    return [
        TaskState(
            active=True,
            fraction=row["progress"],
            eta_s=row["eta_relative"],
            job=row["state"]["job"],
            job_no=row["state"]["job_no"],
            job_count=row["state"]["job_count"],
            step=row["state"]["sampling_step"],
            steps=row["state"]["sampling_steps"],
        )
        for row in recordings(flavour)[name].raw["trace"]
        if row["state"]["job"]
    ]


@pytest.mark.parametrize("flavour", ["a1111", "forge", "reforge"])
def test_a_recorded_job_with_adetailer(flavour: str) -> None:
    trace = states(flavour, "j01_progress_trace")
    raw = [state.fraction for state in trace]
    assert raw != sorted(raw), "the recording itself runs backwards"
    tracker = ProgressTracker(JobPlan.of({"alwayson_scripts": ADETAILER}))
    seen = [tracker.update(state) for state in trace]
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.9
    halfway = next(progress for progress in seen if progress.stage == "ADetailer")
    assert 0.5 <= halfway.fraction < 0.7
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages[:2] == ["sampling", "ADetailer"] or stages[:3] == ["sampling", "finishing", "ADetailer"]


def test_a_recorded_tile_upscale() -> None:
    tracker = ProgressTracker(JobPlan.of({"script_name": "Ultimate SD upscale"}))
    seen = [tracker.update(state) for state in states("a1111", "j12_usdu_progress_trace")]
    assert {progress.stage for progress in seen} == {"upscaling"}
    assert 0 < seen[-1].fraction < 0.5


STATES = st.builds(
    TaskState,
    active=st.booleans(),
    queued=st.booleans(),
    fraction=st.floats(-1, 2),
    job_no=st.integers(0, 20),
    job_count=st.integers(-1, 20),
    step=st.integers(0, 60),
    steps=st.integers(0, 50),
    eta_s=st.none() | st.floats(-10, 1000),
)


@given(
    states=st.lists(STATES, max_size=30),
    plan=st.builds(JobPlan, passes=st.integers(1, 8), retouches=st.integers(0, 4), tiles=st.booleans()),
)
def test_it_never_falls_whatever_the_server_says(states: list[TaskState], plan: JobPlan) -> None:
    tracker = ProgressTracker(plan)
    last = 0.0
    for state in states:
        progress = tracker.update(state)
        assert last <= progress.fraction < 1.0
        assert progress.eta_s is None or progress.eta_s >= 0
        last = progress.fraction
    assert tracker.done().fraction == 1.0


@pytest.mark.parametrize(
    ("payload", "plan"),
    [
        ({}, JobPlan()),
        ({"n_iter": 3}, JobPlan(3)),
        ({"n_iter": 2, "enable_hr": True}, JobPlan(4, 2)),
        ({"n_iter": 2, "alwayson_scripts": ADETAILER}, JobPlan(2, 1, 2)),
        ({"alwayson_scripts": {"ADetailer": {"args": [True, True, {"ad_model": "None"}]}}}, JobPlan()),
        ({"alwayson_scripts": {"controlnet": {"args": [{"model": "x"}]}}}, JobPlan()),
        ({"script_name": "Ultimate SD upscale"}, JobPlan(tiles=True)),
    ],
)
def test_the_plan_of_a_payload(payload: dict[str, Any], plan: JobPlan) -> None:
    assert JobPlan.of(payload) == plan


def test_time_left_is_reckoned_from_the_work_done() -> None:
    now = [0.0]
    tracker = ProgressTracker(JobPlan(), clock=lambda: now[0])
    first = tracker.update(TaskState(active=True, job="x", job_count=1, step=0, steps=20, eta_s=99.0))
    assert first.eta_s == 99.0
    now[0] = 10.0
    assert tracker.update(
        TaskState(active=True, job="x", job_count=1, step=5, steps=20, eta_s=1.0)
    ).eta_s == pytest.approx(30.0)


def test_hires_fix_is_a_stage() -> None:
    tracker = ProgressTracker(JobPlan.of({"enable_hr": True}))
    second = tracker.update(TaskState(active=True, job="x", job_no=1, job_count=2, step=3, steps=20))
    assert second.stage == "hires fix"


@pytest.mark.parametrize(
    ("text", "position"), [("In queue: 7/9", 7), ("Waiting...", None), (None, None), ("", None)]
)
def test_queue_position(text: str | None, position: int | None) -> None:
    assert queue_position(text) == position


def test_previews() -> None:
    picture = recordings("a1111")["full/p01_txt2img_plain"].body["images"][0]
    decoded = decode_preview("data:image/png;base64," + picture)
    assert isinstance(decoded, EncodedImage)
    assert decode_preview("<half>") is None
    assert decode_preview(None) is None


def test_a_token_tells_its_listeners() -> None:
    token, calls = CancelToken(), []
    token._subscribe(lambda: calls.append("early"))
    token.cancel()
    token.cancel()
    token._subscribe(lambda: calls.append("late"))
    assert calls == ["early", "early", "late"]
    assert token.cancelled


class Answers:
    """A transport that answers from recordings."""

    def __init__(self, task: dict[str, Any], server: dict[str, Any]) -> None:
        self.task, self.server = task, server
        from sdwebui_client import Timeouts

        self.timeouts = Timeouts()

    def post(self, path: str, kind: Any, **_: Any) -> Any:
        return kind.model_validate(self.task)

    def get(self, path: str, kind: Any, **_: Any) -> Any:
        return kind.model_validate(self.server)


@pytest.mark.parametrize(
    ("task", "active", "queued", "completed"),
    [("0", True, False, False), ("1", False, True, False)],
)
def test_recorded_states_of_jobs(task: str, active: bool, queued: bool, completed: bool) -> None:
    row = recordings("a1111")["j07_concurrent_trace"].raw["trace"][0]
    transport: Any = Answers(row["internal_progress"][task], row["progress"])
    state = TaskWatch(transport, has_ids=True).state("task(rig)")
    assert (state.active, state.queued, state.completed) == (active, queued, completed)


def test_the_id_of_a_failed_job_is_no_running_job() -> None:
    """`active` only compares ids (recorded: q07, where none equals none),
    so the server must be at work too."""
    idle = recordings("a1111")["get_progress_idle"].body
    task = recordings("a1111")["q07_internal_progress_bad_body"].body
    assert task["active"] is True
    transport: Any = Answers(task, idle)
    assert TaskWatch(transport, has_ids=True).state("task(x)").active is False
