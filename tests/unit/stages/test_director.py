"""What is delivered depends on the pictures, not on which was ready first; trying again has an end."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sdwebui_client import CancelToken
from stages.director import Director, Session
from stages.events import Event, PlanGrown
from stages.lib.score import Score
from stages.lib.select import MAX_RETRIES, candidates_to_draw, plan_slots
from stages.lib.select import reason_against_candidate as against_candidate
from stages.lib.select import reason_against_portrait as against_portrait
from stages.progress import Tracker
from stages.shots import Candidate, Finished

Judge = Callable[[str, int, str | None], float]
"""(pose, index, tone or None) -> likeness."""


@dataclass
class _Engine:
    events: list[Event] = field(default_factory=list)
    halted: bool = False
    cancel: CancelToken = field(default_factory=CancelToken)

    def __post_init__(self) -> None:
        self.tracker = Tracker(lambda _event: None)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def halt(self) -> None:
        self.halted = True


@dataclass
class _Preset:
    min_likeness: float = 0.5
    img2img: Any = None
    upscale: Any = None


class _Shooter:
    """Plays the shots: each takes a moment, by chance."""

    def __init__(self, judge: Judge, seed: int) -> None:
        self.engine, self.preset = _Engine(), _Preset()
        self._judge, self._chance = judge, random.Random(seed)
        self.made: Counter[str] = Counter()
        self._lock = threading.Lock()

    def _wait(self, what: str) -> None:
        with self._lock:
            self.made[what] += 1
            pause = self._chance.uniform(0.0, 0.004)
        time.sleep(pause)

    def draw(self, pose: str, index: int) -> Candidate:
        self._wait(f"{pose}-{index}")
        score = _score(self._judge(pose, index, None))
        refused = against_candidate(score, min_likeness=0.5)
        return Candidate(f"{pose}-{index + 1}", pose, index, index, None, score, refused)  # type: ignore[arg-type]

    def finish(self, candidate: Candidate, tone: str) -> Finished:
        self._wait(f"{candidate.shot}-{tone}")
        score = _score(self._judge(candidate.pose, candidate.index, tone))
        refused = against_portrait(score, min_likeness=0.5)
        return Finished(f"{candidate.shot}-{tone}", candidate.pose, tone, candidate, (), score, refused)


def _score(likeness: float) -> Score:
    return Score(likeness, distance=0.5, sharpness=50.0, face_px=100.0, box=None)


def _run(
    judge: Judge, *, count: int | None = None, seed: int = 0, parallel: int = 2, shots: int = 3
) -> tuple[Session, _Shooter]:
    slots = plan_slots(["front", "left"], ["cool", "warm"], keep=1, count=count)
    shooter = _Shooter(judge, seed)
    draws = candidates_to_draw(slots, shots=shots, keep=1)
    director = Director(shooter, slots, draws, parallel=parallel)  # type: ignore[arg-type]
    return director.run(), shooter


def _chosen(session: Session) -> list[str]:
    return [shot.shot for _, shot in session.chosen]


def test_the_best_candidate_of_each_pose_goes_on() -> None:
    session, shooter = _run(lambda pose, index, tone: 0.6 + index / 10)
    assert _chosen(session) == ["front-3-cool", "front-3-warm", "left-3-cool", "left-3-warm"]
    assert sum(shooter.made.values()) == 6 + 4
    assert session.unfilled == ()


def test_a_refused_portrait_is_replaced_by_the_next_candidate() -> None:
    def judge(pose: str, index: int, tone: str | None) -> float:
        return 0.4 if (pose, index, tone) == ("front", 2, "cool") else 0.6 + index / 10

    session, shooter = _run(judge)
    assert _chosen(session) == ["front-2-cool", "front-3-warm", "left-3-cool", "left-3-warm"]
    assert [shot.shot for shot in session.finished if shot.refused] == ["front-3-cool"]
    assert any(
        "another candidate is tried" in e.reason for e in shooter.engine.events if isinstance(e, PlanGrown)
    )


def test_a_pose_without_good_candidates_is_drawn_once_more() -> None:
    def judge(pose: str, index: int, tone: str | None) -> float:
        return 0.1 if pose == "front" and index < 3 else 0.8

    session, shooter = _run(judge)
    assert _chosen(session)[:2] == ["front-4-cool", "front-4-warm"]
    assert len(session.candidates["front"]) == 6
    assert len(session.candidates["left"]) == 3
    assert any("more are drawn" in e.reason for e in shooter.engine.events if isinstance(e, PlanGrown))


def test_trying_again_has_an_end() -> None:
    session, shooter = _run(lambda pose, index, tone: 0.45)
    assert session.chosen == ()
    assert len(session.unfilled) == 4
    assert session.best_likeness == 0.45
    finished = [name for name in shooter.made if name.endswith(("cool", "warm"))]
    assert len(finished) == 4 * (1 + MAX_RETRIES)


def test_nobody_in_any_picture() -> None:
    session, _ = _run(lambda pose, index, tone: 0.0)
    assert session.finished == ()
    assert session.best_likeness == 0.0
    assert all(len(shots) == 6 for shots in session.candidates.values())


def test_a_larger_count_uses_further_candidates_once_each() -> None:
    session, shooter = _run(lambda pose, index, tone: 0.6 + index / 100, count=8)
    assert _chosen(session) == [
        "front-6-cool", "front-6-warm", "left-6-cool", "left-6-warm",
        "front-5-cool", "front-5-warm", "left-5-cool", "left-5-warm",
    ]  # fmt: skip
    assert max(shooter.made.values()) == 1


@pytest.mark.parametrize("parallel", [1, 2, 5])
def test_the_result_does_not_depend_on_who_was_ready_first(parallel: int) -> None:
    quality = random.Random(7)
    table = {
        (pose, index, tone): quality.uniform(0.2, 0.9)
        for pose in ("front", "left")
        for index in range(12)
        for tone in (None, "cool", "warm")
    }
    outcomes = set()
    for seed in range(8):
        session, _ = _run(lambda *key: table[key], count=7, seed=seed, parallel=parallel)
        outcomes.add(
            (tuple(_chosen(session)), tuple(shot.shot for shot in session.finished), len(session.unfilled))
        )
    assert len(outcomes) == 1


def test_an_error_stops_handing_out_and_is_the_one_that_is_raised() -> None:
    class Broken(Exception):
        pass

    def judge(pose: str, index: int, tone: str | None) -> float:
        if (pose, index) == ("front", 1):
            raise Broken
        return 0.8

    slots = plan_slots(["front", "left"], ["cool"], keep=1, count=None)
    shooter = _Shooter(judge, 0)
    with pytest.raises(Broken):
        Director(shooter, slots, {"front": 20, "left": 20}, parallel=1).run()  # type: ignore[arg-type]
    assert shooter.engine.halted
    assert not shooter.engine.cancel.cancelled
    assert sum(shooter.made.values()) < 20
