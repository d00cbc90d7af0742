"""What became of a job whose answer was lost: one verdict for each thing a server can show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sdwebui_client import ConnectFailed, Timeout, Timeouts, TransportError
from sdwebui_client._aftermath import LEAKED_AFTER_S, Aftermath, Verdict
from sdwebui_client._jobs import lost_answer
from sdwebui_client.progress import TaskState
from tests.recorded import recordings

BUSY: dict[str, Any] = {"job": "scripts_txt2img", "job_count": 1}
OURS = TaskState(active=True, **BUSY)
WAITING = TaskState(queued=True, **BUSY)
STUCK = TaskState(queued=True)
DONE = TaskState(completed=True)
UNKNOWN = TaskState()
OTHERS = TaskState(**BUSY)
ANY_JOB = TaskState(active=True, known_by_id=False, **BUSY)
NO_JOB = TaskState(known_by_id=False)
GONE = ConnectFailed("refused")
SILENT = TransportError("dropped")


class Script:
    """A watch and a clock: each question gets the next answer, the last one for ever."""

    def __init__(self, *answers: TaskState | Exception) -> None:
        self.answers, self.asked, self.now = list(answers), 0, 0.0

    def state(self, _: str) -> TaskState:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def waits(self, _: str) -> bool:
        return False

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def settle(script: Script, **limits: Any) -> Verdict:
    watch: Any = script
    return Aftermath(
        watch, "task(x)", Timeouts(**limits), sleep=script.sleep, clock=lambda: script.now
    ).settle()


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([DONE], Verdict.ENDED),
        ([OURS, OURS, DONE], Verdict.ENDED),
        ([WAITING, WAITING, OURS, DONE], Verdict.ENDED),
        ([OURS, UNKNOWN, UNKNOWN], Verdict.ENDED),
        ([UNKNOWN, UNKNOWN], Verdict.NOT_RUNNING),
        ([OTHERS, OTHERS], Verdict.NOT_RUNNING),
        ([UNKNOWN, WAITING, OURS, DONE], Verdict.ENDED),
        ([GONE, GONE, UNKNOWN, UNKNOWN], Verdict.NOT_RUNNING),
        ([OURS, GONE, UNKNOWN, UNKNOWN], Verdict.NOT_RUNNING),
        ([SILENT, UNKNOWN, UNKNOWN], Verdict.NOT_RUNNING),
        ([GONE], Verdict.UNREACHABLE),
        ([STUCK], Verdict.UNCLEAR),
        ([STUCK, STUCK, OURS, DONE], Verdict.ENDED),
        ([ANY_JOB, NO_JOB, NO_JOB], Verdict.ENDED),
        ([NO_JOB, NO_JOB], Verdict.ENDED),
        ([NO_JOB, ANY_JOB, NO_JOB, NO_JOB], Verdict.ENDED),
        ([GONE, NO_JOB, NO_JOB], Verdict.NOT_RUNNING),
    ],
)
def test_verdicts(answers: list[TaskState | Exception], verdict: Verdict) -> None:
    assert settle(Script(*answers)) is verdict


def test_a_job_that_moves_is_waited_for_as_long_as_it_takes() -> None:
    moving = [TaskState(active=True, step=step, steps=5000, **BUSY) for step in range(5000)]
    script = Script(*moving, DONE)
    assert settle(script, idle_s=10) is Verdict.ENDED
    assert script.now > 4000


def test_a_job_that_hangs_is_not() -> None:
    with pytest.raises(Timeout, match="not moved"):
        settle(Script(OURS), idle_s=10)


def test_a_dead_server_is_waited_for_only_so_long() -> None:
    script = Script(GONE)
    settle(script, recover_s=30)
    assert 30 <= script.now < 35


def test_a_leaked_place_in_the_queue_is_not_waited_for_for_ever() -> None:
    script = Script(STUCK)
    settle(script)
    assert LEAKED_AFTER_S <= script.now < LEAKED_AFTER_S + 5


def test_somebody_may_stop_it() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    watch: Any = Script(OURS)
    raising: Callable[[], None] = stop
    with pytest.raises(KeyboardInterrupt):
        Aftermath(watch, "task(x)", Timeouts(), should_stop=raising).settle()


@pytest.mark.parametrize("flavour", ["a1111", "forge", "reforge"])
def test_a_recorded_disconnect(flavour: str) -> None:
    """The socket was closed 2 s into a job of 20 steps; the job went on to its end."""
    states: list[TaskState | Exception] = []
    for row in recordings(flavour)["j09_disconnect_trace"].raw["trace"]:
        task, state = row["internal"], row["state"]
        busy = bool(state["job"]) or state["job_count"] != 0
        states.append(
            TaskState(
                active=task["active"] and busy,
                queued=task["queued"],
                completed=task["completed"],
                fraction=task["progress"] or 0.0,
                job=state["job"],
                job_count=state["job_count"],
            )
        )
    script = Script(*states)
    assert settle(script) is Verdict.ENDED
    assert script.asked == len(states)


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_says_whether_to_send_again(verdict: Verdict) -> None:
    error = lost_answer(verdict, TransportError("dropped", url="u"), "task(x)")
    assert error.safe_to_resend is (verdict in (Verdict.ENDED, Verdict.NOT_RUNNING))
    assert error.server_gone is (verdict is Verdict.UNREACHABLE)
    assert error.hint
    assert "dropped" in error.message
